"""What of letters nobody knows is shown to a marketer, also where nobody may be sent one any more."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.campaigns import plan_campaign
from campaigns.actions.letter_lease import LEASE
from campaigns.actions.letters import Turn
from campaigns.channels import direct_connector
from campaigns.enums import BatchState, CampaignState
from campaigns.models import Batch, Campaign, Delivery
from campaigns.tracking.receipts import note_receipts
from campaigns.tracking.tokens import TokenUse, maker
from connectors.base import Receipt, ReceiptKind
from contacts.models import Customer, HistoryEntry
from crm.actions.sweeping import do_what_is_due
from tests.builders import (
    make_campaign,
    make_content,
    make_customer,
    make_customers,
    make_staff,
    merge_customer,
)
from tests.gateways import Gateway

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("gateway")]


@pytest.fixture
def customers() -> list[Customer]:
    return list(make_customers(5, owner=make_staff("Lin")))


def left_by_a_dead_worker(**fields: Any) -> Campaign:
    """A campaign of letters under our keys, whose worker has died with them in its hands."""
    now = timezone.now()
    campaign = make_campaign(
        channel="webhook",
        content=make_content("Our coats are here"),
        state=CampaignState.SCHEDULED,
        send_at=now,
        **fields,
    )
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    assert next(turn._letters())
    assert expire_leases(now=now + LEASE * 3) == 1
    assert states(campaign) == {"unclear"}
    return campaign


def work() -> None:
    for _sweep in range(3):
        Batch.objects.filter(state=BatchState.WAITING).update(next_attempt_at=None)
        do_what_is_due(now=timezone.now())


def opt_out_by_a_press(campaign: Campaign, customer: Customer) -> None:
    way_out = f"/u/{maker(TokenUse.UNSUBSCRIBE, campaign.pk)(customer.pk)}"
    assert Client().post(way_out, {"do": "kind"}).status_code == 200


def states(campaign: Campaign) -> set[str]:
    return set(Delivery.objects.filter(campaign=campaign).values_list("state", flat=True))


def fate(campaign: Campaign, customer: Customer) -> tuple[str, str]:
    row = Delivery.objects.get(campaign=campaign, customer=customer)
    return row.state, row.reason


def test_who_opted_out_after_a_worker_died_is_given_up_and_nobody_has_to_decide(
    marketer: Client, customers: list[Customer], gateway: Gateway
) -> None:
    campaign = left_by_a_dead_worker()
    opt_out_by_a_press(campaign, customers[2])
    work()

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    assert fate(campaign, customers[2]) == ("failed", "unknown")
    assert len(gateway.taken) == 4
    page = marketer.get(f"/campaigns/{campaign.pk}/").text
    assert "nobody knows whether it arrived; opted out since" in page
    assert "is unclear" not in page
    entry = HistoryEntry.objects.get(action="campaign.written_off")
    assert (entry.actor, entry.data) == (None, {"recipients": 1})


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (ReceiptKind.DELIVERED, "delivered"),
        (ReceiptKind.OPENED, "read"),
        (ReceiptKind.BOUNCED, "failed"),
    ],
)
def test_what_is_heard_of_one_given_up_counts(
    customers: list[Customer], gateway: Gateway, kind: ReceiptKind, state: str
) -> None:
    campaign = left_by_a_dead_worker()
    opt_out_by_a_press(campaign, customers[2])
    work()

    key = f"liuke-{campaign.pk}-{customers[2].pk}"
    note_receipts("webhook", [Receipt(kind, key=key)], now=timezone.now())

    assert fate(campaign, customers[2])[0] == state
    assert fate(campaign, customers[2])[1] != "unknown"


def test_who_was_merged_after_a_worker_died_is_shown_and_written_off(
    marketer: Client, customers: list[Customer], gateway: Gateway
) -> None:
    campaign = left_by_a_dead_worker()
    merge_customer(customers[2], make_customer("Qian"))
    work()

    assert states(campaign) == {"sent", "unclear"}
    page = f"/campaigns/{campaign.pk}/"
    shown = marketer.get(page).text
    assert "1 batch is unclear" in shown
    assert "Write off" in shown
    marketer.post(page + "unclear/write-off/")

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    assert fate(campaign, customers[2]) == ("failed", "written_off")
    assert len(gateway.taken) == 4


def test_who_may_not_get_it_any_more_is_not_sent_again_and_not_called_skipped(
    marketer: Client, customers: list[Customer], gateway: Gateway
) -> None:
    campaign = left_by_a_dead_worker()
    merge_customer(customers[2], make_customer("Qian"))
    work()

    answer = marketer.post(f"/campaigns/{campaign.pk}/unclear/send-again/", follow=True)
    work()

    assert "None of them may get it any more" in answer.text
    assert fate(campaign, customers[2]) == ("unclear", "")
    assert Batch.objects.get().state == BatchState.UNCLEAR
    assert len(gateway.taken) == 4


def test_of_those_sent_again_only_who_may_get_it_does(
    marketer: Client, customers: list[Customer], gateway: Gateway
) -> None:
    campaign = left_by_a_dead_worker()
    Batch.objects.update(state=BatchState.UNCLEAR)
    merge_customer(customers[2], make_customer("Qian"))

    marketer.post(f"/campaigns/{campaign.pk}/unclear/send-again/")
    work()

    assert [fate(campaign, customer)[0] for customer in customers] == [
        "sent",
        "sent",
        "unclear",
        "sent",
        "sent",
    ]
    assert Batch.objects.get().state == BatchState.UNCLEAR
    assert "1 batch is unclear" in marketer.get(f"/campaigns/{campaign.pk}/").text


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_unclear_when_the_time_is_over_is_shown_and_written_off(
    marketer: Client, customers: list[Customer], gateway: Gateway, *, paused: bool
) -> None:
    campaign = left_by_a_dead_worker(send_until=timezone.now() + timedelta(hours=1))
    Campaign.objects.update(send_until=timezone.now() - timedelta(seconds=1))
    if paused:
        marketer.post(f"/campaigns/{campaign.pk}/pause/")
    work()

    page = f"/campaigns/{campaign.pk}/"
    shown = marketer.get(page).text
    assert states(campaign) == {"unclear"}
    assert "1 batch is unclear" in shown
    assert "unclear/write-off/" in shown
    assert "unclear/send-again/" not in shown
    refused = marketer.post(page + "unclear/send-again/", follow=True)
    assert "nothing can be sent again" in refused.text
    assert states(campaign) == {"unclear"}
    marketer.post(page + "unclear/write-off/")

    assert {fate(campaign, one) for one in customers} == {("failed", "written_off")}
    assert gateway.calls == []


def test_what_was_sent_again_in_time_goes(
    marketer: Client, customers: list[Customer], gateway: Gateway
) -> None:
    campaign = left_by_a_dead_worker(send_until=timezone.now() + timedelta(hours=1))
    Batch.objects.update(state=BatchState.UNCLEAR)

    marketer.post(f"/campaigns/{campaign.pk}/unclear/send-again/")
    work()

    assert {fate(campaign, one)[0] for one in customers} == {"sent"}
