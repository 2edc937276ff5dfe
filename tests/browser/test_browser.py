"""The pages in a real browser, from a real Apache with its Content-Security-Policy.

Each run leaves screenshots of every page, narrow and wide, light and dark, in the temporary
folder of the run, whose place `pytest --basetemp` sets.
"""

import json
import urllib.request

import pytest

from tests.apache.server import TOKEN

LONG = {"name": "W" * 100, "fullname": "long " * 20 + "w" * 100, "password": "x"}
EVIL = {"name": "<script>alert(1)</script>", "fullname": "<img src=x onerror=alert(1)>"}

# The ratios of WCAG 2.2, success criterion 1.4.3, for all text of a page.
CONTRASTS = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => channels(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  return [...document.body.querySelectorAll("*")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3
                                                    && node.textContent.trim()))
    .map(element => {
      const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))];
      return [element.outerHTML, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
    });
}"""


@pytest.fixture(scope="module", autouse=True)
def hard_users(site):
    """Users whose names are hard to show."""
    for user in (LONG, EVIL | {"password": "x"}):
        request = urllib.request.Request(
            f"{site.url}/api/users",
            json.dumps(user).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize(
    "name, path",
    [("users", "/"), ("new", "/#user-2"), ("end", "/?after=9000"), ("missing", "/nothing")],
)
def test_a_page_is_legible_and_fits(open_page, screenshots, name, path, width, scheme):
    page = open_page(path, width=width, height=700, scheme=scheme)
    page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png")
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts and [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_colour_schemes_differ(open_page):
    grounds = {
        open_page(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert len(grounds) == 2


def test_markup_in_a_name_is_shown_and_not_run(open_page):
    page = open_page()
    assert page.get_by_text(EVIL["name"], exact=True).is_visible()
    assert page.get_by_text(EVIL["fullname"], exact=True).is_visible()
    assert page.locator("script, img").count() == 0
    assert page.complaints == []


def test_the_button_shows_the_new_user_in_the_window(open_page):
    page = open_page(height=300)
    before = page.locator("tbody tr").count()
    page.get_by_role("button", name="Add a random user").click()
    assert page.locator("tbody tr").count() == before + 1
    new = page.locator("tr:target")
    assert new.get_attribute("id") == page.locator("tbody tr").last.get_attribute("id")
    box = new.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 300
    assert page.complaints == []


def test_going_back_and_pressing_again_adds_another(open_page):
    page = open_page()
    for _ in range(2):
        page.goto("/")
        before = page.locator("tbody tr").count()
        page.get_by_role("button").click()
        assert page.locator("tbody tr").count() == before + 1
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
    links = ["Users", "Plain text", "JSON", "Sign in"]
    assert reached == ["Skip to the content", *links, "Add a random user"]
    page.keyboard.press("Enter")
    page.locator("tr:target").wait_for()
    assert page.locator("tbody tr").count() == before + 1


@pytest.mark.parametrize("path", ["/", "/view", "/api/users", "/?after=9000"])
def test_no_page_breaks_the_content_security_policy(open_page, path):
    assert open_page(path).complaints == []


def test_a_missing_page_leads_back(open_page):
    page = open_page("/nothing")
    assert page.get_by_role("heading").text_content() == "Not Found"
    page.get_by_role("link", name="Back to the users").click()
    assert page.get_by_role("heading").text_content() == "Users"
