"""An application in place of the example: its models, a page, nothing else."""

import shutil

from app.settings import ROOT

EXAMPLE = (
    *("models.py", "pages.py", "listing.py", "users.py", "api.py"),
    *("templates", "static", "lab", "__pycache__"),
)

MODELS = '''
"""Tables that refer to each other, a join, a class that inherits and one that has no table."""

from sqlobject import ForeignKey, IntCol, RelatedJoin, SQLObject, StringCol
from sqlobject.inheritance import InheritableSQLObject


class _Named(SQLObject):
    name = StringCol(length=50)


class Person(SQLObject):
    name = StringCol(length=50, alternateID=True)
    team = ForeignKey("Team", default=None)
    tags = RelatedJoin("Tag")


class Team(SQLObject):
    leader = ForeignKey("Person", default=None)


class Tag(SQLObject):
    word = StringCol(length=50)
    persons = RelatedJoin("Person")

    @classmethod
    def fill_new_table(cls):
        return f"a tag: {cls(word='first').word}"


class Animal(InheritableSQLObject):
    legs = IntCol(default=4)


class Dog(Animal):
    bark = StringCol(length=50, default="wow")
'''

TABLES = ("person", "team", "tag", "animal", "dog", "person_tag")

PAGES = '''
"""The only page."""

from app.models import Person


class Count:
    def GET(self):
        return str(Person.select().count())


if __name__ == "__main__":
    raise SystemExit("as a script this would serve for ever")
'''


def make(folder, models=MODELS, pages=PAGES):
    """Copy the checkout's app and wsgi to `folder`, a Path, with these models and pages.

    Only the example's lines in the wiring's `urls` are replaced.
    """
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns(*EXAMPLE))
    shutil.copytree(ROOT / "wsgi", folder / "wsgi")
    wiring = folder / "app" / "__init__.py"
    head, _, rest = wiring.read_text().partition('    "/", "app.pages.Index",\n')
    urls, _, tail = rest.partition(")  # fmt: skip\n")
    assert "app.lab.page.Page" in urls
    tail = tail.replace('ERROR_PAGE = "app.pages.error_page"', "ERROR_PAGE = None")
    wiring.write_text(f'{head}    "/", "app.pages.Count",\n){tail}')
    for name, text in (("models", models), ("pages", pages)):
        if text is not None:
            (folder / "app" / f"{name}.py").write_text(text)
    return folder
