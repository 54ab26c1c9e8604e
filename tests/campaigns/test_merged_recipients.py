"""A person with two records gets a campaign exactly once, whenever the records are merged."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.batches import expire_leases
from campaigns.actions.campaigns import create_campaign, plan_campaign, schedule_campaign
from campaigns.actions.pump import pump_campaign
from campaigns.actions.wordings import Wording
from campaigns.eligibility import skip_those_who_may_not
from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, SegmentMember
from campaigns.restraint import restraint_on
from contacts.actions.consent import opt_out
from contacts.enums import IdentityKind
from contacts.errors import RuleBroken
from contacts.models import Customer, Merge
from crm.actions.merges import merge_customers, undo_merge
from crm.invariants import check_rules
from tests.builders import (
    make_content,
    make_customers,
    make_follow,
    make_identity,
    make_segment,
    make_staff,
)
from tests.gateways import Gateway, MailServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def three() -> list[Customer]:
    return make_customers(3, owner=make_staff("Lin"))


@pytest.fixture(autouse=True)
def _whatever_happens_the_promises_hold(db: None) -> Iterator[None]:
    yield
    found = check_rules(now=timezone.now())
    assert {one.rule.number: one.examples for one in found if one.rows} == {}


def plan(
    channel: str = "webhook", rule: dict[str, Any] | None = None, text: str = "Hello {customer}"
) -> Campaign:
    now = timezone.now()
    campaign = create_campaign(
        name="Spring",
        content=make_content(text),
        segment=make_segment(rule),
        channel=channel,
        wording=Wording(subject="Spring" if channel == "email" else ""),
        actor=None,
        now=now,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def to_list(*customers: Customer) -> dict[str, Any]:
    segment = make_segment(is_static=True)
    for customer in customers:
        SegmentMember.objects.create(segment=segment, customer=customer)
    return {"all": [{"field": "list", "op": "in", "value": [segment.pk]}]}


def merge(gone: Customer, kept: Customer) -> Merge:
    gone.refresh_from_db()
    kept.refresh_from_db()
    return merge_customers(gone, into=kept, actor=None, now=timezone.now())


def fates(campaign: Campaign) -> dict[int, tuple[str, str]]:
    rows = Delivery.objects.filter(campaign=campaign)
    return {
        pk: (state, reason) for pk, state, reason in rows.values_list("customer", "state", "reason")
    }


def got(gateway: Gateway) -> list[int]:
    """Who got it, by the key of their letter; a letter that went twice under one key counts once."""
    assert not gateway.repeats
    return sorted(int(key.rsplit("-", 1)[1]) for key in gateway.taken.elements())


# --- both records are in the audience ---------------------------------------------------------------


def test_merged_before_planning(gateway: Gateway, three: list[Customer]) -> None:
    gone, kept, other = three
    merge(gone, kept)

    campaign = plan()
    pump_campaign(campaign.pk)

    assert fates(campaign) == {kept.pk: ("sent", ""), other.pk: ("sent", "")}
    assert got(gateway) == [kept.pk, other.pk]


def test_merged_between_planning_and_sending(gateway: Gateway, three: list[Customer]) -> None:
    gone, kept, other = three
    campaign = plan()

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign) == {
        gone.pk: ("skipped", "gone"),
        kept.pk: ("sent", ""),
        other.pk: ("sent", ""),
    }
    assert got(gateway) == [kept.pk, other.pk]


@pytest.mark.parametrize("first", ["gone", "kept"])
def test_merged_between_two_batches(gateway: Gateway, first: str) -> None:
    customers = make_customers(250, owner=make_staff("Lin"))
    early, late = customers[0], customers[-1]
    gone, kept = (early, late) if first == "gone" else (late, early)
    campaign = plan()
    second = Batch.objects.filter(campaign=campaign, seq=2)
    second.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    pump_campaign(campaign.pk)

    merge(gone, kept)
    second.update(next_attempt_at=None)
    pump_campaign(campaign.pk)

    assert fates(campaign)[early.pk] == ("sent", "")
    assert fates(campaign)[late.pk] == ("skipped", "duplicate" if first == "gone" else "gone")
    assert got(gateway) == sorted(one.pk for one in customers[:-1])


def test_what_a_dead_worker_may_have_sent_is_not_sent_to_the_other_record(
    gateway: Gateway, three: list[Customer]
) -> None:
    gone, kept, other = three
    campaign = plan()
    long_ago = timezone.now() - timedelta(minutes=1)
    Batch.objects.update(
        state=BatchState.SENDING,
        lease_token=uuid.uuid4(),
        lease_until=long_ago,
        claimed_at=long_ago,
    )
    Delivery.objects.filter(customer__in=[kept, other]).update(state=DeliveryState.SENT)
    expire_leases(now=timezone.now())
    assert fates(campaign)[gone.pk] == ("unclear", "")
    Delivery.objects.filter(customer=kept).update(state=DeliveryState.QUEUED)

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign)[kept.pk] == ("skipped", "duplicate")
    assert got(gateway) == []


def test_what_went_before_the_merge_was_not_refused_by_whoever_stays(
    gateway: Gateway, three: list[Customer]
) -> None:
    gone, kept, _other = three
    opt_out(gone, source="test", now=timezone.now() - timedelta(days=1))
    campaign = plan(rule=to_list(kept))
    pump_campaign(campaign.pk)

    done = merge(gone, kept)

    kept.refresh_from_db()
    assert kept.opted_out_at == done.at
    assert fates(campaign) == {kept.pk: ("sent", "")}


# --- only the record that goes is to get it ---------------------------------------------------------


def test_what_waits_for_the_record_that_goes_is_for_whoever_stays(
    gateway: Gateway, three: list[Customer]
) -> None:
    gone, kept, _other = three
    campaign = plan(rule=to_list(gone))

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign) == {kept.pk: ("sent", "")}
    assert Delivery.objects.get().address == str(kept.pk)
    assert got(gateway) == [kept.pk]
    assert gateway.calls[0]["text"] == f"Hello {kept.name}"


def test_whoever_stays_has_to_want_it(gateway: Gateway, three: list[Customer]) -> None:
    gone, kept, _other = three
    Customer.objects.filter(pk=kept.pk).update(opted_out_at=timezone.now())
    campaign = plan(rule=to_list(gone))

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign) == {kept.pk: ("skipped", "opted_out")}
    assert got(gateway) == []


def test_what_went_stays_with_the_record_it_went_to(
    gateway: Gateway, three: list[Customer]
) -> None:
    gone, kept, _other = three
    campaign = plan(rule=to_list(gone))
    pump_campaign(campaign.pk)

    merge(gone, kept)

    assert fates(campaign) == {gone.pk: ("sent", "")}


def test_whoever_was_passed_over_without_an_address_gets_it_at_the_one_they_have_now(
    mails: MailServer, three: list[Customer]
) -> None:
    gone, kept, _other = three
    make_identity(gone, "chen@x.cn", kind=IdentityKind.EMAIL)
    campaign = plan("email", rule=to_list(gone, kept))
    assert fates(campaign)[kept.pk] == ("skipped", "no_address")

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign) == {kept.pk: ("sent", ""), gone.pk: ("skipped", "no_address")}
    assert [to for to, _mail in mails.mails] == ["chen@x.cn"]


def test_whoever_is_in_the_control_group_stays_there(
    gateway: Gateway, three: list[Customer]
) -> None:
    gone, kept, _other = three
    campaign = plan(rule=to_list(gone, kept))
    batch = Batch.objects.get()
    Delivery.objects.filter(customer=kept).update(
        state=DeliveryState.SKIPPED, reason=DeliveryReason.CONTROL, batch=None, slot=None
    )
    Batch.objects.filter(pk=batch.pk).update(size=1)
    Campaign.objects.update(recipients=1, skipped=1)

    merge(gone, kept)
    pump_campaign(campaign.pk)

    assert fates(campaign) == {kept.pk: ("skipped", "control"), gone.pk: ("skipped", "gone")}
    assert got(gateway) == []


def test_in_chat_the_colleague_goes_on_to_send_it() -> None:
    mei = make_staff("Mei")
    gone, kept = make_customers(2, owner=mei)
    make_follow(mei, gone)
    campaign = plan("wecom", rule=to_list(gone), text="Hello")
    address = Delivery.objects.get().address

    merge(gone, kept)

    row = Delivery.objects.get()
    assert (row.customer, row.address) == (kept, address)
    restraint = restraint_on(campaign, now=timezone.now())
    left = skip_those_who_may_not(campaign, [row.batch_id or 0], restraint=restraint)
    assert [person.customer_id for person in left] == [kept.pk]


# --- while it leaves, and taken apart ---------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
def test_while_a_message_leaves_nobody_is_merged(
    gateway: Gateway, three: list[Customer], which: int
) -> None:
    campaign = plan(rule=to_list(three[which]))
    now = timezone.now()
    Batch.objects.update(
        state=BatchState.SENDING,
        lease_token=uuid.uuid4(),
        lease_until=now + timedelta(seconds=10),
        claimed_at=now,
    )

    with pytest.raises(RuleBroken, match="leaving at this moment"):
        merge(three[0], three[1])

    assert fates(campaign) == {three[which].pk: ("queued", "")}
    assert not Merge.objects.exists()


def test_taken_apart_in_time_each_gets_their_own(gateway: Gateway, three: list[Customer]) -> None:
    gone, kept, _other = three
    only_gone, both = plan(rule=to_list(gone)), plan(rule=to_list(gone, kept))

    undo_merge(merge(gone, kept), actor=None, now=timezone.now())
    pump_campaign(only_gone.pk)
    pump_campaign(both.pk)

    assert fates(only_gone) == {gone.pk: ("sent", "")}
    assert fates(both) == {gone.pk: ("sent", ""), kept.pk: ("sent", "")}
    assert got(gateway) == [gone.pk, gone.pk, kept.pk]


def test_places_that_were_changed_are_changed_back(
    mails: MailServer, three: list[Customer]
) -> None:
    gone, kept, _other = three
    make_identity(gone, "chen@x.cn", kind=IdentityKind.EMAIL)
    campaign = plan("email", rule=to_list(gone, kept))
    before = fates(campaign)

    undo_merge(merge(gone, kept), actor=None, now=timezone.now())

    assert fates(campaign) == before
    pump_campaign(campaign.pk)
    assert [to for to, _mail in mails.mails] == ["chen@x.cn"]
