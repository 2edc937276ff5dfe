"""A process of scripts/benchmark --in-process: a site without a server, asked by its parent.

Its arguments are the mode, the database's URI and the clock, "time" or "cpu". For each line
"path writes seconds" on standard input it makes requests for that long and prints the
microseconds of one.
"""

import gc
import io
import sys
import time
from itertools import count

CLOCKS = {"time": time.perf_counter, "cpu": time.process_time}


def main(mode, uri, clock):
    # Found by PYTHONPATH, beside the checkout whose `app` is measured.
    from benchmark_site import make_app

    application = make_app(mode, uri).wsgifunc()
    numbers = count(1)
    for line in sys.stdin:
        path, writes, seconds = line.split()
        print(
            measured(application, path, int(writes), float(seconds), CLOCKS[clock], numbers),
            flush=True,
        )


def measured(application, path, writes, seconds, clock, numbers):
    """Make requests of `path` for `seconds`; return how many microseconds one took.

    `writes` of a hundred write. Raises RuntimeError for an answer that is not 200.
    """
    gc.collect()
    began = now = clock()
    made = 0
    while now - began < seconds:
        for _ in range(10):
            write = next(numbers) * writes % 100 < writes
            made += 1
            ask(application, "POST" if write else "GET", "/write" if write else path)
        now = clock()
    return (now - began) / made * 1e6


def ask(application, method, path):
    answered = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "HTTP_HOST": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    body = b"".join(application(environ, lambda status, headers: answered.append(status)))
    if answered != ["200 OK"]:
        raise RuntimeError(f"{method} {path} was answered {answered}: {body[:200]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
