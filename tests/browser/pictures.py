"""Takes the pictures of the pages that the documents show: python -m tests.browser.pictures.

They go into docs/pictures/: users.png, conflict.png and lab.png.
"""

import contextlib
import re
import sqlite3
from pathlib import Path

from app.settings import ROOT
from tests.apache.server import apache
from tests.browser.conftest import PASSWORD, chromium, sign_in
from tests.http_client import add_user

FOLDER = ROOT / "docs" / "pictures"
LARGEST = 150_000
SIZE = {"width": 960, "height": 640}
DEFINES = {"WEBPY_LAB": 1, "WEBPY_LAB_PROCESSES": 3, "WEBPY_LAB_THREADS": 3}
PEOPLE = [
    ("ada", "Ada Lovelace"),
    ("alan", "Alan Turing"),
    ("barbara", "Barbara Liskov"),
    ("edgar", "Edgar F. Codd"),
    ("grace", "Grace Hopper"),
    ("jim", "Jim Gray"),
    ("leslie", "Leslie Lamport"),
]


def fill(site):
    """Have only PEOPLE in the site's database, with ada as an editor."""
    with contextlib.closing(sqlite3.connect(site.data / "site.db")) as raw, raw:
        raw.execute("DELETE FROM users")
        for id, (name, fullname) in enumerate(PEOPLE[1:], 2):
            query = "INSERT INTO users (id, name, fullname, password) VALUES (?, ?, ?, '')"
            raw.execute(query, (id, name, fullname))
    add_user(site.data, "ada", PASSWORD, "editor")
    with contextlib.closing(sqlite3.connect(site.data / "site.db")) as raw, raw:
        raw.execute("UPDATE users SET id = 1, fullname = ? WHERE name = 'ada'", PEOPLE[0][1:])


def conflict(pages):
    """Let the first of two pages show both versions of one user."""
    for page in pages:
        page.goto("/users/5/edit")
    for page, fullname in ((pages[1], "Rear Admiral Grace Hopper"), (pages[0], "Grace M. Hopper")):
        page.get_by_label("Full name").fill(fullname)
        page.get_by_role("main").get_by_role("button").click()
    pages[0].get_by_text("Somebody else has changed").wait_for()


def run_lab(page):
    """Run the lab and return the picture that its page saves, a Path."""
    page.goto("/lab/")
    page.get_by_role("button", name="Run").click()
    page.get_by_text(re.compile("and bundle answered")).wait_for(timeout=120_000)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a picture").click()
    return Path(saved.value.path())


def main():
    """Do what the module's docstring says; raises ValueError for a picture that is too large."""
    with (
        chromium() as browser,
        apache(settings={"SITE_LAB": "on", "SITE_DEMO": "off"}, defines=DEFINES) as site,
    ):
        fill(site)
        contexts = [browser.new_context(base_url=site.url, viewport=SIZE) for _ in range(2)]
        pages = [context.new_page() for context in contexts]
        for page in pages:
            sign_in(page, "ada")
        pages[0].goto("/?sort=fullname")
        taken = {"users": pages[0].screenshot()}
        conflict(pages)
        taken["conflict"] = pages[0].screenshot(full_page=True)
        taken["lab"] = run_lab(pages[0]).read_bytes()
    for name, picture in taken.items():
        if len(picture) > LARGEST:
            raise ValueError(f"{name}.png has {len(picture)} bytes: at most {LARGEST} are allowed")
        (FOLDER / f"{name}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
