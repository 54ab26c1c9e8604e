"""The delivery engine against the sandbox: over HTTP, batch by batch, with faults."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.batches import (
    claim_batch,
    expire_leases,
    look_up_batch,
    parcel_of,
    send_batch,
)
from campaigns.actions.due import batches_to_check, campaigns_to_send
from campaigns.actions.parts import LEASE, LOOK_EVERY
from campaigns.actions.pump import pump_campaign
from campaigns.actions.results import check_batch
from campaigns.actions.unclear import check_unclear
from campaigns.channels import connector_for
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, Segment
from campaigns.queries import campaign_progress
from contacts.actions.consent import opt_out
from contacts.enums import FindingKind, FindingState, FollowEnd
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Finding, Follow, HistoryEntry, Staff
from crm.actions.departures import let_go
from tests.builders import (
    make_content,
    make_customers,
    make_finding,
    make_follow,
    make_segment,
    make_staff,
)
from tests.sandboxed import Shop, address_of, addresses_of, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def plan(text: str = "Spring coats are here, says {guide}.") -> Campaign:
    now = timezone.now()
    campaign = act.create_campaign(
        name="Spring", content=make_content(text), segment=make_segment(), actor=None, now=now
    )
    act.schedule_campaign(campaign, send_at=now, actor=None, now=now)
    act.plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def states_of(campaign: Campaign) -> dict[DeliveryState, int]:
    return campaign_progress(campaign).states


def check_all(campaign: Campaign) -> None:
    later = timezone.now() + timedelta(minutes=5)
    for batch in Batch.objects.filter(campaign=campaign, state=BatchState.HANDED):
        check_batch(batch.pk, now=later)


def test_each_sender_gets_batches_of_at_most_200(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(450, owner=lin, followed=True)
    make_customers(30, owner=mei, followed=True)

    campaign = plan()

    sizes = Batch.objects.filter(campaign=campaign).order_by("seq").values_list("sender", "size")
    assert sorted(sizes) == sorted([(lin.pk, 200), (lin.pk, 200), (lin.pk, 50), (mei.pk, 30)])
    assert (campaign.recipients, campaign.skipped, campaign.state) == (480, 0, "planned")


@pytest.mark.parametrize("kind", [FindingKind.STAFF_GONE, FindingKind.UNREADABLE])
def test_a_colleague_whom_wecom_does_not_list_sends_nothing_until_it_is_dismissed(
    shop: Shop, kind: FindingKind
) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    only, both = make_customers(2, owner=lin, followed=True)
    make_follow(mei, both)
    finding = make_finding(kind, staff=lin)

    without, reasons = senders_of(plan()), campaign_progress(plan()).reasons
    Finding.objects.filter(pk=finding.pk).update(state=FindingState.DISMISSED)

    assert without == {both.pk: mei.pk, only.pk: None}
    assert [(reason, n) for _state, reason, n in reasons if reason] == [
        (DeliveryReason.NO_SENDER, 1)
    ]
    assert senders_of(plan()) == {both.pk: lin.pk, only.pk: lin.pk}


def senders_of(campaign: Campaign) -> dict[int, int | None]:
    rows = Delivery.objects.filter(campaign=campaign)
    return dict(rows.values_list("customer", "batch__sender"))


def test_those_who_may_not_get_it_are_kept_with_the_reason(shop: Shop) -> None:
    lin = make_staff("Lin")
    followed = make_customers(5, owner=lin, followed=True)
    make_customers(2, owner=lin)
    opt_out(followed[0], source="test", now=timezone.now())
    Follow.objects.filter(customer=followed[1]).update(
        ended_at=timezone.now(), end_reason=FollowEnd.REMOVED_BY_CUSTOMER
    )

    progress = campaign_progress(plan())

    assert progress.states == {DeliveryState.QUEUED: 3, DeliveryState.SKIPPED: 4}
    assert {(reason, n) for _state, reason, n in progress.reasons} == {
        (DeliveryReason.OPTED_OUT, 1),
        (DeliveryReason.NO_SENDER, 1),
        (DeliveryReason.NO_ADDRESS, 2),
    }


def test_a_campaign_goes_out_is_confirmed_and_its_results_come_back(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(250, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()

    assert pump_campaign(campaign.pk) is False
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING
    assert states_of(campaign) == {DeliveryState.HANDED: 250}
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)

    shop.control.advance(300)
    shop.control.confirm()
    check_all(campaign)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    assert states_of(campaign) == {DeliveryState.SENT: 250}
    assert shop.violations() == []


def test_a_batch_nobody_confirmed_stays_with_the_channel(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    pump_campaign(campaign.pk)
    shop.control.advance(300)

    check_all(campaign)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING
    assert states_of(campaign) == {DeliveryState.HANDED: 3}


def test_an_opt_out_after_planning_is_honoured_at_the_moment_of_sending(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    opt_out(customers[1], source="reply", now=timezone.now())

    pump_campaign(campaign.pk)

    assert shop.reached() == dict.fromkeys(addresses_of([customers[0], customers[2]]), 1)
    skipped = Delivery.objects.get(campaign=campaign, state=DeliveryState.SKIPPED)
    assert (skipped.customer_id, skipped.reason) == (customers[1].pk, DeliveryReason.OPTED_OUT)


def test_nothing_goes_out_in_the_name_of_somebody_who_left_after_planning(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    Staff.objects.filter(pk=lin.pk).update(state="suspended")

    pump_campaign(campaign.pk)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    assert shop.reached() == {}
    assert states_of(campaign) == {DeliveryState.SKIPPED: 3}


def test_a_lost_answer_is_looked_up_and_never_sent_again(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(250, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 1}])

    pump_campaign(campaign.pk)

    unclear = Batch.objects.get(campaign=campaign, state=BatchState.UNCLEAR)
    assert states_of(campaign)[DeliveryState.UNCLEAR] == unclear.size
    shop.control.advance(300)
    assert look_up_batch(unclear.pk, now=timezone.now() + LOOK_EVERY) is True
    assert states_of(campaign) == {DeliveryState.HANDED: 250}
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    references = Batch.objects.filter(campaign=campaign).values_list("reference", flat=True)
    assert len(set(references)) == 2
    assert shop.violations() == []


def test_what_the_channel_never_got_is_sent_after_two_looks(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch
    assert claim_batch(campaign.pk, now=timezone.now()) is None

    died = timezone.now() + LEASE + timedelta(seconds=1)
    assert expire_leases(now=died) == 1
    assert look_up_batch(batch.pk, now=died + LOOK_EVERY) is True
    assert look_up_batch(batch.pk, now=died + LOOK_EVERY) is False
    assert look_up_batch(batch.pk, now=died + 2 * LOOK_EVERY) is True
    pump_campaign(campaign.pk)

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    assert states_of(campaign) == {DeliveryState.HANDED: 3}


def test_what_is_unclear_for_longer_than_wecom_lists_is_still_looked_up(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 1}])
    pump_campaign(campaign.pk)
    shop.control.advance(300)

    look_up_batch(Batch.objects.get().pk, now=timezone.now() + timedelta(days=40))

    assert states_of(campaign) == {DeliveryState.HANDED: 3}
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)


def test_asking_early_does_not_hasten_that_it_is_sent_again(shop: Shop) -> None:
    """WeCom may be slow and still take it: only looks minutes apart say that it has nothing."""
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)

    for _time in range(2):
        check_unclear(campaign, actor=None, now=died)
        look_up_batch(batch.pk, now=died)
    assert states_of(campaign) == {DeliveryState.UNCLEAR: 3}

    for look in (1, 2):
        look_up_batch(batch.pk, now=died + look * LOOK_EVERY)
    pump_campaign(campaign.pk)
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)


def test_what_the_channel_never_got_is_sent_although_the_others_wait_for_staff(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    customers = [*make_customers(3, owner=lin, followed=True)]
    customers += make_customers(3, owner=mei, followed=True)
    shop.open(lin, mei)
    campaign = plan()
    dying = claim_batch(campaign.pk, now=timezone.now())
    assert dying
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)
    pump_campaign(campaign.pk)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING
    shop.control.advance(90)

    for look in (1, 2):
        look_up_batch(dying.pk, now=died + look * LOOK_EVERY)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING
    pump_campaign(campaign.pk)

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    asleep = claim_batch(campaign.pk, now=timezone.now())
    assert asleep
    expire_leases(now=timezone.now() + LEASE + timedelta(seconds=1))

    send_batch(asleep, now=timezone.now())

    asleep.refresh_from_db()
    assert asleep.state == BatchState.UNCLEAR


def test_a_busy_channel_gets_the_batch_later_and_once(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    shop.control.faults(
        fail=[{"path": "externalcontact/add_msg_template", "errcode": 45033, "times": 1}]
    )
    pump_campaign(campaign.pk)
    batch = Batch.objects.get(campaign=campaign)
    assert (batch.state, batch.attempts) == (BatchState.WAITING, 0)
    assert batch.next_attempt_at
    assert batch.next_attempt_at > timezone.now()

    again = claim_batch(campaign.pk, now=batch.next_attempt_at + timedelta(seconds=1))
    assert again
    send_batch(again, now=timezone.now())

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)


def test_people_whom_the_channel_will_not_reach_are_named(shop: Shop) -> None:
    lin = make_staff("Lin")
    known = make_customers(2, owner=lin, followed=True)
    shop.open(lin)
    stranger = make_customers(1, owner=lin, followed=True)[0]
    campaign = plan()

    pump_campaign(campaign.pk)

    failed = Delivery.objects.get(campaign=campaign, state=DeliveryState.FAILED)
    assert (failed.customer_id, failed.reason) == (stranger.pk, DeliveryReason.INVALID)
    assert shop.reached() == dict.fromkeys(addresses_of(known), 1)


def test_words_too_long_for_one_sender_hold_up_nobody_else(shop: Shop) -> None:
    wordy, mei = make_staff("L" * 40), make_staff("Mei")
    theirs = make_customers(2, owner=wordy, followed=True)
    others = make_customers(250, owner=mei, followed=True)
    shop.open(wordy)
    shop.open(mei)
    campaign = plan("x" * 3_985 + "{guide}")

    assert not pump_campaign(campaign.pk)

    failed = Delivery.objects.filter(campaign=campaign, state=DeliveryState.FAILED)
    assert set(failed.values_list("customer", "reason")) == {
        (customer.pk, DeliveryReason.CHANNEL_ERROR) for customer in theirs
    }
    refused = Batch.objects.get(campaign=campaign, state=BatchState.REFUSED)
    assert (refused.sender, refused.attempts) == (wordy, 1)
    assert "4000" in refused.error.replace(",", "")
    assert shop.reached() == dict.fromkeys(addresses_of(others), 1)


def test_a_message_that_cannot_be_written_fails_with_a_reason_and_holds_up_nobody(
    shop: Shop,
) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    theirs = make_customers(2, owner=lin, followed=True)
    others = make_customers(250, owner=mei, followed=True)
    shop.open(lin)
    shop.open(mei)
    campaign = plan()
    odd = Batch.objects.get(campaign=campaign, sender=lin)
    Batch.objects.filter(pk=odd.pk).update(variant=3)  # there is no such wording

    assert not pump_campaign(campaign.pk)

    odd.refresh_from_db()
    assert odd.state == BatchState.REFUSED
    assert "could not be written" in odd.error
    failed = Delivery.objects.filter(campaign=campaign, state=DeliveryState.FAILED)
    assert set(failed.values_list("customer", "reason")) == {
        (customer.pk, DeliveryReason.CHANNEL_ERROR) for customer in theirs
    }
    assert shop.reached() == dict.fromkeys(addresses_of(others), 1)


def test_a_paused_campaign_makes_no_call_and_goes_on_where_it_was(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    act.pause_campaign(campaign, actor=None, now=timezone.now())

    pump_campaign(campaign.pk)
    assert shop.reached() == {}

    act.resume_campaign(campaign, actor=None, now=timezone.now())
    pump_campaign(campaign.pk)
    assert len(shop.reached()) == 3


def half_sent(shop: Shop) -> Campaign:
    """A campaign whose first batch is at the channel and whose second still waits."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(3, owner=lin, followed=True)
    make_customers(2, owner=mei, followed=True)
    shop.open(lin, mei)
    campaign = plan()
    first = claim_batch(campaign.pk, now=timezone.now())
    assert first
    send_batch(first, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def test_cancelling_withdraws_what_nobody_confirmed(shop: Shop) -> None:
    campaign = half_sent(shop)

    act.cancel_campaign(campaign, actor=None, now=timezone.now())
    shop.control.advance(300)
    check_all(campaign)
    pump_campaign(campaign.pk)
    shop.control.confirm()

    assert states_of(campaign) == {DeliveryState.CANCELLED: 5}
    assert {message["cancelled"] for message in shop.control.rows("messages")} == {True}
    assert shop.control.rows("deliveries") == []


def test_who_got_it_before_it_was_cancelled_is_not_called_cancelled(shop: Shop) -> None:
    campaign = half_sent(shop)
    shop.control.advance(300)
    shop.control.confirm()

    act.cancel_campaign(campaign, actor=None, now=timezone.now())
    check_all(campaign)

    reached = len(shop.reached())
    assert states_of(campaign) == {
        DeliveryState.SENT: reached,
        DeliveryState.CANCELLED: 5 - reached,
    }


def test_whom_wecom_is_still_sending_to_is_followed_although_it_was_cancelled(shop: Shop) -> None:
    """Withdrawing stops only what is not confirmed: the others get it."""
    campaign = half_sent(shop)
    shop.control.advance(300)
    shop.control.faults(sending_takes=600)
    shop.control.confirm()

    act.cancel_campaign(campaign, actor=None, now=timezone.now())
    check_all(campaign)
    reached = len(shop.reached())
    assert states_of(campaign) == {
        DeliveryState.HANDED: reached,
        DeliveryState.CANCELLED: 5 - reached,
    }
    shop.control.advance(900)
    for batch in Batch.objects.filter(campaign=campaign, state=BatchState.HANDED):
        check_batch(batch.pk, now=timezone.now() + timedelta(hours=1))

    assert states_of(campaign) == {
        DeliveryState.SENT: reached,
        DeliveryState.CANCELLED: 5 - reached,
    }


def test_who_got_it_is_known_although_wecom_forgets_what_was_cancelled(shop: Shop) -> None:
    campaign = half_sent(shop)
    shop.control.advance(300)
    shop.control.confirm()
    shop.control.faults(forget_cancelled=1)

    act.cancel_campaign(campaign, actor=None, now=timezone.now())
    check_all(campaign)

    reached = len(shop.reached())
    assert states_of(campaign) == {
        DeliveryState.SENT: reached,
        DeliveryState.CANCELLED: 5 - reached,
    }


def at_staff(shop: Shop, **fields: Any) -> Campaign:
    """A campaign that Lin and Mei have to confirm, five minutes ago by now."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(3, owner=lin, followed=True)
    make_customers(2, owner=mei, followed=True)
    shop.open(lin, mei)
    campaign = plan()
    Campaign.objects.filter(pk=campaign.pk).update(**fields)
    pump_campaign(campaign.pk)
    shop.control.advance(300)
    return campaign


def why_not(campaign: Campaign) -> Counter[tuple[str, str]]:
    """How many recipients ended in which state, and why."""
    rows = Delivery.objects.filter(campaign=campaign)
    return Counter(rows.values_list("state", "reason"))


def test_what_staff_have_not_confirmed_in_time_is_withdrawn(shop: Shop) -> None:
    """Nobody gets it after the time until which it may be sent; who confirmed it is followed."""
    soon = timezone.now() + timedelta(minutes=4)
    campaign = at_staff(shop, send_until=soon)
    shop.control.confirm(userid=Staff.objects.get(name="Mei").wecom_userid or "")
    for batch in Batch.objects.filter(campaign=campaign):
        assert check_batch(batch.pk, now=soon - timedelta(minutes=1))
    assert why_not(campaign) == {("sent", ""): 2, ("handed", ""): 3}
    assert batches_to_check(soon)

    check_all(campaign)
    shop.control.confirm()

    assert why_not(campaign) == {("sent", ""): 2, ("cancelled", "missed"): 3}
    assert len(shop.control.rows("deliveries")) == 2
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE


def test_what_somebody_who_departs_has_not_confirmed_is_withdrawn(shop: Shop) -> None:
    campaign = at_staff(shop)
    lin = Staff.objects.get(name="Lin")

    let_go(lin.pk, actor=None, now=timezone.now(), source="test")
    for batch_id in batches_to_check(timezone.now()):
        check_batch(batch_id, now=timezone.now() + timedelta(minutes=5))
    shop.control.confirm()
    check_all(campaign)

    assert why_not(campaign) == {("cancelled", "sender_left"): 3, ("sent", ""): 2}
    assert len(shop.control.rows("deliveries")) == 2


def test_what_somebody_confirmed_before_they_departed_is_followed(shop: Shop) -> None:
    campaign = at_staff(shop)
    shop.control.confirm()

    let_go(Staff.objects.get(name="Lin").pk, actor=None, now=timezone.now(), source="test")
    check_all(campaign)

    assert why_not(campaign) == {("sent", ""): 5}
    assert {message["cancelled"] for message in shop.control.rows("messages")} == {False}


def test_a_batch_in_a_call_while_its_campaign_is_cancelled_is_withdrawn(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch
    campaign.refresh_from_db()
    act.cancel_campaign(campaign, actor=None, now=timezone.now())

    send_batch(batch, now=timezone.now())
    shop.control.advance(300)
    check_all(campaign)

    assert states_of(campaign) == {DeliveryState.CANCELLED: 3}


def test_a_busy_channel_does_not_bring_a_cancelled_campaign_back(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch
    campaign.refresh_from_db()
    act.cancel_campaign(campaign, actor=None, now=timezone.now())
    shop.control.faults(
        fail=[{"path": "externalcontact/add_msg_template", "errcode": 45033, "times": 1}]
    )

    send_batch(batch, now=timezone.now())

    batch.refresh_from_db()
    assert batch.state == BatchState.CANCELLED
    assert states_of(campaign) == {DeliveryState.CANCELLED: 3}


def test_a_batch_that_must_be_sent_again_is_found_though_the_campaign_waits(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.WAITING)

    assert campaigns_to_send(timezone.now()) == [campaign.pk]
    pump_campaign(campaign.pk)

    assert states_of(campaign) == {DeliveryState.HANDED: 3}


def test_a_colleagues_message_of_the_same_words_is_not_mistaken_for_ours(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=lin, followed=True)
    make_customers(2, owner=mei, followed=True)
    shop.open(lin, mei)
    campaign = plan("Spring coats are here.")
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 2}])
    pump_campaign(campaign.pk)
    shop.control.advance(300)

    for batch in Batch.objects.filter(campaign=campaign):
        look_up_batch(batch.pk, now=timezone.now() + LOOK_EVERY)

    assert states_of(campaign) == {DeliveryState.HANDED: 4}
    references = Batch.objects.filter(campaign=campaign).values_list("reference", flat=True)
    assert len(set(references)) == 2


def test_the_same_words_to_a_few_of_them_are_not_mistaken_for_ours(shop: Shop) -> None:
    """Somebody wrote them in WeCom's console: all others would count as refused."""
    lin = make_staff("Lin")
    customers = make_customers(5, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan("Spring coats are here.")
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)
    connector_for("wecom").send(
        replace(parcel_of(batch), key="by hand", addresses=[address_of(customers[0])])
    )
    shop.control.advance(90)

    for look in (1, 2, 3):
        look_up_batch(batch.pk, now=died + look * LOOK_EVERY)

    assert states_of(campaign) == {DeliveryState.UNCLEAR: 5}
    assert "only a few" in Batch.objects.get().error


def test_two_lost_answers_of_the_same_words_to_the_same_people_find_one_message_each(
    shop: Shop,
) -> None:
    lin = make_staff("Lin")
    make_customers(2, owner=lin, followed=True)
    shop.open(lin)
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 2}])
    campaigns = [plan("Spring coats are here."), plan("Spring coats are here.")]
    for campaign in campaigns:
        pump_campaign(campaign.pk)
    shop.control.advance(300)
    first, second = Batch.objects.order_by("pk")

    look_up_batch(first.pk, now=timezone.now() + LOOK_EVERY)
    look_up_batch(second.pk, now=timezone.now() + LOOK_EVERY)

    assert [states_of(campaign) for campaign in campaigns] == [{DeliveryState.HANDED: 2}] * 2
    assert len(set(Batch.objects.values_list("reference", flat=True))) == 2


def test_a_segment_that_cannot_be_run_makes_the_campaign_a_draft_again(shop: Shop) -> None:
    now = timezone.now()
    segment = make_segment()
    campaign = act.create_campaign(
        name="Spring", content=make_content(), segment=segment, actor=None, now=now
    )
    act.schedule_campaign(campaign, send_at=now, actor=None, now=now)
    Segment.objects.filter(pk=segment.pk).update(rule={"all": [{"field": "gone"}]})

    act.plan_campaign(campaign.pk, now=timezone.now())

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DRAFT
    assert HistoryEntry.objects.filter(action="campaign.not_planned").exists()


def test_a_fourth_reminder_in_a_day_is_refused_before_the_call(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(1, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    pump_campaign(campaign.pk)
    now = timezone.now()
    for _time in range(3):
        assert act.remind_campaign(campaign, actor=None, now=now) == 1

    with pytest.raises(RuleBroken, match="three times in 24 hours"):
        act.remind_campaign(campaign, actor=None, now=now)

    assert shop.violations() == []


def test_a_stale_copy_of_the_campaign_loses(shop: Shop) -> None:
    make_customers(1, owner=make_staff("Lin"), followed=True)
    campaign = plan()
    stale = Campaign.objects.get(pk=campaign.pk)
    act.pause_campaign(campaign, actor=None, now=timezone.now())

    with pytest.raises(MovedOn):
        act.pause_campaign(stale, actor=None, now=timezone.now())

    assert campaign.state == CampaignState.PAUSED


def test_a_campaign_that_reaches_nobody_is_done_at_once(shop: Shop) -> None:
    make_customers(2, owner=make_staff("Lin"))

    campaign = plan()

    assert (campaign.state, campaign.recipients, campaign.skipped) == (CampaignState.DONE, 0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("字" * 1334, "4002 bytes"),
        ("Dear {customer}", "customer"),
    ],
)
def test_words_that_cannot_be_sent_are_refused(shop: Shop, text: str, message: str) -> None:
    with pytest.raises(RuleBroken, match=message):
        act.create_campaign(
            name="Spring",
            content=make_content(text),
            segment=make_segment(),
            actor=None,
            now=timezone.now(),
        )

    assert not Campaign.objects.exists()


def test_a_lost_answer_is_not_sent_again_when_the_words_have_changed_since(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 1}])
    pump_campaign(campaign.pk)
    Staff.objects.filter(pk=lin.pk).update(name="Lin Yue")
    batch = Batch.objects.get()
    shop.control.advance(300)

    for look in (1, 2, 3):
        look_up_batch(batch.pk, now=timezone.now() + look * LOOK_EVERY)
    pump_campaign(campaign.pk)

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    assert states_of(campaign) == {DeliveryState.UNCLEAR: 3}
    assert "other words" in Batch.objects.get().error


def test_a_campaign_that_repeats_another_is_not_taken_for_it(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    first = plan()
    pump_campaign(first.pk)
    handed_at = timezone.now() - timedelta(minutes=3)
    Batch.objects.filter(campaign=first).update(handed_at=handed_at)
    again = plan()
    batch = claim_batch(again.pk, now=timezone.now())
    assert batch
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)
    shop.control.advance(90)

    for look in (1, 2):
        look_up_batch(batch.pk, now=died + look * LOOK_EVERY)
    pump_campaign(again.pk)

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 2)
    assert states_of(again) == {DeliveryState.HANDED: 3}
