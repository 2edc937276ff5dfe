"""Flask and SQLAlchemy as their documentation shows them: a session for each request.

A write locks its row where the engine can, because otherwise updates would be lost. On SQLite
Python's driver begins a transaction with the first change, and updates may be lost.
"""

import os
import random

from flask import Flask
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ROWS = int(os.environ["BENCHMARK_ROWS"])
DRIVERS = {
    "sqlite": "sqlite:///",
    "postgres": "postgresql+psycopg://",
    "mysql": "mysql+mysqldb://",
}

scheme, _, address = os.environ["BENCHMARK_DATABASE"].partition("://")
engine = create_engine(DRIVERS[scheme] + address)
application = Flask(__name__)


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str]
    number: Mapped[int]


@application.get("/empty")
def empty():
    return "no database"


@application.get("/row")
def row():
    with Session(engine) as session:
        return session.get_one(Item, 7).name


@application.get("/twenty")
def twenty():
    with Session(engine) as session:
        return " ".join(session.get_one(Item, number).name for number in range(1, 21))


@application.get("/list")
def listed():
    with Session(engine) as session:
        return " ".join(item.name for item in session.scalars(select(Item)))


@application.post("/write")
def write():
    with Session(engine) as session, session.begin():
        item = session.get_one(Item, random.randint(1, ROWS), with_for_update=True)
        item.number = item.number + 1
    return "written"
