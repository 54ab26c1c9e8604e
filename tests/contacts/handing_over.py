"""A handover as tests plan, start and look at it."""

from datetime import timedelta

from contacts.actions.handovers import plan_handover, propose_receivers, start_handover
from contacts.actions.sharing import Strategy
from contacts.enums import HandoverKind
from contacts.models import Customer
from contacts.queries import handover_progress
from tests.builders import NOON

LATER = NOON + timedelta(hours=1)


def plan(lin, kind=HandoverKind.LEAVE):
    return plan_handover(lin, kind=kind, actor=None, now=NOON)


def propose(handover, *receivers, strategy=Strategy.EVENLY):
    return propose_receivers(handover, receivers, strategy=strategy, actor=None, now=NOON)


def start(handover, **options):
    start_handover(handover, **{"actor": None, "now": LATER} | options)
    handover.refresh_from_db()


def states(handover):
    progress = handover_progress(handover)
    assert progress.adds_up
    return progress.states


def owners(customers):
    rows = Customer.objects.filter(pk__in=[customer.pk for customer in customers])
    return [row.owner for row in rows.select_related("owner").order_by("pk")]
