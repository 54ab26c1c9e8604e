"""Merges and erasures that are cut off, again and again: done once or not at all, and repeated."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Delivery
from config.places import ROOT, find_places
from config.processes import end_group
from contacts.enums import CustomerState, Role
from contacts.models import Customer, HistoryEntry, Merge
from crm.actions.erasing import erase_customer
from crm.actions.merges import merge_customers
from crm.api.keys import issue_key
from crm.models import SavedAnswer
from tests.builders import make_customers, make_staff
from tests.faults.crew import Crew, restart_postgres, until
from tests.faults.lives import WAITING, Company, live
from tests.faults.stories import broken_promises
from tests.traces import places_of

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

KILLS = 8
RESTARTS = 2
TRACES = ("kanarie", "1387777")

_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


class Attempts:
    """The process that does what is cut off."""

    def __init__(self, crew: Crew) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.vanishing"],
            cwd=ROOT,
            env={**crew.process_environment(), **crew.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def make(self, verb: str, *people: Customer, moment: str = "-", how: str = "kill") -> str:
        """Try to do the verb; returns how it went."""
        return self._say(" ".join([verb, moment, how, *(str(one.pk) for one in people)]))

    def go_on(self) -> str:
        """Let who stands still go on; returns how it went."""
        return self._say("")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> str:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> str:
        """Return the next word of the process."""
        assert self._process.stdout
        word: str = self._process.stdout.readline().strip()
        return word


@pytest.fixture
def attempts(crew: Crew) -> Iterator[Attempts]:
    opened = Attempts(crew)
    try:
        assert opened.hear() == "ready"
        yield opened
    finally:
        opened.close()


@pytest.fixture
def chance() -> random.Random:
    return random.Random()  # noqa: S311 -- other moments in every run


@pytest.fixture
def two(transactional_db: None) -> tuple[Customer, Customer]:
    """Two records of one person, with much history; a campaign waits for one, or for both."""
    company = Company()
    gone = live("KanarieEins", "+8613877770001", company)
    kept = live("KanarieZwei", "+8613877770002", company)
    company.plan([gone, *make_customers(3)])
    company.settle()
    assert broken_promises() == []
    return gone, kept


def everything() -> dict[str, tuple[int, str]]:
    """Every row of every table, as a number and a digest for each."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = sorted(row[0] for row in cursor.fetchall())
        found = {}
        for table in tables:
            cursor.execute(
                f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} AS t"  # noqa: S608 -- names out of the catalogue
            )
            found[table] = cursor.fetchone()
    return found


def moments(
    chance: random.Random, verb: str, people: tuple[Customer, ...], number: int
) -> list[str]:
    """So many statements of the verb behind which it may be cut off."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        if verb == "merge":
            merge_customers(people[0], into=people[1], actor=None, now=timezone.now())
        else:
            erase_customer(people[0], actor=None, now=timezone.now())
        transaction.set_rollback(True)
    for one in people:
        one.refresh_from_db()
    return [f"#{place}" for place in sorted(chance.sample(range(3, len(queries) - 2), number))]


def end_after_kills(
    attempts: Attempts, chance: random.Random, verb: str, *people: Customer
) -> None:
    """Cut the verb off behind some statements, and then at any time; and do it in the end."""
    before = everything()
    known = "merge" if verb == "unmerge" else verb
    places = moments(chance, known, people, KILLS) if verb == known else ["#7", "#12", "#19", "#26"]
    for moment in places:
        assert attempts.make(verb, *people, moment=moment) == "killed"
        assert everything() == before
    heard, struck = "", 0
    for _kill in range(KILLS):
        heard = attempts.make(verb, *people, moment=f"{chance.uniform(0.01, 0.4):.3f}")
        if everything() != before:
            break
        struck += heard == "killed"
    else:
        heard = attempts.make(verb, *people)
        assert heard == "done"
    assert heard in {"done", "killed"}
    after = everything()
    assert after != before
    assert attempts.make(verb, *people) in {"MovedOn", "RuleBroken", "DoesNotExist"}
    assert everything() == after
    assert broken_promises() == []


def wholly_merged(gone: Customer, kept: Customer) -> None:
    gone.refresh_from_db()
    assert (gone.state, gone.merged_into, gone.owner) == (CustomerState.MERGED, kept, None)
    assert not gone.identities.exists()
    assert kept.identities.count() == 6
    assert Merge.objects.filter(undone_at=None).count() == 1
    told = HistoryEntry.objects.filter(action__in=["customer.merged", "customer.took_in"])
    assert told.count() == 2
    queued = Delivery.objects.filter(state="queued")
    assert queued.filter(customer=kept).count() == WAITING
    assert not queued.filter(customer=gone).exists()


def wholly_apart(gone: Customer, kept: Customer) -> None:
    gone.refresh_from_db()
    assert (gone.state, gone.merged_into) == (CustomerState.ACTIVE, None)
    assert gone.identities.count() == kept.identities.count() == 3
    assert not Merge.objects.filter(undone_at=None).exists()
    assert Delivery.objects.filter(state="queued", customer=gone).count() == WAITING


def wholly_erased(crew: Crew, *records: Customer) -> None:
    """Nothing is left of them: in no table, in no file but the database's own, at no broker."""
    assert places_of(*TRACES) == set()
    told = HistoryEntry.objects.filter(action="customer.erased")
    assert told.count() == len(records)
    assert not Delivery.objects.filter(state="queued", customer__in=records).exists()
    assert [file for file in files(crew) if holds_a_trace(file)] == []
    assert broken_promises() == []


def files(crew: Crew) -> Iterator[Path]:
    """What the product's processes and its servers have written beside the tables."""
    for places in (crew.places, find_places()):
        for folder in (places.logs, places.data / "valkey", Path(settings.MEDIA_ROOT)):
            yield from (file for file in folder.rglob("*") if file.is_file())


def holds_a_trace(file: Path) -> bool:
    content = file.read_bytes().lower()
    return any(trace.encode() in content for trace in TRACES)


def test_a_merge_and_its_undoing_are_done_once_or_not_at_all(
    attempts: Attempts, two: tuple[Customer, Customer], chance: random.Random
) -> None:
    end_after_kills(attempts, chance, "merge", *two)
    wholly_merged(*two)
    end_after_kills(attempts, chance, "unmerge", *two)
    wholly_apart(*two)


def test_an_erasure_is_done_once_or_not_at_all(
    crew: Crew, attempts: Attempts, two: tuple[Customer, Customer], chance: random.Random
) -> None:
    gone, kept = two
    merge_customers(gone, into=kept, actor=None, now=timezone.now())
    assert places_of(*TRACES)

    end_after_kills(attempts, chance, "erase", kept)

    wholly_erased(crew, gone, kept)


def test_a_restart_of_the_database_undoes_what_was_half_done(
    crew: Crew,
    attempts: Attempts,
    two: tuple[Customer, Customer],
    chance: random.Random,
    durable: None,
    pytestconfig: pytest.Config,
) -> None:
    gone, kept = two
    for verb, people in (("merge", (gone, kept)), ("erase", (kept,))):
        before = everything()
        for moment in moments(chance, verb, people, RESTARTS):
            assert attempts.make(verb, *people, moment=moment, how="wait") == "there"
            connection.close()
            restart_postgres(pytestconfig)
            assert attempts.go_on() == "OperationalError"
            assert everything() == before
        assert attempts.make(verb, *people) == "done"
        connection.close()
        restart_postgres(pytestconfig)
        assert everything() != before
        assert broken_promises() == []
    wholly_erased(crew, gone, kept)


def test_the_web_is_killed_and_there_is_no_broker(
    lonely: Crew, two: tuple[Customer, Customer], chance: random.Random
) -> None:
    gone, kept = two
    boss = make_staff("Wu", role=Role.ADMINISTRATOR)
    _row, key = issue_key(boss, name="test", scopes=(), now=timezone.now())
    assert lonely.broker
    end_group(lonely.broker.pid, signal.SIGKILL)
    lonely.broker.wait()
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{lonely.port}/api/v1/",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
        timeout=30,
    )

    def ask(name: str, path: str, body: dict[str, int]) -> httpx.Response | None:
        try:
            return client.post(path, json=body, headers={"Idempotency-Key": name})
        except httpx.TransportError:
            return None

    def until_done(name: str, path: str, body: dict[str, int]) -> httpx.Response:
        """Ask, kill the web meanwhile, and ask the same again once the lease is over."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, name, path, body)
            time.sleep(chance.uniform(0.05, 0.5))  # the moment; nothing is waited for
            lonely.kill("web")
            asked.result()
        lonely.start("web")
        until(lambda: ask("", "me", {}) is not None, what="the web server")
        SavedAnswer.objects.filter(status=None).update(lease_until=timezone.now())
        answer = ask(name, path, body)
        assert answer is not None
        return answer

    lonely.start("web")
    until(lambda: ask("", "me", {}) is not None, what="the web server")
    merged = until_done("merge", f"customers/{gone.pk}/merge", {"into": kept.pk})
    assert merged.status_code == httpx.codes.OK, merged.text
    wholly_merged(gone, kept)
    erased = until_done("erase", f"customers/{kept.pk}/erase", {})
    assert erased.status_code == httpx.codes.OK, erased.text
    lonely.kill("web")
    client.close()
    wholly_erased(lonely, gone, kept)
