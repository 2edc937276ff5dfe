"""Types of command-line options, for argparse."""

import argparse


def whole_number(lowest, highest):
    """A type for add_argument: a whole number from `lowest` to `highest`."""

    def parse(text):
        if not (text.isdecimal() and text.isascii() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {lowest} to {highest}"
            )
        return int(text)

    return parse
