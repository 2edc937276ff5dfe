"""Cookies that hold a secret, read as a browser has sent them: app/web/cookies.py."""

import pytest

from tests.http_client import FORM, site_client

TOKEN = "a" * 43
OTHER = "b" * 43


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with site_client(tmp_path_factory.mktemp("cookies")) as client:
        yield client


def accepts_form(client, cookies, token=TOKEN):
    """Whether a form with this token is taken from a browser that sends these cookies by HTTPS."""
    environ = {"CONTENT_TYPE": FORM, "wsgi.url_scheme": "https", "HTTP_COOKIE": cookies}
    answer = client.request("POST", "/sign-out", f"token={token}".encode(), **environ)
    assert answer.status in (303, 403)
    return answer.status == 303


@pytest.mark.parametrize(
    "cookies",
    [
        f"__Host-form={TOKEN}",
        f"a=1; __Host-form={TOKEN};b=2",
        f"a=1;\t__Host-form = {TOKEN} ; b",
        # Python's parser gives up at the other application's cookies.
        f'a="1" [; __Host-form={TOKEN}; b="',
    ],
)
def test_a_cookie_is_found_among_others(client, cookies):
    assert accepts_form(client, cookies)


@pytest.mark.parametrize(
    "cookies",
    [
        f'x="1" __Host-form={TOKEN}',
        f'x="1"\t__Host-form={TOKEN}; y=2',
        f'x="1 __Host-form={TOKEN}"',
        f"\x85__Host-form={TOKEN}",
        f"\xa0__Host-form={TOKEN}",
        f"\x1c__Host-form={TOKEN}",
        f"__host-form={TOKEN}",
        f"form={TOKEN}",
    ],
)
def test_a_cookie_of_another_name_is_not_taken_for_ours(client, cookies):
    """A browser lets a host of the same domain set these, and no other's __Host- cookie."""
    assert not accepts_form(client, cookies)
    assert accepts_form(client, f"{cookies}; __Host-form={OTHER}", OTHER)


def test_of_two_cookies_with_our_name_neither_is_taken(client):
    """By HTTP another host of the domain can set one beside ours, and nobody knows which it is."""
    for cookies in (f"form={TOKEN}; form={OTHER}", f"form={OTHER}; form={TOKEN}"):
        for token in (TOKEN, OTHER):
            environ = {"CONTENT_TYPE": FORM, "HTTP_COOKIE": cookies}
            body = f"token={token}".encode()
            assert client.request("POST", "/sign-out", body, **environ).status == 403
