"""Drives an application by HTTP as a browser does, on its answers alone, with several clients."""

import re
import threading
from functools import partial
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx

from tests.threads import in_threads

DEADLINE = 30
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")
_STATIC = re.compile("/static/")
_LINK = re.compile(r"(?:href|src|action)=\"([^\"]+)\"")


class LostUpdate(AssertionError):
    """Something that was acknowledged is missing."""


class StaleRead(AssertionError):
    """A page shows the state before a change that was acknowledged."""


class Visitor:
    """One browser with its cookies, at the application whose address is `base`.

    `answers` has what it was answered: method, path, status, where to, and the text.
    """

    def __init__(self, base, answers=None, **options):
        """`base` has no slash at the end. `options`: httpx.Client's, such as `auth`."""
        self.base = base
        self.answers = [] if answers is None else answers
        self.http = httpx.Client(timeout=DEADLINE, **options)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.http.close()

    def get(self, path, status=200):
        return self._ask("GET", path, status)

    def post(self, path, status=303, files=None, **fields):
        return self._ask("POST", path, status, data=fields or None, files=files)

    def follow(self, answer):
        """Return the answer at the place to which `answer` redirects, within the application."""
        return self.get(self.path(urljoin(str(answer.url), answer.headers["Location"])))

    def path(self, address):
        """The path of an address below the application; fails for one that is elsewhere."""
        assert address.startswith(self.base + "/"), f"{address} is outside of {self.base}"
        return address.removeprefix(self.base)

    def links(self, answer):
        """The paths to which a page links and sends forms.

        Its scripts and styles are not among them; it fetches them as a browser does.
        """
        addresses = [
            urljoin(str(answer.url), unescape(link)) for link in _LINK.findall(answer.text)
        ]
        paths = [self.path(address) for address in addresses]
        for path in filter(_STATIC.match, paths):
            assert self.http.get(self.base + path).status_code == 200, path
        return [path for path in paths if not _STATIC.match(path)]

    def _ask(self, method, path, status, **content):
        answer = self.http.request(method, self.base + path, **content)
        assert status in (None, answer.status_code), f"{method} {path}: {answer.text}"
        place = answer.headers.get("Location")
        place = place and self.path(urljoin(str(answer.url), place))
        self.answers.append((method, path, answer.status_code, place, self._read(answer)))
        return answer

    def _read(self, answer):
        """What a person reads in an answer, whatever the prefix and the day."""
        text = answer.text
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            text = re.sub(r"(?s)<head>.*</head>|<[^>]*>", " ", text)
        site = urlsplit(self.base)
        text = text.replace(self.base, "").replace(site.netloc, "")
        return " ".join(_DATE.sub("DATE", text).split())


def number(answer, name):
    """The first number in the element with the id `name`."""
    return int(re.search(rf'id="{name}">\D*(\d+)', answer.text)[1])


def text(answer, name):
    """The text of the element with the id `name`."""
    return unescape(re.search(rf'(?s)id="{name}">(.*?)</', answer.text)[1])


def check_count(expected, found):
    """Raise LostUpdate if less is found than was acknowledged; fails if more is found."""
    if found < expected:
        raise LostUpdate(f"{expected - found} of {expected} are lost")
    assert found == expected


def check_shown(expected, answer):
    """Raise StaleRead if a good answer lacks the text `expected`."""
    assert answer.status_code == 200, answer.text
    if expected not in answer.text:
        raise StaleRead(f"{expected!r} is not in {answer.url}:\n{answer.text}")


def together(count, work):
    """Call `work(number)` in `count` threads at once; return the results in order.

    Raises the first exception of any of them.
    """
    start = threading.Barrier(count)

    def run(number):
        start.wait(DEADLINE)
        return work(number)

    return in_threads(*(partial(run, number) for number in range(count)))


def from_every_process(base, path, processes, auth=None):
    """Read a page from `processes` processes at least; return all answers.

    The pages say in X-Served-By who has served them.
    """
    answers, seen = [], set()
    for _ in range(40):
        answers += together(
            4 * processes, lambda _: httpx.get(base + path, auth=auth, timeout=DEADLINE)
        )
        seen |= {answer.headers.get("X-Served-By") for answer in answers}
        if len(seen - {None}) >= processes:
            return answers
    raise AssertionError(f"only {seen} have served {path}")
