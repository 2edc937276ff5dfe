"""Settings: where they come from, and which are refused with the cure."""

import getpass
import os
import subprocess
import sys

import pytest

from app.settings import ROOT, SettingsError, read_settings
from scripts.lib.serving.own_site import daemon_user
from scripts.lib.serving.user import as_user
from tests.apache.server import folders

TOKEN = "t" * 16
OWN = {"SITE_APPLICATION": "wiki.code:app"}


def read(tmp_path, **environ):
    return read_settings(environ, tmp_path / "site.env")


def test_defaults_serve_a_sqlite_file_below_the_project_root(tmp_path):
    found = read(tmp_path)
    assert found.database_uri == f"sqlite://{ROOT}/var/site.db"
    assert (found.demo, found.api_token, found.max_body) == (False, None, 1048576)


def test_the_environment_wins_over_the_settings_file(tmp_path):
    (tmp_path / "site.env").write_text(
        "# a comment\n\nSITE_MAX_BODY = 10\nSITE_BUSY_TIMEOUT='2.5'\nSITE_API_TOKEN=\n"
    )
    found = read(tmp_path, SITE_MAX_BODY="20")
    assert (found.max_body, found.busy_timeout, found.api_token) == (20, 2.5, None)


def test_an_empty_variable_counts_as_not_set(tmp_path):
    (tmp_path / "site.env").write_text(f'SITE_API_TOKEN="{TOKEN}"\n')
    assert read(tmp_path, SITE_API_TOKEN="", SITE_DEMO="").api_token == TOKEN


def test_site_settings_names_another_file(tmp_path):
    (tmp_path / "site.env").write_text("SITE_MAX_BODY=1\n")
    (tmp_path / "other.env").write_text("SITE_MAX_BODY=2\n")
    assert read(tmp_path, SITE_SETTINGS=str(tmp_path / "other.env")).max_body == 2


@pytest.mark.parametrize("text, value", [("on", True), ("YES", True), ("0", False)])
def test_a_flag_is_on_or_off(tmp_path, text, value):
    assert read(tmp_path, SITE_DEMO=text).demo is value


@pytest.mark.parametrize(
    "environ, said",
    [
        ({"SITE_DEMO": "maybe"}, "SITE_DEMO is 'maybe': write on or off"),
        ({"SITE_API_TOKEN": "short"}, "SITE_API_TOKEN needs at least 16 printable"),
        ({"SITE_API_TOKEN": "a b" * 10}, "SITE_API_TOKEN needs at least 16 printable"),
        ({"SITE_METRICS": "metrics"}, "SITE_METRICS is 'metrics': write the absolute path"),
        ({"SITE_METRICS_FROM": "::1 10.0.0.0/40"}, "SITE_METRICS_FROM is '::1 10.0.0.0/40' ("),
        ({"SITE_MAX_BODY": "1M"}, "SITE_MAX_BODY is '1M': write a whole number"),
        ({"SITE_MAX_BODY": "0"}, "SITE_MAX_BODY is '0': write a whole number"),
        ({"SITE_MAX_BODY": "٣"}, "SITE_MAX_BODY is '٣': write a whole number"),
        ({"SITE_BUSY_TIMEOUT": "nan"}, "SITE_BUSY_TIMEOUT is 'nan': write a number of seconds"),
        ({"SITE_RETRY_SECONDS": "-1"}, "SITE_RETRY_SECONDS is '-1': write a number of seconds"),
        ({"DATABASE_URI": "sqlite:my.db"}, "DATABASE_URI needs an absolute path"),
        ({"DATABASE_URI": "sqlite:///srv/a%00b.db"}, "DATABASE_URI has %00"),
        ({"SITE_API_TOKEN": "\udcff" * 32}, "SITE_API_TOKEN is not text in UTF-8"),
        ({"DATABASE_URI": "/srv/site.db"}, "DATABASE_URI is not a database URI"),
        ({"SITE_DEMMO": "on"}, "SITE_DEMMO in the environment is not a setting: did you mean"),
        ({"SITE_SECRET_KEY": "k" * 32}, "is no setting any more: remove it, forms need no key"),
        ({"SITE_APPLICATION": "wiki.code"}, "SITE_APPLICATION is 'wiki.code': write module:name"),
        ({"SITE_APPLICATION": "/srv/wiki:app"}, "write module:name, for example wiki.code:app"),
        ({"SITE_DATABASE": "a b"} | OWN, "SITE_DATABASE is 'a b': write the module"),
        ({"SITE_DATABASE": "wiki.model"}, "SITE_DATABASE is set without SITE_APPLICATION"),
        ({"SITE_PATH": "/"}, "SITE_PATH is set without SITE_APPLICATION"),
        ({"SITE_PATH": "wiki"} | OWN, "SITE_PATH is 'wiki': write the absolute path"),
        ({"SITE_PATH": "/nowhere"} | OWN, "SITE_PATH is '/nowhere': write the absolute path"),
        ({"SITE_SETTINGS": "site.env"}, "SITE_SETTINGS is 'site.env': write the file's absolute"),
        ({"SITE_SETTINGS": "/nowhere/site.env"}, "/nowhere/site.env cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_name_and_the_cure(tmp_path, environ, said):
    with pytest.raises(SettingsError) as refusal:
        read(tmp_path, **environ)
    assert said in str(refusal.value)


def test_a_settings_file_that_the_site_s_user_cannot_read_is_refused_with_the_cure():
    """scripts/serve as root serves as another user, who cannot read what root wrote with 600."""
    with folders() as folder:
        file = folder / "site.env"
        file.write_text("")
        file.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", "import app.settings"],
            cwd=ROOT,
            env={"SITE_SETTINGS": str(file)},
            capture_output=True,
            text=True,
            **as_user(daemon_user()),
        )
    user = daemon_user() or getpass.getuser()
    assert f"{file} cannot be read by {user}, as whom the site runs" in done.stderr
    assert f"`chown {user} {file}`" in done.stderr


@pytest.mark.parametrize(
    "text, said",
    [
        ("SITE_DEMO", "line 1 is malformed: write KEY=value"),
        ("\nexport SITE_DEMO=on", "line 2 is malformed: write KEY=value"),
        ("SITE_DEMO=on\nSITE_DEMO=off", "SITE_DEMO stands twice"),
        ("WEBPY_THREADS=5", "WEBPY_THREADS in"),
        ("WEBPY_THREADS=5", "is a Define of Apache's"),
        ("DATABASE_URL=sqlite:///srv/wiki.db", "did you mean DATABASE_URI?"),
        ("DB=mysql://wiki@host/wiki", "did you mean DATABASE_URI?"),
        ("database_uri=sqlite:///srv/wiki.db", "did you mean DATABASE_URI?"),
        ("site_application=wiki:app", "did you mean SITE_APPLICATION?"),
        ("SITEAPPLICATION=wiki:app", "did you mean SITE_APPLICATION?"),
        ("DATABASE_URI=sqlite:///srv/wiki.db # the wiki's", "line 1 is malformed: put the whole"),
        ('DATABASE_URI="sqlite:///srv/wiki.db" # it', "line 1 is malformed: put the whole"),
        ("WIKI='half", "line 1 is malformed: put the whole value between quotes"),
        ("DATABASE_URI='sqlite:///srv/a b.db'", "DATABASE_URI has a blank or #"),
        ("DATABASE_URI=sqlite:///srv/a#b.db", "DATABASE_URI has a blank or #"),
        ("DATABASE_UR=sqlite:///srv/wiki.db", "did you mean DATABASE_URI?"),
        ("SITE_RETRY_SECOND=1", "did you mean SITE_RETRY_SECONDS?"),
    ],
)
def test_a_malformed_settings_file_is_refused_with_the_place(tmp_path, text, said):
    (tmp_path / "site.env").write_text(text)
    with pytest.raises(SettingsError) as refusal:
        read(tmp_path)
    assert said in str(refusal.value)


def test_other_lines_of_the_file_are_the_applications(tmp_path):
    (tmp_path / "site.env").write_text(
        "WIKI_mail2='a # b'\nSITE_MAX_BODY=2\nEMPTY=\nSITENAME=Wiki\n"
    )
    found = read(tmp_path, SITE_API_TOKEN=TOKEN)
    assert (found.others, found.max_body) == ({"WIKI_mail2": "a # b", "SITENAME": "Wiki"}, 2)
    assert "a # b" not in repr(found)


def test_a_name_like_database_uri_is_the_applications_where_that_is_given_too(tmp_path):
    (tmp_path / "site.env").write_text(
        "DATABASE_URL=postgres://host/other\nDATABASE_URI=sqlite:///srv/wiki.db\n"
    )
    found = read(tmp_path)
    assert found.others == {"DATABASE_URL": "postgres://host/other"}
    assert found.database_uri == "sqlite:///srv/wiki.db"


@pytest.mark.parametrize("name", ["app.py", "app/__init__.py"])
def test_an_own_module_that_is_called_app_is_refused(tmp_path, name):
    module = tmp_path / "wiki" / name
    module.parent.mkdir(parents=True)
    module.touch()
    with pytest.raises(SettingsError, match="SITE_PATH has .*/wiki/app.*rename yours"):
        read(tmp_path, SITE_PATH=str(tmp_path / "wiki"), **OWN)


def test_a_secret_shows_neither_in_the_repr_nor_in_the_refusal(tmp_path):
    found = read(tmp_path, SITE_API_TOKEN=TOKEN)
    assert TOKEN not in repr(found)
    with pytest.raises(SettingsError) as refusal:
        read(tmp_path, SITE_API_TOKEN="hunter2")
    assert "hunter2" not in str(refusal.value)


def test_a_setting_cannot_be_changed_afterwards(tmp_path):
    with pytest.raises(AttributeError):
        read(tmp_path).demo = True


def test_a_command_answers_a_wrong_setting_with_one_line_and_status_2():
    environ = {**os.environ, "SITE_DEMO": "maybe"}
    done = subprocess.run(
        [sys.executable, "-m", "app.database"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "error: SITE_DEMO is 'maybe': write on or off\n"
