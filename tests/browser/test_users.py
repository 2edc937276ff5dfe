"""What editors and others do on the pages, in real browsers, on several processes."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, sign_in
from tests.http_client import add_user

TELLS_STATUS = re.compile(r"the server responded with a status of 4\d\d")


@pytest.fixture
def open_editors(open_page, editor):
    """A function that opens a path where the editor is signed in, each time in a new browser."""

    def open_(path="/", **options):
        return open_page(path, storage_state=editor, **options)

    return open_


def press(page, name):
    page.get_by_role("main").get_by_role("button", name=name).click()


def add(page, name, fullname="Full"):
    page.goto("/users/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Full name").fill(fullname)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Save")
    expect(page.locator(".flash")).to_have_text(f"{name} is added.")
    return page.url


def statuses(page, path, times=12):
    """The statuses of `times` answers to `path`, from any process."""
    return {page.request.get(path, max_redirects=0).status for _ in range(times)}


def test_a_user_is_added_found_edited_and_deleted(open_editors):
    page = open_editors()
    page.get_by_role("link", name="Add a user").click()
    add(page, "grace", "Grace Hopper")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Full name").fill("Rear Admiral Hopper")
    press(page, "Save")
    expect(page.get_by_role("heading")).to_have_text("Rear Admiral Hopper")
    page.get_by_role("link", name="All users").click()
    page.get_by_label("Name or full name").fill("admiral")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="grace").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading")).to_have_text("Delete grace?")
    press(page, "Delete")
    expect(page.locator(".flash")).to_have_text("grace is deleted.")
    page.goto("/?q=admiral")
    expect(page.get_by_text("No user has “admiral”")).to_be_visible()
    assert page.complaints == []


def test_it_all_works_without_scripts(open_editors):
    page = open_editors(java_script_enabled=False)
    add(page, "lynn")
    page.get_by_role("link", name="Delete").click()
    press(page, "Delete")
    expect(page.locator(".flash")).to_have_text("lynn is deleted.")


def test_two_browsers_edit_one_user_and_the_later_one_sees_both_versions(open_editors):
    ones = open_editors()
    place = add(ones, "shared", "As it was")
    others = open_editors(place + "/edit")
    ones.goto(place + "/edit")
    for page, fullname in ((others, "Of the other"), (ones, "Of the one")):
        page.get_by_label("Full name").fill(fullname)
        press(page, "Save")
    expect(others.get_by_role("heading")).to_have_text("Of the other")
    expect(ones.get_by_role("heading", name="Somebody else has changed")).to_be_visible()
    cells = ones.locator("tr.differs").locator("th, td").all_text_contents()
    assert cells == ["Full name", "Of the one", "Of the other"]
    expect(ones.get_by_label("Full name")).to_have_value("Of the one")
    others.reload()
    expect(others.get_by_role("heading")).to_have_text("Of the other")
    press(ones, "Save yours")
    others.reload()
    expect(others.get_by_role("heading")).to_have_text("Of the one")
    assert [text for text in ones.complaints if not TELLS_STATUS.search(text)] == []


def test_what_another_has_stored_can_be_left(open_editors):
    ones = open_editors()
    place = add(ones, "kept", "As it was")
    ones.goto(place + "/edit")
    others = open_editors(place + "/edit")
    others.get_by_label("Full name").fill("Of the other")
    press(others, "Save")
    ones.get_by_label("Full name").fill("Of the one")
    press(ones, "Save")
    ones.get_by_role("link", name="keep what is stored").click()
    expect(ones.get_by_role("heading")).to_have_text("Of the other")


def test_an_edit_of_a_user_that_another_has_deleted_says_so(open_editors):
    ones = open_editors()
    place = add(ones, "shortlived")
    ones.goto(place + "/edit")
    others = open_editors(place + "/delete")
    press(others, "Delete")
    press(ones, "Save")
    expect(ones.get_by_text("If there was one, it has been deleted.")).to_be_visible()


def test_a_double_click_does_nothing_twice(open_editors):
    page = open_editors("/users/new")
    page.get_by_label("Name", exact=True).fill("twice")
    page.get_by_label("Full name").fill("Once only")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Save").dblclick()
    expect(page.get_by_role("heading")).to_have_text("Once only")
    place = page.url
    page.goto(place + "/edit")
    page.get_by_label("Full name").fill("Changed once")
    page.get_by_role("button", name="Save").dblclick()
    expect(page.get_by_role("heading")).to_have_text("Changed once")
    expect(page.locator("dd").last).to_have_text("2")
    page.goto(place + "/delete")
    page.get_by_role("button", name="Delete").dblclick()
    expect(page.locator(".flash").first).to_have_text("twice is deleted.")
    before = page.locator("tbody tr").count()
    page.get_by_role("button", name="Add a random user").dblclick()
    page.locator("tr:target").wait_for()
    assert page.locator("tbody tr").count() == before + 1
    assert page.complaints == []


def test_a_double_click_signs_in_and_out_as_one_click_does(open_page, site):
    add_user(site.data, "quick", PASSWORD)
    page = open_page("/sign-in")
    page.get_by_label("Name").fill("quick")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").dblclick()
    page.get_by_role("link", name="quick", exact=True).first.wait_for()
    page.get_by_role("banner").get_by_role("button", name="Sign out").dblclick()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert statuses(page, "/account") == {303}
    assert page.complaints == []


def test_sign_out_in_one_browser_holds_in_the_other_at_once(open_page, site, editor):
    add_user(site.data, "out", PASSWORD, "editor")
    ones = open_page()
    sign_in(ones, "out")
    others = open_page("/users/new", storage_state=ones.context.storage_state())
    expect(others.get_by_role("heading")).to_have_text("Add a user")
    assert statuses(others, "/users/new") == {200}
    ones.get_by_role("button", name="Sign out").click()
    expect(ones.get_by_role("link", name="Sign in")).to_be_visible()
    assert statuses(others, "/users/new") == {303}
    others.locator("form.fields").evaluate("form => { form.noValidate = true; }")
    press(others, "Save")
    expect(others.get_by_text("You are signed out.")).to_be_visible()


def test_the_way_back_after_signing_out_shows_nothing_private(open_page, site):
    add_user(site.data, "back", PASSWORD, "editor")
    page = open_page()
    sign_in(page, "back")
    page.goto("/account")
    expect(page.get_by_role("heading", name="Change the password")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading")).to_have_text("Sign in")
    assert "back Full" not in page.content()


def test_a_changed_password_ends_the_other_browsers_session_only(open_page, site):
    add_user(site.data, "pass", PASSWORD)
    ones, others = open_page(), open_page()
    for page in (ones, others):
        sign_in(page, "pass")
        page.goto("/account")
    ones.get_by_label("Present password").fill(PASSWORD)
    for label in ("New password", "New password again"):
        ones.get_by_label(label, exact=True).fill("another long one")
    press(ones, "Change the password")
    expect(ones.locator(".flash")).to_be_visible()
    assert statuses(ones, "/account") == {200}
    assert statuses(others, "/account") == {303}


def test_one_browser_is_signed_out_from_the_list_of_the_other(open_page, site):
    add_user(site.data, "list", PASSWORD)
    ones, others = open_page(), open_page()
    for page in (ones, others):
        sign_in(page, "list")
    ones.goto("/account/sessions")
    rows = ones.locator("tbody tr")
    expect(rows).to_have_count(2)
    rows.filter(has_not_text="this browser").get_by_role("button").click()
    expect(rows).to_have_count(1)
    assert statuses(others, "/account") == {303}
    assert statuses(ones, "/account") == {200}


def test_signing_in_leads_back_to_where_it_was_asked_for(open_page, site):
    add_user(site.data, "way", PASSWORD, "editor")
    page = open_page("/users/1/edit")
    page.get_by_label("Name").fill("way")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    expect(page).to_have_url(re.compile("/users/1/edit$"))


def test_a_user_is_added_by_the_keyboard_alone(open_editors):
    page = open_editors()
    until(page, "Add a user")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading")).to_have_text("Add a user")
    for label, text in (
        ("Name", "keys"),
        ("Full name", "By keys"),
        ("Role", "e"),
        ("Password", PASSWORD),
    ):
        until(page, label)
        page.keyboard.type(text)
    until(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading")).to_have_text("By keys")
    expect(page.locator("dl")).to_contain_text("editor")


def until(page, name):
    """Press Tab until the element with this label or text has the focus; each stop is visible."""
    for _ in range(30):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => {
              const at = document.activeElement;
              const box = at.getBoundingClientRect();
              return { name: (at.labels?.[0] ?? at).textContent.trim(), left: box.left,
                       outline: getComputedStyle(at).outlineStyle };
            }"""
        )
        assert at["outline"] == "solid" and at["left"] >= 0, at
        if at["name"] == name:
            return
    raise AssertionError(f"no Tab leads to {name}")
