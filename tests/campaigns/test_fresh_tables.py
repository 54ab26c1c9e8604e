"""A campaign right after a large import: PostgreSQL is told of the customers who are new to it."""

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.actions.campaigns import plan_campaign
from campaigns.audience import preview_audience
from tests.builders import make_campaign, make_customers, make_staff

MANY = 1_500


def known(table: str) -> float:
    """How many rows the planner of PostgreSQL believes in; fewer than none before its first look."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
        return float(cursor.fetchone()[0])


@pytest.fixture
def unknown() -> None:
    """Many customers, of whom it is forgotten that anybody has ever looked at their tables."""
    make_customers(MANY, owner=make_staff(), followed=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relname ~ '^contacts_'"
        )


@pytest.mark.django_db
def test_a_preview_looks_at_them_first(unknown: None) -> None:
    assert preview_audience({"all": []}).reachable == MANY

    assert known("contacts_customer") == MANY
    assert known("contacts_follow") == MANY


@pytest.mark.django_db
def test_so_does_planning(unknown: None) -> None:
    campaign = make_campaign(state="scheduled", send_at=timezone.now())

    plan_campaign(campaign.pk, now=timezone.now())

    assert known("contacts_identity") == MANY


@pytest.mark.django_db
def test_small_tables_are_left_alone() -> None:
    make_customers(3, owner=make_staff(), followed=True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_class SET reltuples = -1 WHERE relname = 'contacts_task'")

    preview_audience({"all": []})

    assert known("contacts_task") == -1
