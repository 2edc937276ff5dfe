"""scripts/shell: an interpreter with the models and a connection, and nothing else of the site."""

import os
import subprocess

import pytest

from scripts.lib.command import ROOT
from scripts.lib.serving.serve import MAKE_DATABASE
from tests.apache.server import hermetic_environment


def shell(folder, typed, checkout=ROOT):
    """Run the shell of `checkout` on a database of the example's; returns what it has printed."""
    environment = hermetic_environment(folder)
    environment["DATABASE_URI"] = f"sqlite://{folder}/data/site.db"
    subprocess.run(MAKE_DATABASE, cwd=ROOT, env=environment, check=True, capture_output=True)
    done = subprocess.run(
        [checkout / "scripts" / "shell"],
        input=typed,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_opens_on_the_database_with_the_models(folder):
    said = shell(folder, "print('users:', len(list(User.select())))\n")
    assert said == "models: Failure StoredAnswer User WebSession\nusers: 3\n"


def test_it_leaves_the_site_s_pages_alone(folder, checkout):
    """The pages of an old application run their own server: importing them would never end."""
    pages = checkout / "app" / "pages.py"
    pages.write_text(pages.read_text() + "\n\nopen('pages were imported', 'w').close()\n")
    (checkout / "scripts" / "install").write_text("#!/bin/sh\n")
    os.symlink(ROOT / ".venv", checkout / ".venv")
    assert "users: 3" in shell(folder, "print('users:', User.select().count())\n", checkout)
    assert not list(folder.rglob("pages were imported"))


@pytest.mark.parametrize("option", ["--nonsense", "-V", "file.py"])
def test_an_option_ends_it_with_status_2(folder, option):
    done = subprocess.run(
        [ROOT / "scripts" / "shell", option],
        stdin=subprocess.DEVNULL,
        env=hermetic_environment(folder),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scripts/shell: unknown option {option}; it has only --help\n"


@pytest.mark.parametrize(
    ("variable", "value"), [("SITE_BUSY_TIMEOUT", "soon"), ("DATABASE_URI", "oracle://host/name")]
)
def test_a_wrong_setting_ends_it_before_the_first_prompt(folder, variable, value):
    done = subprocess.run(
        [ROOT / "scripts" / "shell"],
        input="print('an interpreter')\n",
        env=hermetic_environment(folder) | {variable: value},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {variable} ")


def test_it_has_the_classes_of_your_own_application_without_its_pages(folder):
    own = folder / "srv"
    own.mkdir()
    (own / "notes.py").write_text(
        "from sqlobject import SQLObject, StringCol\n\n\n"
        "class Note(SQLObject):\n    text = StringCol()\n\n\n"
        "def make():\n    Note.createTable(ifNotExists=True)\n    Note(text='made')\n"
    )
    (own / "pages.py").write_text(
        "import notes, web\napp = web.application((), globals())\n"
        "open('pages were imported', 'w').close()\n"
    )
    environment = hermetic_environment(folder) | {
        "DATABASE_URI": f"sqlite://{folder}/data/site.db",
        "SITE_APPLICATION": "pages:app",
        "SITE_PATH": str(own),
        "SITE_DATABASE": "notes:make",
    }
    subprocess.run(MAKE_DATABASE, cwd=ROOT, env=environment, check=True, capture_output=True)
    # app.database imports the pages, too.
    (own / "pages were imported").unlink()
    done = subprocess.run(
        [ROOT / "scripts" / "shell"],
        input="print([note.text for note in Note.select()])\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "models: Note\n['made']\n"), done.stderr
    assert not list(folder.rglob("pages were imported"))
