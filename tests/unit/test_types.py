"""The types of the public API, checked by mypy in a file that uses them."""

import ast
import subprocess
import sys
from pathlib import Path

import app.transactions

ROOT = Path(__file__).parent.parent.parent
USE = Path(__file__).parent / "public_api.py"


def mypy(*arguments):
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_package_is_without_contradictions():
    assert mypy() == ""


def test_the_public_api_has_the_types_that_its_use_expects():
    # Strict: a function without types would be an error.
    assert mypy("--strict", "--follow-imports=silent", str(USE)) == ""


def test_all_of_the_public_api_is_used():
    tree = ast.parse(USE.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(app.transactions.__all__) <= names
