"""Sends requests to what wsgi/app.wsgi serves, in its own process and without a server.

    python ask.py '[["POST", "/login", {"name": "ada"}], ["GET", "/account", {}]]'

The settings are in the environment. Prints the status of each answer, and waits for the threads
that the application has begun; what it logs is on the standard error.
"""

import http.cookies
import io
import json
import os
import runpy
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(os.environ["PROJECT"])


def main(requests):
    """Send each of `requests`, a method, a path and the form's fields, with the cookies so far."""
    served = runpy.run_path(str(ROOT / "wsgi" / "app.wsgi"))["application"]
    cookies = http.cookies.SimpleCookie()
    for method, path, fields in requests:
        path, _, query = path.partition("?")
        body = urlencode(fields).encode()
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": "Basic YWRtaW46c2VjcmV0",
            "HTTP_COOKIE": "; ".join(f"{one.key}={one.value}" for one in cookies.values()),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        started = []
        answer = served(environ, lambda *start, started=started: started.append(start))
        try:
            text = b"".join(answer).decode()
        except Exception as error:
            text = f"ended by {error!r}"
        status, headers = started[0]
        for name, value in headers:
            if name == "Set-Cookie":
                cookies.load(value)
        print(method, path, status[:3], len(text), flush=True)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(30)


main(json.loads(sys.argv[1]))
