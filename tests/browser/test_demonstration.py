"""The demonstration's button in a real browser, and addresses that are not pages."""

import pytest


def press(page):
    page.get_by_role("button", name="Add a random user").click()


def test_the_button_shows_the_new_user_in_the_window(open_page):
    page = open_page(height=300)
    before = page.locator("tbody tr").count()
    press(page)
    assert page.locator("tbody tr").count() == before + 1
    new = page.locator("tr:target")
    assert new.get_attribute("id") == page.locator("tbody tr").last.get_attribute("id")
    box = new.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 300
    assert page.complaints == []


def test_going_back_and_pressing_again_adds_another(open_page):
    page = open_page()
    before = page.locator("tbody tr").count()
    for added in (1, 2):
        press(page)
        page.locator("tr:target").wait_for()
        assert page.locator("tbody tr").count() == before + added
        page.go_back()


def test_everything_is_reached_and_pressed_with_the_keyboard(open_page):
    page = open_page()
    before = page.locator("tbody tr").count()
    reached = []
    while "Add a random user" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    ways = ["Skip to the content", "Users", "Plain text", "JSON", "Sign in"]
    assert reached == [*ways, "Add a random user"]
    page.keyboard.press("Enter")
    page.locator("tr:target").wait_for()
    assert page.locator("tbody tr").count() == before + 1


@pytest.mark.parametrize("path", ["/view", "/api/users"])
def test_an_address_that_is_not_a_page_breaks_no_content_security_policy(open_page, path):
    assert open_page(path).complaints == []
