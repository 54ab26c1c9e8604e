"""Letters while people are merged and erased at any moment, and workers are killed.

Compared with the far side's ledger, recipient by recipient.
"""

import random
import time
from contextlib import suppress

import pytest
from django.utils import timezone

from campaigns.actions.campaigns import pause_campaign, resume_campaign
from campaigns.enums import BatchState
from campaigns.models import Campaign, Delivery
from contacts.actions.consent import opt_out
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer
from crm.actions.erasing import erase_customer
from crm.actions.merges import merge_customers
from tests.faults.crew import Crew, until
from tests.faults.letters import FarSides, begin, finish, keys
from tests.faults.stories import broken_promises, count

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SOME = 20_000
OPEN = (BatchState.WAITING, BatchState.SENDING)
ROUNDS = 6
EACH = 25


def merge(campaign: Campaign, people: list[Customer]) -> list[tuple[int, int, int]]:
    """Merge them two by two, as far as no message to one is leaving just now.

    Returns gone, kept, and how many messages the two have by then, or may have.
    """
    pairs = []
    for gone, kept in zip(people[::2], people[1::2], strict=True):
        with suppress(RuleBroken):
            merge_customers(gone, into=kept, actor=None, now=timezone.now())
            theirs = Delivery.objects.filter(campaign=campaign, customer__in=[gone, kept])
            have = theirs.filter(state__in=["sent", "unclear"]).count()
            pairs.append((gone.pk, kept.pk, have))
    return pairs


def toggle(campaign: Campaign) -> None:
    """Pause the campaign for a moment."""
    campaign.refresh_from_db()
    with suppress(MovedOn):
        pause_campaign(campaign, actor=None, now=timezone.now())
    time.sleep(0.5)  # the moment; nothing is waited for
    campaign.refresh_from_db()
    with suppress(MovedOn):
        resume_campaign(campaign, actor=None, now=timezone.now())


def test_people_may_be_merged_and_erased_at_any_moment(crew: Crew, far: FarSides) -> None:
    chance = random.Random("vanishing")  # noqa: S311 -- the same people in every run
    campaign = begin("webhook", SOME)
    everybody = list(Customer.objects.order_by("pk"))
    chance.shuffle(everybody)
    early, late = everybody[:EACH], everybody[EACH:]
    for customer in early:
        erase_customer(customer, actor=None, now=timezone.now())
    pairs, erased, refused = [], [], []
    crew.start("worker-bulk", "scheduler")
    sent = Delivery.objects.filter(campaign=campaign, state="sent")
    until(lambda: sent.count() > SOME / 20, what="the beginning")
    for _round in range(ROUNDS):
        pairs += merge(campaign, [late.pop() for _ in range(2 * EACH)])
        for customer in [late.pop() for _ in range(EACH)]:
            erase_customer(customer, actor=None, now=timezone.now())
            erased.append(customer.pk)
        for customer in [late.pop() for _ in range(EACH)]:
            opt_out(customer, source="test", now=timezone.now())
            refused.append(customer.pk)
        crew.kill("worker-bulk")
        crew.start("worker-bulk")
        toggle(campaign)
    assert count(campaign, *OPEN), "the campaign must not have ended before"
    crew.kill("worker-bulk")
    finish(campaign)

    ledger = far.ledger()["sent"].keys()
    key = f"liuke-{campaign.pk}-"
    assert max(far.ledger()["sent"].values()) == 1
    assert pairs
    unclear = keys(campaign, state="unclear")
    for gone, kept, had in pairs:  # nobody gets it once more, and whoever has nothing gets it
        theirs = {f"{key}{gone}", f"{key}{kept}"}
        assert len(theirs & ledger) <= max(1, had)
        assert theirs & (ledger | unclear)
    assert not {f"{key}{customer.pk}" for customer in early} & ledger
    vanished = {*erased, *refused, *(one for pair in pairs for one in pair[:2])}
    others = keys(campaign) - {f"{key}{pk}" for pk in vanished | {one.pk for one in early}}
    assert others <= ledger
    assert not Delivery.objects.filter(campaign=campaign, state="queued").exists()
    assert not Delivery.objects.filter(customer__state="erased").exclude(address="").exists()
    assert broken_promises() == []
