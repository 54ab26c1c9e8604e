"""Batches of letters whose workers die again and again: none is lost, and none takes others along."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from time_machine import Traveller

from campaigns.actions.batches import expire_leases
from campaigns.actions.letter_lease import LEASE, LONG_LEASE, MOST_ATTEMPTS
from campaigns.actions.letters import Turn
from campaigns.actions.pump import pump_campaign
from campaigns.actions.unclear import write_off
from campaigns.actions.wordings import Wording
from campaigns.channels import direct_connector
from campaigns.enums import BatchState, CampaignState
from campaigns.models import Batch, Campaign, Delivery
from connectors.base import Answer, Outcome
from contacts.enums import IdentityKind
from tests.builders import make_customers, make_identity, make_staff
from tests.campaigns.planning import planned
from tests.gateways import Gateway, MailServer

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def people(number: int) -> None:
    for place, customer in enumerate(make_customers(number, owner=make_staff("Lin"))):
        make_identity(customer, f"p{place}@example.com", kind=IdentityKind.EMAIL)


def turn_of(campaign: Campaign) -> Turn:
    return Turn(campaign, direct_connector(campaign.channel), end=float("inf"))


def live_for(campaign: Campaign, letters: int) -> None:
    """A worker that draws so many letters, hears of them, and is killed."""
    turn = turn_of(campaign)
    drawn = turn._letters()
    for _letter in range(letters):
        if letter := next(drawn, None):
            turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()


def die_after_the_claim(campaign: Campaign) -> None:
    turn_of(campaign)._claim()


def sweep_later(clock: Traveller, seconds: float) -> None:
    clock.shift(seconds)
    expire_leases(now=timezone.now())


def states(campaign: Campaign) -> dict[str, int]:
    rows = Delivery.objects.filter(campaign=campaign).values_list("state", flat=True)
    return {state: list(rows).count(state) for state in set(rows)}


def finish(campaign: Campaign) -> None:
    """Workers live from now on."""
    Batch.objects.filter(campaign=campaign, state="waiting").update(next_attempt_at=None)
    pump_campaign(campaign.pk)
    campaign.refresh_from_db()


@pytest.mark.parametrize("seconds", [0.5, 11])
def test_a_batch_comes_through_after_many_killed_workers(gateway: Gateway, seconds: float) -> None:
    people(30)
    campaign = planned("Dear {customer}", channel="webhook")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _kill in range(120):
            die_after_the_claim(campaign)
            sweep_later(clock, seconds)
        sweep_later(clock, 2 * LEASE.total_seconds())
    finish(campaign)

    assert states(campaign) == {"sent": 30}
    assert campaign.state == CampaignState.DONE
    assert not gateway.repeats


def test_a_batch_of_mails_comes_through_after_an_hour_of_killed_workers(mails: MailServer) -> None:
    people(30)
    campaign = planned("Dear {customer}", channel="email", wording=Wording(subject="Spring"))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _kill in range(60):
            die_after_the_claim(campaign)
            sweep_later(clock, LONG_LEASE.total_seconds() + 1)
    finish(campaign)

    assert states(campaign) == {"sent": 30}
    assert len(mails.mails) == 30


def test_as_long_as_letters_go_out_nothing_is_given_up(gateway: Gateway) -> None:
    people(100)
    campaign = planned("Dear {customer}", channel="webhook")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for kill in range(1, 2 * MOST_ATTEMPTS + 1):
            live_for(campaign, 1)
            assert states(campaign)["sent"] == kill
            sweep_later(clock, LEASE.total_seconds() + 1)
            batch = Batch.objects.get()
            assert (batch.state, batch.next_attempt_at) == (BatchState.WAITING, None)
    finish(campaign)

    assert states(campaign) == {"sent": 100}


def test_a_batch_that_kills_every_worker_is_given_up_alone(gateway: Gateway) -> None:
    people(450)
    campaign = planned("Dear {customer}", channel="webhook")
    bad = Batch.objects.order_by("pk")[0].pk
    with time_machine.travel(timezone.now(), tick=False) as clock:
        began = timezone.now()
        while Batch.objects.filter(state__in=["waiting", "sending"]).exists():
            assert timezone.now() - began < timedelta(days=1)
            live_until(campaign, bad)
            sweep_later(clock, LEASE.total_seconds() + 1)
        took = timezone.now() - began

    assert took > timedelta(hours=1)
    assert Batch.objects.get(pk=bad).state == BatchState.UNCLEAR
    assert Batch.objects.get(pk=bad).error == "Given up after too many attempts."
    assert set(Batch.objects.exclude(pk=bad).values_list("state", flat=True)) == {BatchState.DONE}
    assert states(campaign) == {"sent": 250, "unclear": 200}
    assert write_off(campaign, actor=None, now=timezone.now()) == 200


def live_until(campaign: Campaign, bad: int) -> None:
    """A worker that dies of the first letter of one batch."""
    turn = turn_of(campaign)
    for letter in turn._letters():
        if letter is None:
            continue
        if turn._drawn[letter.key][0] == bad:
            return
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()
