"""Comparing everything with WeCom: started once, gone on with by whoever has time, ended once.

Events are lost and come in any order (``docs/wecom.md``). A comparison finds what they did not
tell, repairs what is safe and leaves the rest to people. It reads page after page and saves its
place after each, so a worker that is killed costs one page.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from connectors.wecom.error_table import SAME_PAGE
from connectors.wecom.errors import Busy, WeComError
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.enums import FindingState, ReconcileStep, ReconciliationState
from contacts.errors import MovedOn, broken_constraint
from contacts.models import Finding, Reconciliation, Staff
from contacts.wecom import wecom
from crm import tasks
from crm.actions.findings import STANDING
from crm.actions.reconcile_follows import compare_follows
from crm.actions.reconcile_handovers import compare_handovers
from crm.actions.reconcile_leavers import compare_leavers
from crm.actions.reconcile_owners import compare_owners
from crm.actions.reconcile_run import LeaseLost, Run, claim, held
from crm.actions.reconcile_staff import compare_absent, compare_chats, compare_members, compare_tags

logger = logging.getLogger(__name__)

SLICE = timedelta(seconds=10)
"""How long a worker stays with a comparison before it looks whether somebody else waits."""

ATTEMPTS = 5
"""Leases without a page got done, after which a person has to look."""

KEPT = timedelta(days=90)
"""How long settled findings and comparisons without any are kept."""

STUCK = gettext_noop("The comparison broke off at the same place again and again.")

_STEPS: dict[ReconcileStep, Callable[[Run], Iterator[None]]] = {
    ReconcileStep.TAGS: compare_tags,
    ReconcileStep.MEMBERS: compare_members,
    ReconcileStep.LEAVERS: compare_leavers,
    ReconcileStep.ABSENT: compare_absent,
    ReconcileStep.CHATS: compare_chats,
    ReconcileStep.FOLLOWS: compare_follows,
    ReconcileStep.HANDOVERS: compare_handovers,
    ReconcileStep.OWNERS: compare_owners,
}


def start_reconciliation(*, actor: Staff | None, now: datetime) -> Reconciliation:
    """Start a comparison and ring for a worker; raises ``MovedOn`` while one is under way."""
    try:
        with transaction.atomic():
            row = Reconciliation.objects.create(asked_by=actor, started_at=now, next_attempt_at=now)
            record(row, "reconciliation.started", actor=actor, at=now)
    except IntegrityError as error:
        if broken_constraint(error) != "reconciliation_one_running":
            raise
        raise MovedOn(_("A comparison is under way already.")) from error
    ring(tasks.reconcile, row.pk)
    return row


def reconciliations_to_go_on(now: datetime) -> list[int]:
    """The comparison that is due and that nobody works on, for the sweeper."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    rows = Reconciliation.objects.filter(
        free, state=ReconciliationState.RUNNING, next_attempt_at__lte=now
    )
    return list(rows.values_list("pk", flat=True))


def go_on(run_id: int, *, now: datetime, stay: bool = False) -> bool:
    """Go on with a comparison for a while or, with ``stay``, to its end.

    Returns whether this worker was the one to do it. While WeCom is busy the comparison waits, and
    the sweeper rings when it is time; a problem of the connection ends it.
    """
    client = wecom()
    run = claim(run_id, client, now=now) if client else None
    if run is None:
        return False
    if run.row.attempts > ATTEMPTS:
        _fail(run, STUCK)
        return True
    try:
        _walk(run, until=None if stay else run.now + SLICE)
    except LeaseLost:
        logger.warning("comparison %s: another worker goes on", run_id)
    except Busy as busy:
        if busy.text == SAME_PAGE:
            _fail(run, str(busy))
        else:
            _let_rest(run, run.now + timedelta(seconds=busy.retry_after))
    except WeComError as error:
        _fail(run, str(error))
    return True


def _walk(run: Run, *, until: datetime | None) -> None:
    """Take one step after the other; the end of one is saved with the beginning of the next."""
    steps = list(_STEPS)
    for step in steps[steps.index(ReconcileStep(run.row.step)) :]:
        if run.row.step != step:
            run.row.step, run.place = step, {}
            run.save()
        for _page in _STEPS[step](run):
            if until and run.now >= until:
                _let_rest(run, run.now)
                ring(tasks.reconcile, run.row.pk)
                return
    _finish(run)


def _let_rest(run: Run, at: datetime) -> None:
    held(run.row.pk, run.token).update(lease_token=None, lease_until=None, next_attempt_at=at)


def _fail(run: Run, error: str) -> None:
    """End the comparison as it stands; what earlier ones found is neither confirmed nor gone."""
    logger.error("comparison %s failed: %s", run.row.pk, error)
    held(run.row.pk, run.token).update(
        state=ReconciliationState.FAILED,
        finished_at=run.now,
        error=error[:300],
        lease_token=None,
        lease_until=None,
    )


def _finish(run: Run) -> None:
    """What earlier comparisons found and this one has not is gone."""
    now = run.now
    with transaction.atomic():
        unseen = Finding.objects.filter(state__in=STANDING).exclude(run=run.row)
        unseen.update(state=FindingState.GONE, state_at=now)
        listed = Finding.objects.filter(run=run.row, state=FindingState.OPEN).order_by()
        done = held(run.row.pk, run.token).update(
            state=ReconciliationState.DONE,
            finished_at=now,
            listed=dict(listed.values_list("kind").annotate(Count("pk"))),
            lease_token=None,
            lease_until=None,
        )
        if not done:
            raise LeaseLost
        record(run.row, "reconciliation.done", actor=None, at=now)
    _forget(before=now - KEPT)


def _forget(*, before: datetime) -> None:
    Finding.objects.exclude(state__in=STANDING).filter(state_at__lt=before).delete()
    old = Reconciliation.objects.filter(finished_at__lt=before, findings=None)
    old.exclude(state=ReconciliationState.RUNNING).delete()
