"""Types of command-line options, for argparse."""

import argparse
import re


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
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://localhost:8080")
    return text.rstrip("/")
