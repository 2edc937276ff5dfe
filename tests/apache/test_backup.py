"""scripts/backup and scripts/restore while a real Apache serves the bank under load."""

import os
import random
import subprocess
import sys
import threading
import time

import httpx
import pytest

from scripts.lib.command import ROOT
from tests.apache.banking import SERVERS, TOTAL, Load, rows_per_number, served_bank
from tests.apache.counting import clients

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def bank(request):
    """The bank on each engine."""
    with served_bank(request) as served:
        yield served


def run(verb, bank, *arguments):
    """Run scripts/backup or scripts/restore on the bank's database; it must succeed."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SITE_")}
    environment["DATABASE_URI"] = bank.uri or f"sqlite://{bank.site.data}/bank.db"
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-P", "-m", f"scripts.lib.backup.{verb}", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Customers:
    """Clients that move money or read all balances until `stop`, and what they have seen."""

    def __init__(self, bank):
        self.sums = set()
        self.statuses = set()
        self.moved = 0
        self._bank = bank
        self._done = threading.Event()
        self._thread = threading.Thread(target=clients, args=(5, self._work))
        self._thread.start()

    def _work(self, number, client):
        choice = random.Random(number)
        while not self._done.is_set():
            answer = self._move(client, choice) if number < 2 else self._read(client)
            self.statuses.add(answer.status_code)
            time.sleep(0.002)

    def _move(self, client, choice):
        source, target = choice.sample(range(1, 9), 2)
        content = f"{source} {target} {choice.randint(1, 20)}"
        answer = client.post(f"{self._bank.url}/transfer", content=content)
        self.moved += answer.status_code == 200
        return answer

    def _read(self, client):
        answer = client.get(f"{self._bank.url}/balances")
        if answer.status_code == 200:
            self.sums.add(sum(map(int, answer.text.split())))
        return answer

    def stop(self):
        self._done.set()
        self._thread.join()


def shown_balances(bank):
    """The sorted answers of many requests, from all processes and their kept rows."""
    texts = [httpx.get(f"{bank.url}/balances").text for _ in range(40)]
    return {tuple(sorted(map(int, text.split()))) for text in texts}


def test_a_restored_backup_has_what_was_acknowledged_before_it_and_all_answers_are_whole(
    bank, tmp_path
):
    load, customers = Load(bank, 1), Customers(bank)
    try:
        load.wait_for(300, 200)
        before = load.numbers(200)
        run("backup", bank, tmp_path / "bank.backup")
        backed_up = load.numbers(200)
        load.wait_for(300, 200)
        lost = load.numbers(200) - backed_up
        run("restore", bank, tmp_path / "bank.backup")
        restored = time.monotonic()
        load.wait_for(300, 200)
    finally:
        load.stop()
        customers.stop()
    after = {n for at, n, status in load.answers if status == 200 and at > restored + 1}
    rows = rows_per_number(bank)
    assert before | after <= set(rows)
    assert not lost & set(rows)
    assert set(rows.values()) == {2}
    assert {status for *_, status in load.answers} <= {200, 503}
    assert customers.sums == {TOTAL}
    assert customers.statuses - {409, 503} == {200}
    assert customers.moved > 20
    there = sorted(balance for (balance,) in bank.execute("SELECT balance FROM account"))
    assert shown_balances(bank) == {tuple(there)}
