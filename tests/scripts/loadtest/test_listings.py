"""Lists of users: read from the site's real answers, and what is found wrong with one."""

import pytest

from scripts.lib.loadtest import listings
from scripts.lib.loadtest.ledger import ABSENT, LOST, MADE_UP, RESURRECTED, STALE, Ledger
from scripts.lib.loadtest.listings import MISCOUNTED, Listing, Users
from tests.http_client import site_client

NAMES = ["plain", "<b>&amp;", "it's", 'say "no"', 'it\'s "both"', "Zoë\u2028"]


@pytest.fixture
def users():
    """Users "us-1" to "us-3" with ids 11 to 13, created at 0 and known at 1."""
    made = Users(Ledger(), "us-")
    for number in (1, 2, 3):
        name = f"us-{number}"
        made.ledger.acknowledge(made.ledger.begin(name, f"Full {number}", 0), 1)
        made.ids[name] = 10 + number
    return made


def row(number, fullname=None):
    return (10 + number, f"us-{number}", fullname or f"Full {number}")


def test_the_three_lists_of_the_site_are_read_alike(tmp_path):
    with site_client(tmp_path) as client:
        for name in NAMES:
            value = {"name": name, "fullname": f"Full {name}", "password": "sesame, open"}
            assert client.send("POST", "/api/users", value).status == 201
        api = listings.of_json(client.get("/api/users", query="limit=1000").json, 0, 1000)
        page = listings.of_page(client.get("/").text, 0)
        text = listings.of_text(client.get("/view").text)
    assert [found[1] for found in api.rows[-len(NAMES) :]] == NAMES
    assert page.rows == text.rows == api.rows
    assert page.following is api.following is None


def test_a_page_that_has_a_next_one_says_where_it_begins(tmp_path):
    with site_client(tmp_path) as client:
        for number in range(100):
            value = {"name": f"user {number}", "fullname": "Full", "password": "sesame, open"}
            assert client.send("POST", "/api/users", value).status == 201
        page = listings.of_page(client.get("/").text, 0)
        api = listings.of_json(client.get("/api/users", query="limit=100").json, 0, 100)
    assert page == api
    assert page.following == page.rows[-1][0] and len(page.rows) == 100


@pytest.mark.parametrize(
    "read",
    [
        lambda: listings.of_page('<tr id="user-1"><td>1</td></tr>', 0),
        lambda: listings.of_text("<html>\n"),
        lambda: listings.of_json({"users": [{}], "next": None}, 0, 10),
        lambda: listings.of_json([], 0, 10),
    ],
)
def test_another_answer_is_not_a_list(read):
    with pytest.raises(ValueError):
        read()


def test_a_list_with_everyone_is_right_whoever_else_is_on_it(users):
    others = [(1, "other", "x"), (99, "us", "y")]
    rows = [others[0], row(1), row(2), row(3), others[1]]
    assert users.fault_of_list(Listing(rows), 5, 6) is None


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(1), row(3)], LOST),
        ([], LOST),
        ([row(1), row(2, "older"), row(3)], MADE_UP),
        ([row(1), row(2), (77, "us-3", "Full 3")], MADE_UP),
        ([row(1), row(2), row(3), (99, "us-4", "nobody's")], MADE_UP),
        ([row(1), row(3), row(2)], MISCOUNTED),
        ([row(1), row(1), row(2), row(3)], MISCOUNTED),
    ],
)
def test_an_impossible_list_is_found(users, rows, fault):
    assert users.fault_of_list(Listing(rows), 5, 6) == fault


def test_a_list_shows_the_change_and_not_the_deleted(users):
    users.ledger.acknowledge(users.ledger.begin("us-2", "Changed", 2), 3)
    users.ledger.acknowledge(users.ledger.begin("us-3", ABSENT, 2), 3)
    users.forget("us-3")
    assert users.fault_of_list(Listing([row(1), row(2, "Changed")]), 5, 6) is None
    assert users.fault_of_list(Listing([row(1), row(2)]), 5, 6) == STALE
    rows = [row(1), row(2, "Changed"), row(3)]
    assert users.fault_of_list(Listing(rows), 5, 6) == RESURRECTED


def test_a_page_answers_for_its_own_ids_only(users):
    assert users.fault_of_list(Listing([row(2)], 11, 12, 1), 5, 6) is None
    assert users.fault_of_list(Listing([row(3)], 11, 13, 1), 5, 6) == LOST


@pytest.mark.parametrize(
    "listing",
    [
        Listing([row(1)], 0, 11, 2),
        Listing([row(1), row(2)], 0, 11, 2),
        Listing([row(1), row(2), row(3)], 0, None, 2),
        Listing([row(1), row(2), row(3)], 11, None, 9),
    ],
    ids=["next page after a short one", "next page begins elsewhere", "too long", "before after"],
)
def test_a_page_whose_count_does_not_add_up_is_found(users, listing):
    assert users.fault_of_list(listing, 5, 6) == MISCOUNTED


def test_a_user_seen_on_a_list_before_its_creation_is_answered_is_known_by_its_id(users):
    users.ledger.begin("us-4", "Full 4", 2)
    assert users.fault_of_list(Listing([row(1), row(2), row(3), row(4)]), 3, 4) is None
    assert users.ids["us-4"] == 14
    assert users.fault_of_list(Listing([row(1), row(2), row(3)]), 5, 6) == LOST
