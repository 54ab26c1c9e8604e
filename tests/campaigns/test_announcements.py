"""Telling the customers of a handover: once, at a good time of day, by their new owner."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from campaigns.actions.announcements import (
    SETTLED_AFTER,
    STALE_AFTER,
    announce_handover,
    good_time,
    handovers_to_announce,
)
from campaigns.actions.batches import claim_batch, parcel_of
from campaigns.actions.campaigns import plan_campaign
from campaigns.actions.pump import pump_campaign
from campaigns.audience import preview_announcement
from campaigns.enums import CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Campaign, Delivery
from contacts.actions.consent import opt_out
from contacts.enums import (
    FollowEnd,
    HandoverKind,
    HandoverState,
    ItemState,
    RequestState,
    StaffState,
)
from contacts.models import Follow, Handover, HandoverItem, HandoverRequest, HistoryEntry
from tests.builders import (
    NOON,
    make_campaign,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_segment,
    make_staff,
)
from tests.sandboxed import Shop, addresses_of, open_shop

pytestmark = pytest.mark.django_db

WORDS = "Hello, this is {guide} of {store}: I look after you now that {former_guide} has left."


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def handed(number=3, *, to=None, **fields):
    """A finished departure of Wei, whose customers are connected with their new owner."""
    owner = to or make_staff("Mei")
    customers = make_customers(number, owner=owner, followed=True)
    values = {"state": HandoverState.DONE, "customer_message": WORDS} | fields
    handover = make_handover(
        make_departed(),
        customers=customers,
        to_staff=owner,
        item_state=ItemState.ACCEPTED,
        **values,
    )
    return handover, customers


def told(handover, now=NOON):
    """Whom the announcement is for, once it is planned."""
    campaign = announce_handover(handover.pk, now=now)
    assert campaign
    assert campaign.send_at
    plan_campaign(campaign.pk, now=campaign.send_at)
    campaign.refresh_from_db()
    return campaign, set(
        Delivery.objects.filter(campaign=campaign, state=DeliveryState.QUEUED).values_list(
            "customer_id", flat=True
        )
    )


def test_new_owners_tell_their_customers_when_the_handover_is_done():
    handover, customers = handed()

    campaign, reached = told(handover)

    assert reached == {customer.pk for customer in customers}
    assert (campaign.handover, campaign.segment, campaign.content) == (handover, None, None)
    assert (campaign.state, campaign.text, campaign.recipients) == ("planned", WORDS, 3)
    handover.refresh_from_db()
    assert handover.announced_at == NOON
    entry = HistoryEntry.objects.get(action="handover.announced")
    assert entry.data == {"campaign": campaign.pk}


def test_the_words_name_the_new_and_the_former_guide():
    handover, _customers = handed()
    campaign, _reached = told(handover)

    batch = claim_batch(campaign.pk, now=NOON)
    assert batch
    parcel = parcel_of(batch)

    assert parcel.text == (
        "Hello, this is Mei of Nanjing Road: I look after you now that Wei has left."
    )
    assert parcel.sender == campaign.batches.get().sender.wecom_userid


def test_the_former_guide_has_no_place_in_other_campaigns():
    lin = make_staff("Lin")
    make_customers(1, owner=lin, followed=True)
    campaign = make_campaign(state=CampaignState.SCHEDULED)
    assert campaign.content
    campaign.content.text = "Coats, {guide} {former_guide}"
    campaign.content.save()
    plan_campaign(campaign.pk, now=NOON)

    batch = claim_batch(campaign.pk, now=NOON)
    assert batch
    assert parcel_of(batch).text == "Coats, Lin {former_guide}"


def test_a_second_call_tells_nobody_again():
    handover, _customers = handed()

    assert announce_handover(handover.pk, now=NOON)
    assert announce_handover(handover.pk, now=NOON) is None
    assert handovers_to_announce(NOON) == []
    assert Campaign.objects.count() == 1


def test_the_database_lets_a_handover_be_announced_once():
    handover, _customers = handed()
    announce_handover(handover.pk, now=NOON)

    with pytest.raises(IntegrityError), transaction.atomic():
        Campaign.objects.create(
            handover=handover, name="Again", text="Again", state_at=NOON, created_at=NOON
        )


@pytest.mark.django_db(transaction=True)
def test_two_workers_announce_a_handover_once():
    handover, _customers = handed()
    ready, made = Barrier(2), []

    def work():
        ready.wait(5)
        try:
            made.append(announce_handover(handover.pk, now=NOON))
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(campaign is None for campaign in made) == [False, True]
    assert Campaign.objects.count() == 1


@pytest.mark.parametrize("wrong", ["both", "neither", "no words"])
def test_a_campaign_has_a_segment_or_a_handover(refused_by, wrong):
    handover, _customers = handed()
    about = {
        "both": {"handover": handover, "segment": make_segment(), "text": "Hi"},
        "neither": {},
        "no words": {"handover": handover},
    }[wrong]

    with refused_by("campaign_one_audience"):
        Campaign.objects.create(name="Odd", state_at=NOON, created_at=NOON, **about)


def test_without_words_nothing_is_announced():
    handover, _customers = handed(customer_message="")

    assert handovers_to_announce(NOON) == []
    assert announce_handover(handover.pk, now=NOON) is None
    handover.refresh_from_db()
    assert handover.announced_at is None


@pytest.mark.parametrize(
    "fields",
    [
        {"state": HandoverState.PLANNED},
        {"state": HandoverState.RUNNING},
        {"state": HandoverState.CANCELLED},
        {"closed_at": NOON - STALE_AFTER - timedelta(minutes=1)},
    ],
    ids="planned running cancelled stale".split(),
)
def test_it_is_not_the_time(fields):
    handover, _customers = handed(**fields)

    assert handovers_to_announce(NOON) == []
    assert announce_handover(handover.pk, now=NOON) is None
    assert not Campaign.objects.exists()


def ask(handover, items, *, state=RequestState.MADE, as_leaver=True, made_at=NOON):
    request = HandoverRequest.objects.create(
        handover=handover, to_staff=items[0].to_staff, state=state, as_leaver=as_leaver,
        created_at=NOON, made_at=made_at,
    )  # fmt: skip
    for slot, item in enumerate(items):
        HandoverItem.objects.filter(pk=item.pk).update(request=request, slot=slot)


def test_a_running_handover_is_announced_when_the_last_request_has_had_its_day():
    handover, _customers = handed(state=HandoverState.RUNNING)
    first, second, _third = handover.items.order_by("pk")
    ask(handover, [first], made_at=NOON - timedelta(hours=3))
    ask(handover, [second])
    Handover.objects.filter(pk=handover.pk).update(customer_message=WORDS)

    day_over = NOON + SETTLED_AFTER
    assert handovers_to_announce(day_over - timedelta(minutes=1)) == []
    assert handovers_to_announce(day_over) == [handover.pk]
    HandoverRequest.objects.filter(items=second).update(state=RequestState.UNCLEAR)
    assert handovers_to_announce(day_over) == []


def test_whom_the_request_told_is_not_told_again():
    handover, customers = handed(kind=HandoverKind.LEAVE)
    ask(handover, [handover.items.get(customer=customers[0])], as_leaver=False)
    ask(handover, [handover.items.get(customer=customers[1])], as_leaver=True)

    assert told(handover)[1] == {customers[1].pk, customers[2].pk}


def test_only_those_are_told_who_are_with_their_new_owner():
    mei = make_staff("Mei")
    handover, customers = handed(7, to=mei)
    refused, undone, moved, parted, elsewhere, opted_out, left = customers
    items = handover.items
    items.filter(customer=refused).update(state=ItemState.REFUSED)
    items.filter(customer=undone).update(undone_at=NOON)
    lin = make_staff("Lin")
    items.filter(customer=moved).update(to_staff=lin)
    for customer in (parted, elsewhere):
        Follow.objects.filter(customer=customer).update(
            ended_at=NOON, end_reason=FollowEnd.REMOVED_BY_CUSTOMER
        )
    make_follow(lin, elsewhere)
    opt_out(opted_out, source="test", now=NOON)

    campaign, reached = told(handover)

    assert reached == {left.pk}
    skipped = Delivery.objects.get(campaign=campaign, state=DeliveryState.SKIPPED)
    assert (skipped.customer_id, skipped.reason) == (opted_out.pk, DeliveryReason.OPTED_OUT)
    assert preview_announcement(handover).reachable == 1


@pytest.mark.parametrize("state", [StaffState.SUSPENDED, StaffState.LEAVING])
def test_a_suspended_owner_tells_nobody(state):
    handover, _customers = handed(to=make_staff("Mei", state=state))

    campaign = announce_handover(handover.pk, now=NOON)

    assert (campaign is None) == (state == StaffState.SUSPENDED)
    handover.refresh_from_db()
    assert handover.announced_at == NOON


def at(day, hour, minute=0):
    return datetime(2026, 3, day, hour, minute, tzinfo=NOON.tzinfo)


@pytest.mark.parametrize(
    ("now", "when"),
    [
        (at(2, 9, 59), at(2, 10)),
        (at(2, 10), at(2, 10)),
        (at(2, 19, 59), at(2, 19, 59)),
        (at(2, 20), at(3, 10)),
        (at(2, 0, 5), at(2, 10)),
        (at(2, 23, 30), at(3, 10)),
    ],
    ids=lambda moment: f"{moment:%d-%H%M}",
)
def test_nobody_is_written_to_at_night(now, when):
    assert good_time(now) == when
    assert good_time(now.astimezone(timezone.get_fixed_timezone(0))) == when


def test_what_is_done_at_night_is_told_in_the_morning():
    handover, customers = handed(closed_at=at(2, 22))

    campaign = announce_handover(handover.pk, now=at(2, 22))

    assert campaign
    assert (campaign.state, campaign.send_at) == (CampaignState.SCHEDULED, at(3, 10))
    assert plan_campaign(campaign.pk, now=at(3, 9, 59)) is False
    opt_out(customers[0], source="test", now=at(3, 9))
    assert plan_campaign(campaign.pk, now=at(3, 10)) is True
    campaign.refresh_from_db()
    assert (campaign.recipients, campaign.skipped) == (2, 1)


def test_an_announcement_goes_out_in_batches_of_the_new_owners(shop: Shop):
    mei = make_staff("Mei")
    handover, customers = handed(210, to=mei, closed_at=timezone.now())
    shop.open(mei)
    campaign, _reached = told(handover, now=timezone.now())

    pump_campaign(campaign.pk)

    assert sorted(campaign.batches.values_list("size", flat=True)) == [10, 200]
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    assert shop.violations() == []
