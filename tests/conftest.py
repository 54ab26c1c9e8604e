"""What every test stands on: a real PostgreSQL and a real Valkey.

No worker runs beside the tests. A task that is rung for after a commit is published to the
test's Valkey, as in production, and waits there: ``rung`` reads what is waiting. In a test
without ``transaction=True`` nothing commits, so nothing is rung; there
``django_capture_on_commit_callbacks(execute=True)`` stands for the commit. Tasks are never run
eagerly: that would hide whatever a worker in another process cannot see.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from redis import Redis

from contacts import doorbell
from contacts.errors import broken_constraint
from tests.gateways import Gateway, MailServer, open_gateway, open_mail_server

QUEUES = ("realtime", "bulk")

_APPEND_ONLY = {
    "contacts_historyentry": "history_append_only",
    "contacts_consententry": "consent_append_only",
}


@pytest.fixture(scope="session", autouse=True)
def cleaning_up_passes_the_guards() -> Iterator[None]:
    """Let Django empty the append-only tables between tests, and nobody else.

    Tests that really commit are cleaned up by TRUNCATE, which the triggers of the migration
    refuse. They step aside inside that one transaction; the database of the tests is otherwise
    exactly what the migrations made.
    """
    plain = DatabaseOperations.sql_flush

    def sql_flush(self: DatabaseOperations, *args: Any, **options: Any) -> list[str]:
        alter = "ALTER TABLE {} {} TRIGGER {}"
        return [
            *(alter.format(table, "DISABLE", name) for table, name in _APPEND_ONLY.items()),
            *plain(self, *args, **options),
            *(alter.format(table, "ENABLE", name) for table, name in _APPEND_ONLY.items()),
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture(autouse=True)
def a_broker_nobody_has_found_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring that failed in one test keeps nobody quiet in the next."""
    monkeypatch.setattr(doorbell, "_quiet_until", 0.0)


@pytest.fixture
def redis() -> Iterator[Redis]:
    """The test's Valkey, empty: no queue, budget or token of another test."""
    client = Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    """A gateway behind the company's own webhook, the channel of letters under our keys."""
    with open_gateway() as opened:
        settings.CAMPAIGN_WEBHOOK_URL = opened.url
        yield opened


@pytest.fixture
def mails(settings: Any) -> Iterator[MailServer]:
    """A mail server, the channel of letters of which nobody can be asked."""
    with open_mail_server() as opened:
        settings.EMAIL_URL, settings.MAIL_FROM = opened.url, "Shop <news@shop.example>"
        yield opened


@pytest.fixture
def rung(redis: Redis) -> Callable[[], list[tuple[str, list[int]]]]:
    """A function that returns what waits for a worker, queue by queue, oldest first: task and ids."""

    def waiting() -> list[tuple[str, list[int]]]:
        raws = [raw for queue in QUEUES for raw in reversed(redis.lrange(queue, 0, -1))]
        messages = [json.loads(raw) for raw in raws]
        return [
            (message["headers"]["task"], json.loads(b64decode(message["body"]))[0])
            for message in messages
        ]

    return waiting


@pytest.fixture
def refused_by() -> Callable[[str], AbstractContextManager[None]]:
    """A block whose writes the database refuses, naming this constraint, at the latest at commit."""

    @contextmanager
    def refused(constraint: str) -> Iterator[None]:
        with pytest.raises(IntegrityError) as caught, transaction.atomic():  # noqa: PT012 -- the block of the test is inside
            yield
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert broken_constraint(caught.value) == constraint

    return refused
