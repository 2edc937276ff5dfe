"""Each run of a handler finds what the client has sent, whoever has read it before."""

import csv
import gc
import io
import warnings

import pytest
import web
from sqlobject import sqlhub

from app.transactions import reading, runs
from tests.contract.busy import Busy
from tests.contract.site import Entry, Site, add

SMALL = b"a,b\r\n1,2\r\n"
# The form's parser puts it into a temporary file.
LARGE = b"x" * 300_000


class SiteWithReader(Site):
    """A site with a processor before the transactions that calls `read()`."""

    def __init__(self, server, uri, read, **options):
        self.read = read
        super().__init__(server, uri, **options)

    def add_processors(self):
        self.app.add_processor(web.loadhook(lambda: self.read()))
        super().add_processors()


def upload(content, chunked=False):
    form = (
        b"--x\r\nContent-Disposition: form-data; name=token\r\n\r\n1234\r\n"
        b"--x\r\nContent-Disposition: form-data; name=file; filename=n.csv\r\n\r\n"
        + content
        + b"\r\n--x--\r\n"
    )
    length = {"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
    length = length or {"CONTENT_LENGTH": str(len(form))}
    return {
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
        "wsgi.input": io.BytesIO(form),
        **length,
    }


def check_token():
    """The CSRF check of a processor, as people write it."""
    assert web.input(file={}).token == "1234"


@pytest.fixture
def make_reader(make_site):
    return lambda read, **options: make_site(SiteWithReader, read=read, **options)


def read_all(file):
    return file.read()


def read_and_close(file):
    with file:
        return file.read()


def read_as_text(file):
    return "\r\n".join(map(",".join, csv.reader(io.TextIOWrapper(file)))).encode() + b"\r\n"


def read_lines(file):
    return b"".join(file)


def read_half_and_go_on(file):
    start = file.read(3)
    file.seek(0)
    return start + file.read()[3:]


@pytest.mark.parametrize(
    "read", [read_all, read_and_close, read_as_text, read_lines, read_half_and_go_on]
)
@pytest.mark.parametrize("before", [check_token, lambda: None])
def test_an_upload_is_whole_in_the_second_run(make_reader, before, read):
    site = make_reader(before)
    seen = []

    @reading
    def handler():
        seen.append(read(web.input(file={}).file.file))
        Entry(name="a")
        return str(len(seen[-1]))

    assert b"".join(site.start(handler, **upload(SMALL))) == b"10"
    assert seen == [SMALL] * 2
    assert site.names() == ["a"]


@pytest.fixture
def collected():
    """The form's parser leaves its temporary files to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("collected")
def test_a_large_upload_that_was_read_before_is_whole_after_each_conflict(make_reader):
    site = make_reader(check_token, timeout=0.01)
    busy = Busy(site)
    seen = []

    def handler():
        busy.impatient(sqlhub.threadConnection)
        seen.append(web.input(file={}).file.file.read() == LARGE)
        if len(seen) == 3:
            busy.release()
        return add()()

    assert b"".join(site.start(handler, **upload(LARGE))) == b"added"
    assert seen == [True] * 3


def test_a_part_that_the_first_run_has_closed_or_renamed_is_as_it_was_sent(make_reader):
    site = make_reader(check_token)
    seen = []

    @reading
    def handler():
        part = web.input(file={}).file
        seen.append((part.filename, part.raw))
        part.filename = "other"
        part.close()
        return add()()

    assert b"".join(site.start(handler, **upload(SMALL))) == b"added"
    assert seen == [("n.csv", SMALL)] * 2


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "before", [lambda: web.data(), lambda: web.ctx.env["wsgi.input"].read(5), lambda: None]
)
def test_the_body_is_the_same_in_the_second_run(make_reader, before, chunked):
    site = make_reader(before)
    seen = []

    @reading
    def handler():
        seen.append((web.ctx.env["wsgi.input"].readline(), web.data()))
        Entry(name="a")
        return str(runs())

    assert b"".join(site.start(handler, **upload(SMALL, chunked))) == b"2"
    assert seen[0] == seen[1]
    assert SMALL in b"".join(seen[0])


def test_a_form_that_was_read_before_is_the_same_in_the_second_run(make_reader):
    site = make_reader(web.input)
    seen = []

    @reading
    def handler():
        form = web.input()
        seen.append(dict(form))
        form.clear()
        return add()()

    assert site.request(handler, data={"name": "a"}).data == b"added"
    assert seen == [{"name": "a"}] * 2
