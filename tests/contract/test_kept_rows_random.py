"""What SQLObject gives in requests, with kept rows and without, is what a plain SELECT gives.

Requests are made of random queries of every shape (shapes.py), queries that fail and commits of
others between and within requests. Every answer is compared with a plain SELECT in the same
transaction, and the transaction's snapshot with what a fresh session has seen: it must be one
instant no earlier than the request's start.
"""

import contextlib
import random

import pytest
from sqlobject import dberrors, sqlhub

from app.transactions import savepoint
from app.transactions.row_cache import RowCache
from app.transactions.snapshot import OPEN, Snapshot
from tests.contract.shapes import FIRST_SHAPES, SHAPES, fail
from tests.contract.site import KEEPING
from tests.contract.town import IDS, PLAIN, listed, one_row
from tests.contract.world import NEXT_VERSION, World, write

# A broken comparison is found in this number, usually in the first hundred.
MANY = 3000
STEPS = 7


class ReadingRequest:
    """A reading request of random steps; `wrong` has the differences that it finds."""

    def __init__(self, world, calm, seed):
        self.world = world
        self.seed = seed
        self.start = len(world.versions) - 1
        self.runs = 0
        self.wrong = []
        # The step before which somebody commits, if any.
        commits = world.choice.random() < (0.1 if calm else 0.5)
        self.commit_at = world.choice.randrange(1, 3) if commits else None

    def __call__(self):
        self.runs += 1
        # A run after the first has the same steps, if it sees the same rows.
        choice = random.Random(self.seed)
        self.hurt = False
        answers = []
        for step in range(choice.randrange(1, STEPS)):
            if self.runs == 1 and step == self.commit_at:
                self.world.change()
            if choice.random() < (0.05 if step else 0.25):
                self.fail(choice)
            if self.hurt:
                answers += [("after a failure", answer) for answer in rows_still_given()]
                break
            shape = choice.choice(SHAPES if step else FIRST_SHAPES)
            answers.append((shape.__name__, shape(choice)))
        else:
            # The next request finds them kept.
            answers += [("whole table", listed(cls.select(), ordered=False)) for cls in PLAIN]
        self.wrong = list(self.compared(answers))

    def fail(self, choice):
        if choice.random() < 0.5:
            with contextlib.suppress(dberrors.Error), savepoint():
                fail(choice)
        else:
            # PostgreSQL executes nothing more then.
            self.hurt = True
            with contextlib.suppress(dberrors.Error):
                fail(choice)

    def compared(self, answers):
        """What is wrong: pairs of a name and what was expected."""
        connection = sqlhub.threadConnection
        instants = range(self.start, len(self.world.versions))
        try:
            ((version,),) = connection.queryAll("SELECT number FROM version")
            if version not in instants:
                yield "snapshot", version, instants
            instants = [version]
            for name, answer in answers:
                if not answer.is_right(connection):
                    yield name, answer, answer.expected(connection)
        except dberrors.Error:
            if not self.hurt:
                raise
        if not any(self.are_of(instant, answers) for instant in instants):
            yield "instant", answers, instants

    def are_of(self, instant, answers):
        """Whether each row given of PLAIN is as it was then."""
        rows = self.world.versions[instant]
        return all(
            row == (None,) or rows[answer.cls].get(row[0]) == row
            for _, answer in answers
            if answer.cls in PLAIN
            for row in answer.got
        )


def rows_still_given():
    """The rows that a request still gets where nothing more is executed: kept ones, if any."""
    for cls in PLAIN:
        for id in IDS:
            with contextlib.suppress(dberrors.Error):
                yield one_row(cls, id)


def writing_request(world, choice):
    """A writing request of random steps; returns what is wrong."""
    wrong = []

    def handler():
        wrong.clear()
        for _ in range(choice.randrange(1, STEPS)):
            if choice.random() < 0.5:
                write(choice)
            shape = choice.choice(SHAPES)
            answer = shape(choice)
            connection = sqlhub.threadConnection
            if not answer.is_right(connection):
                wrong.append((shape.__name__, answer, answer.expected(connection)))
        sqlhub.threadConnection.query(NEXT_VERSION)

    assert world.request(handler).status == "200 OK"
    world.look()
    return wrong


def differences(world, requests, until_found=False):
    """Make that many requests, with commits of others between them; return what is wrong."""
    wrong = []
    choice = world.choice
    for number in range(requests):
        # Rows that outlive some requests are used in other ways than those that do not.
        calm = number // 20 % 2
        if choice.random() < (0.05 if calm else 0.35):
            world.change()
        if choice.random() < 0.05:
            wrong += writing_request(world, choice)
            continue
        reading = ReadingRequest(world, calm, choice.random())
        answer = world.request(reading, "GET")
        assert answer.status == "200 OK", (number, answer, reading.hurt)
        wrong += reading.wrong
        if wrong and until_found:
            break
    return wrong


@pytest.fixture
def make_world(make_site, engine):
    made = []

    def make(seed):
        made.append(make_site(World, choice=random.Random(f"{engine} {seed}"), cache_rows=200))
        return made[-1]

    yield make
    for world in made:
        world.others.close()


def test_every_answer_is_that_of_a_plain_select_at_one_instant(make_world):
    assert differences(make_world("few"), 150) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_answer_of_many_requests_is_that_of_a_plain_select(make_world):
    assert differences(make_world("many"), 800) == []


def _open_without_a_look(rows, token):
    """Use the rows of another token."""
    rows.steady = True
    rows.token = token


def _arrive_unseen(snapshot, session, token, begun=True, arrive=Snapshot.arrive):
    """Do not compare the transaction's token with the one of the rows already used."""
    snapshot._seen = None
    return arrive(snapshot, session, token, begun)


def _use_rows_all_the_same(snapshot):
    """Use kept rows though the first query has failed and no token has arrived."""
    snapshot.rows, snapshot.state = snapshot._transaction.session_with_rows().rows, OPEN


@pytest.mark.engines(*KEEPING)
@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [(RowCache, "open", _open_without_a_look), (Snapshot, "arrive", _arrive_unseen)],
    ids=["rows of another token", "overtaken unseen"],
)
def test_it_finds_a_token_that_is_not_compared(make_world, monkeypatch, owner, name, broken):
    world = make_world("broken3")
    monkeypatch.setattr(owner, name, broken)
    assert differences(world, MANY, until_found=True)


# The other driver sends nothing that can fail before the token has arrived.
@pytest.mark.engines("postgres")
def test_it_finds_rows_that_are_used_after_a_first_query_has_failed(make_world, monkeypatch):
    world = make_world("broken3")
    monkeypatch.setattr(Snapshot, "missed", _use_rows_all_the_same)
    assert differences(world, MANY, until_found=True)
