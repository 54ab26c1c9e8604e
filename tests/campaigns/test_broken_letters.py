"""Letters that cannot be written, or that break their channel, fail alone and hold up nobody."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.campaigns import advance_campaign
from campaigns.actions.letter_lease import LEASE
from campaigns.actions.letters import Turn
from campaigns.actions.pump import pump_campaign
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from campaigns.queries import campaign_progress
from connectors.base import Answer, DirectConnector, Letter, Outcome
from connectors.echo import EchoConnector
from contacts.models import Customer
from tests.builders import make_customers, make_staff
from tests.campaigns.planning import planned
from tests.gateways import Gateway

pytestmark = pytest.mark.django_db


def plan(channel: str = "webhook") -> Campaign:
    return planned("Dear {customer|friend}, {guide}", channel=channel)


def people(number: int) -> list[Customer]:
    return list(make_customers(number, owner=make_staff("Lin")))


def states(campaign: Campaign) -> dict[str, int]:
    return {state.value: n for state, n in campaign_progress(campaign).states.items()}


def is_done(campaign: Campaign) -> bool:
    campaign.refresh_from_db()
    return campaign.state == CampaignState.DONE


def test_an_answer_that_makes_no_sense_holds_up_nobody(gateway: Gateway, settings: Any) -> None:
    settings.CAMPAIGN_WEBHOOK_PER_CALL = 200
    odd = people(250)[7].pk
    gateway.answer = lambda called: {
        "results": [
            {"key": row["key"], "outcome": ["taken"] if row["to"] == str(odd) else "taken"}
            for row in called["messages"]
        ]
    }

    campaign = plan()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 250}
    assert is_done(campaign)


class Breaking(EchoConnector):
    """A channel that breaks down over some letters, with others under way."""

    def __init__(self, *poison: Customer) -> None:
        self.poison = {str(customer.pk) for customer in poison}
        self.keys: Counter[str] = Counter()

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        under_way: list[Letter] = []
        for letter in letters:
            if letter is None:
                continue
            self.keys[letter.key] += 1
            under_way.append(letter)
            if letter.address in self.poison:
                raise KeyError(letter.address)
            if len(under_way) > 20:
                yield taken(under_way.pop(0))
        yield from map(taken, under_way)


def taken(letter: Letter) -> Answer:
    return Answer(letter.key, Outcome.TAKEN, reference=letter.key)


def turn_of(campaign: Campaign, connector: DirectConnector) -> None:
    Turn(campaign, connector, end=time.monotonic() + 60).run()
    advance_campaign(campaign.pk, now=timezone.now())


def test_letters_that_break_the_channel_fail_alone_and_hold_up_nobody() -> None:
    customers = people(450)
    poison = [customers[0], customers[30], customers[449]]
    campaign, channel = plan("echo"), Breaking(*poison)

    turn_of(campaign, channel)

    assert states(campaign) == {"sent": 447, "failed": 3}
    failed = Delivery.objects.filter(campaign=campaign, state="failed")
    assert set(failed.values_list("customer", "reason")) == {
        (customer.pk, DeliveryReason.CHANNEL_ERROR) for customer in poison
    }
    assert set(Batch.objects.values_list("state", flat=True)) == {BatchState.DONE}
    assert is_done(campaign)
    assert campaign_progress(campaign).reasons == [
        (DeliveryState.FAILED, DeliveryReason.CHANNEL_ERROR, 3)
    ]
    assert len(channel.keys) == 450


def test_a_channel_that_every_letter_breaks_fails_nobody_at_once() -> None:
    customers = people(5)
    campaign = plan("echo")

    with pytest.raises(KeyError):
        turn_of(campaign, Breaking(*customers))

    assert states(campaign) == {"queued": 5}
    expire_leases(now=timezone.now() + 2 * LEASE)
    turn_of(campaign, Breaking())
    assert states(campaign) == {"sent": 5}


def test_letters_that_cannot_be_written_fail_with_a_reason_and_hold_up_nobody(
    gateway: Gateway,
) -> None:
    people(450)
    campaign = plan()
    odd = Batch.objects.filter(campaign=campaign).order_by("pk")[0]
    Batch.objects.filter(pk=odd.pk).update(variant=3)  # there is no such wording

    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 450 - odd.size, "failed": odd.size}
    failed = Delivery.objects.filter(campaign=campaign, state="failed")
    assert set(failed.values_list("batch", "reason")) == {(odd.pk, DeliveryReason.CHANNEL_ERROR)}
    assert is_done(campaign)
