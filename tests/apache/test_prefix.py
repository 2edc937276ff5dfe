"""The site mounted below a prefix: its links, forms, static files and the lab stay in it."""

import re

import httpx
import pytest

from tests.apache.server import apache, debian_module, pypi_module


@pytest.fixture(scope="module", params=[pypi_module, debian_module], ids=["own", "Debian"])
def site(request):
    defines = {"WEBPY_PREFIX": "/wiki", "WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": 1}
    with apache(
        module=request.param(), defines=defines, settings={"SITE_LAB": "on"}, path="/wiki/"
    ) as site:
        yield site


def links(text):
    return set(re.findall(r'(?:href|src|action)="([^"#]+)', text))


@pytest.mark.parametrize("page", ["/wiki/", "/wiki/lab/", "/wiki/nowhere"])
def test_every_link_of_a_page_stays_below_the_prefix_and_leads_somewhere(site, page):
    found = links(httpx.get(site.url + page).text)
    assert len(found) > 3
    for link in found:
        assert link.startswith("/wiki/"), link
        # The form's address answers only other methods.
        expected = 405 if link.endswith("/add") else 200
        assert httpx.get(site.url + link).status_code == expected, link


def test_the_prefix_without_its_slash_leads_to_the_site(site):
    answer = httpx.get(f"{site.url}/wiki?after=1")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/wiki/?after=1")


@pytest.mark.parametrize("path", ["/", "/view", "/static/style.css", "/wikiview", "/lab/default"])
def test_nothing_of_the_site_is_outside_the_prefix(site, path):
    assert httpx.get(site.url + path).status_code in (403, 404)


def test_the_form_and_its_cookie_work_below_the_prefix(site):
    with httpx.Client(base_url=site.url) as browser:
        page = browser.get("/wiki/")
        # By HTTPS it begins with __Host-, which browsers take for all paths only.
        assert re.match("form-wiki=[^;]+; HttpOnly; Path=/;", page.headers["Set-Cookie"])
        token = re.search(r'name="token" value="([^"]+)"', page.text)[1]
        answer = browser.post("/wiki/add", data={"token": token})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/wiki/#user-")


def test_a_new_user_is_found_at_its_location(site):
    headers = {"Authorization": f"Bearer {site.token}"}
    user = {"name": "ada", "fullname": "Ada L", "password": "a long password"}
    made = httpx.post(f"{site.url}/wiki/api/users", headers=headers, json=user)
    assert made.status_code == 201
    assert httpx.get(site.url + made.headers["Location"]).json()["name"] == "ada"


@pytest.mark.parametrize("mode", ["default", "nocache", "recipe", "bundle"])
def test_the_labs_modes_answer_below_the_prefix(site, mode):
    lab = f"{site.url}/wiki/lab/{mode}"
    headers = {"Authorization": f"Bearer {site.token}"}
    assert httpx.post(f"{lab}/reset", headers=headers, json={"keys": 1, "value": 7}).is_success
    assert httpx.get(f"{lab}/keys?ids=1").json()["values"] == {"1": 7}


def test_a_prefix_is_not_a_pattern():
    """Of /wiki.c no other address leads to the site."""
    with apache(defines={"WEBPY_PREFIX": "/wiki.c+"}, path="/wiki.c+/") as odd:
        assert httpx.get(f"{odd.url}/wiki.c+").headers["Location"] == "/wiki.c+/"
        assert httpx.get(f"{odd.url}/wiki.c+/view").status_code == 200
        for path in ("/wikixc", "/wiki.c", "/wiki.cc"):
            assert httpx.get(odd.url + path).status_code in (403, 404)
