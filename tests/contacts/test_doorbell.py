"""The doorbell rings after the commit, and its silence costs nobody more than a moment."""

import time

import pytest
from django.db import transaction

from contacts.doorbell import ring
from contacts.models import Staff
from contacts.tasks import check_handover, make_requests
from tests.builders import make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_rings_after_the_commit_and_not_before(rung):
    with transaction.atomic():
        ring(make_requests, 1)
        assert rung() == []

    assert rung() == [("contacts.tasks.make_requests", [1])]


def test_it_rings_at_once_where_no_transaction_is_open(rung):
    ring(make_requests, 1)
    ring(check_handover, 2)

    assert rung() == [
        ("contacts.tasks.make_requests", [1]),
        ("contacts.tasks.check_handover", [2]),
    ]


def test_a_transaction_that_fails_rings_for_nobody(rung):
    with transaction.atomic():
        ring(make_requests, 1)
        transaction.set_rollback(True)

    assert rung() == []


def test_a_broker_that_is_down_is_no_error(monkeypatch, caplog):
    """Nor a wait: the rows are committed, and the sweeper finds them."""
    monkeypatch.setattr(make_requests.app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(make_requests.app, "_pool", None)
    monkeypatch.setattr(make_requests.app.amqp, "_producer_pool", None)
    began = time.monotonic()

    with transaction.atomic():
        lin = make_staff()
        ring(make_requests, 1)

    assert Staff.objects.filter(pk=lin.pk).exists()
    assert time.monotonic() - began < 2
    assert "the sweeper will run contacts.tasks.make_requests" in caplog.text
