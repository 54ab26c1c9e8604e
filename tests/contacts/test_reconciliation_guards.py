"""What the database refuses of comparisons and findings."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from contacts.enums import FindingState, ReconciliationState
from contacts.models import Finding, Reconciliation
from tests.builders import NOON, make_finding, make_reconciliation

pytestmark = pytest.mark.django_db


def test_one_comparison_runs_at_a_time(refused_by):
    make_reconciliation(state=ReconciliationState.RUNNING)

    with refused_by("reconciliation_one_running"):
        make_reconciliation(state=ReconciliationState.RUNNING)
    make_reconciliation()


@pytest.mark.parametrize("wrong", [{"state": "lost"}, {"step": "somewhere"}])
def test_states_and_steps_are_known(refused_by, wrong):
    row = make_reconciliation()

    with refused_by("reconciliation_state_known"):
        Reconciliation.objects.filter(pk=row.pk).update(**wrong)


def test_what_is_over_has_a_time_and_no_lease(refused_by):
    row = make_reconciliation(state=ReconciliationState.RUNNING)

    with refused_by("reconciliation_end_has_time"):
        Reconciliation.objects.filter(pk=row.pk).update(state=ReconciliationState.DONE)
    with refused_by("reconciliation_end_has_time"):
        Reconciliation.objects.filter(pk=row.pk).update(
            state=ReconciliationState.DONE,
            finished_at=NOON,
            lease_token=uuid4(),
            lease_until=NOON,
        )


def test_a_lease_has_an_end(refused_by):
    row = make_reconciliation(state=ReconciliationState.RUNNING)

    with refused_by("reconciliation_lease_is_complete"):
        Reconciliation.objects.filter(pk=row.pk).update(lease_token=uuid4())


def test_a_thing_is_found_once_until_it_is_settled(refused_by):
    run = make_reconciliation()
    first = make_finding(run=run, key="staff 1")

    for state in (FindingState.OPEN, FindingState.DISMISSED):
        with refused_by("finding_one_per_thing"):
            make_finding(run=run, key="staff 1", state=state)
    Finding.objects.filter(pk=first.pk).update(state=FindingState.GONE)
    make_finding(run=run, key="staff 1", state_at=NOON + timedelta(days=1))


@pytest.mark.parametrize("wrong", [{"kind": "odd"}, {"state": "odd"}])
def test_kinds_and_states_are_known(refused_by, wrong):
    finding = make_finding()

    with refused_by("finding_kind_and_state_known"):
        Finding.objects.filter(pk=finding.pk).update(**wrong)


def test_what_was_seen_is_not_logged():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'contacts_seenfollow'")
        assert cursor.fetchone() == ("u",)
