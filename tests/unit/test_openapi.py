"""What the description of the API says of fields is what the models say of them."""

from app.models import RULES
from app.openapi import DOCUMENT, FIELDS, SHOWN
from tests.http_client import site_client


def test_the_fields_are_those_of_the_rules_with_their_lengths():
    said = {name: schema["maxLength"] for name, schema in FIELDS.items()}
    assert said == {name: rule.longest for name, rule in RULES.items()}


def test_what_is_shown_of_a_user_is_described(tmp_path):
    with site_client(tmp_path) as client:
        assert set(client.get("/api/users/1").json) == set(SHOWN)


def test_each_operation_has_a_name_a_summary_and_its_answers():
    for methods in DOCUMENT["paths"].values():
        for told in methods.values():
            assert told["operationId"] and told["summary"] and "503" in told["responses"]
            assert ("401" in told["responses"]) == ("security" in told)
