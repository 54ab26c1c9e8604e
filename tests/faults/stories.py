"""What the tests do again and again: begin something large, and see that it ended exactly."""

import time
from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from campaigns.actions.batches import expire_leases, look_up_batch
from campaigns.actions.campaigns import create_campaign, plan_campaign, schedule_campaign
from campaigns.actions.parts import LEASE, LOOK_EVERY, LOOKS
from campaigns.actions.results import check_batch
from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from contacts.actions.departures import depart_staff
from contacts.actions.handovers import propose_receivers, start_handover
from contacts.actions.settlement import check_handover
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.enums import HandoverState, ItemState
from contacts.models import Customer, Follow, Handover, Staff
from contacts.queries import handover_progress
from crm.actions.sweeping import ring_for_due
from crm.invariants import check_rules
from tests.builders import make_content, make_customers, make_segment, make_staff
from tests.faults.crew import until
from tests.sandboxed import Shop

DAY = 24 * 3600
TO_THE_END = 120.0
"""Seconds: leases of the dead run out, and what was busy waits for seconds, more than once."""

LEASE_OVER = LEASE + timedelta(seconds=1)
SETTLED = {BatchState.HANDED, BatchState.DONE}


def staff_with_customers(people: int, each: int) -> list[Staff]:
    """Colleagues who are connected with that many customers each."""
    staff = [make_staff(f"Guide{number}") for number in range(people)]
    for person in staff:
        make_customers(each, owner=person, followed=True)
    return staff


def begin_campaign() -> Campaign:
    """A campaign to everybody, planned and rung for."""
    now = timezone.now()
    campaign = create_campaign(
        name="Spring",
        content=make_content(),
        segment=make_segment(),
        actor=None,
        now=now,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def begin_handover(shop: Shop, leaver: Staff, *receivers: Staff) -> Handover:
    """The leaver is gone from WeCom and from the company, and the customers are on their way."""
    now = timezone.now()
    shop.control.depart(leaver.wecom_userid or "")
    left_the_channel(leaver, now=now)
    handover = depart_staff(leaver.pk, actor=None, now=now)
    assert handover
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    return handover


def count(campaign: Campaign, *states: BatchState) -> int:
    """How many batches of the campaign are in one of these states."""
    return Batch.objects.filter(campaign=campaign, state__in=states).count()


def look_up_unclear(shop: Shop, campaign: Campaign) -> tuple[int, int]:
    """Ask about every unclear batch as often as is done; returns how many were found, and not.

    Time is told to the product and to the sandbox, instead of being waited for.
    """
    expire_leases(now=timezone.now() + LEASE_OVER)
    unclear = list(Batch.objects.filter(campaign=campaign, state=BatchState.UNCLEAR))
    shop.control.advance(90)  # the sandbox does not talk about messages younger than a minute
    for look in range(1, LOOKS + 1):
        later = timezone.now() + LEASE_OVER + look * (LOOK_EVERY + timedelta(seconds=10))
        for batch in unclear:
            look_up_batch(batch.pk, now=later)
    left = Batch.objects.filter(pk__in=[batch.pk for batch in unclear])
    found = left.filter(state=BatchState.HANDED).count()
    missing = left.filter(state=BatchState.WAITING).count()
    assert found + missing == len(unclear)
    return found, missing


def end_campaign_exactly(shop: Shop, campaign: Campaign) -> None:
    """Everybody in exactly one task; all confirmed, all received once, all written down."""
    addresses = set(Delivery.objects.filter(campaign=campaign).values_list("address", flat=True))
    assert len(addresses) == campaign.recipients
    assert shop.reached() == dict.fromkeys(addresses, 1)

    shop.control.faults(clear=True, latency_ms=0)
    shop.control.advance(90)
    shop.control.confirm()
    later = timezone.now() + timedelta(hours=1)
    for batch in Batch.objects.filter(campaign=campaign, state=BatchState.HANDED):
        check_batch(batch.pk, now=later)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    received = {row["external_userid"]: row["times"] for row in shop.control.rows("deliveries")}
    assert received == dict.fromkeys(addresses, 1)
    states = Delivery.objects.filter(campaign=campaign).values_list("state", flat=True)
    assert set(states) == {DeliveryState.SENT}
    assert shop.violations() == []
    assert broken_promises() == []


def end_handover_exactly(
    shop: Shop, handover: Handover, customers: Iterable[Customer], *receivers: Staff
) -> None:
    """Everybody asked with effect once, and taken over a day later by the one who was asked."""
    who = {customer.pk for customer in customers}
    addresses = {f"wm{pk}" for pk in who}
    transfers = shop.control.rows("transfers")
    assert sorted(row["external_userid"] for row in transfers) == sorted(addresses)
    progress = handover_progress(handover)
    assert progress.adds_up
    assert progress.states == {ItemState.WAITING: len(addresses)}

    shop.control.advance(DAY + 60)
    assert check_handover(handover.pk, now=timezone.now(), early=True)

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert handover_progress(handover).states == {ItemState.ACCEPTED: len(addresses)}
    userid_of = {staff.pk: staff.wecom_userid for staff in receivers}
    owners = Customer.objects.filter(pk__in=who).values_list("pk", "owner")
    takers = {row["external_userid"]: row["takeover"] for row in transfers}
    assert {f"wm{pk}": userid_of[owner] for pk, owner in owners} == takers
    assert Follow.objects.active().filter(customer__in=who, staff__in=receivers).count() == len(who)
    assert shop.violations() == []
    assert broken_promises() == []


def broken_promises() -> list[str]:
    """What the invariants find, in words."""
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


def wait_until_sent(campaign: Campaign) -> None:
    """Return when no batch of the campaign waits or is being sent, ringing as beat does."""
    rung = 0.0

    def done() -> bool:
        nonlocal rung
        if time.monotonic() > rung + 1:
            ring_for_due(now=timezone.now())
            rung = time.monotonic()
        return not count(campaign, BatchState.WAITING, BatchState.SENDING)

    until(done, patience=TO_THE_END, what="the end of sending")
