"""Types of command-line options, for argparse."""

import argparse
import re
from urllib.parse import urlsplit


def whole_number(lowest, highest):
    """A type for add_argument: a whole number from `lowest` to `highest`."""

    def parse(text):
        if not (text.isdecimal() and text.isascii() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse


def site_address(text):
    """A type for add_argument: a site's address, returned without a slash at the end."""
    if not (re.fullmatch(r"https?://[^\s/?#@]+(/[^?#]*)?", text) and _is_address(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://localhost:8080")
    return text.rstrip("/")


def _is_address(text):
    """Whether its host, its port and its path are such that a request can be sent there."""
    try:
        parts = urlsplit(text)
        parts.hostname.encode("idna")
    except (ValueError, AttributeError):
        return False
    return parts.port != 0 and re.fullmatch("[!-~]*", parts.path)
