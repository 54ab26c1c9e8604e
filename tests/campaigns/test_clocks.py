"""Looking up what is unclear while WeCom's clock is ahead of ours, or it is too busy to be asked."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.batches import claim_batch, expire_leases, look_up_batch, parcel_of
from campaigns.actions.parts import LEASE, LOOK_EVERY
from campaigns.actions.pump import pump_campaign
from campaigns.channels import connector_for
from campaigns.enums import BatchState, DeliveryState
from campaigns.models import Batch, Campaign
from campaigns.queries import campaign_progress
from tests.builders import make_content, make_customers, make_segment, make_staff
from tests.sandboxed import Shop, addresses_of, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def plan() -> Campaign:
    now = timezone.now()
    content, segment = make_content("Spring coats are here."), make_segment()
    campaign = act.create_campaign(
        name="Spring", content=content, segment=segment, actor=None, now=now
    )
    act.schedule_campaign(campaign, send_at=now, actor=None, now=now)
    act.plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def test_a_channel_whose_clock_is_ahead_is_believed_too(shop: Shop) -> None:
    lin = make_staff("Lin")
    customers = make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    campaign = plan()
    shop.control.advance(300)
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 1}])
    pump_campaign(campaign.pk)
    unclear = Batch.objects.get(campaign=campaign, state=BatchState.UNCLEAR)
    lost = timezone.now()
    shop.control.advance(90)

    for look in (1, 2):
        look_up_batch(unclear.pk, now=lost + look * LOOK_EVERY)
    pump_campaign(campaign.pk)

    assert campaign_progress(campaign).states == {DeliveryState.HANDED: 3}
    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    assert shop.violations() == []


def test_nothing_counts_as_missing_while_the_channel_is_too_busy_to_be_asked(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    customers = [*make_customers(3, owner=lin, followed=True)]
    customers += make_customers(3, owner=mei, followed=True)
    shop.open(lin, mei)
    campaign = plan()
    dying = claim_batch(campaign.pk, now=timezone.now())
    assert dying
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)
    look_up_batch(dying.pk, now=died + LOOK_EVERY)
    last = died + 2 * LOOK_EVERY
    pump_campaign(campaign.pk)
    Batch.objects.filter(campaign=campaign, state=BatchState.HANDED).update(handed_at=last)

    look_up_batch(dying.pk, now=last)
    dying.refresh_from_db()
    assert dying.state == BatchState.UNCLEAR
    shop.control.advance(90)
    look_up_batch(dying.pk, now=last + LOOK_EVERY)
    pump_campaign(campaign.pk)

    assert shop.reached() == dict.fromkeys(addresses_of(customers), 1)
    assert shop.violations() == []


def test_what_is_in_a_call_is_not_taken_for_the_same_words_that_are_unclear(shop: Shop) -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin, followed=True)
    shop.open(lin)
    dying = claim_batch(plan().pk, now=timezone.now())
    assert dying
    died = timezone.now() + LEASE + timedelta(seconds=1)
    expire_leases(now=died)
    look_up_batch(dying.pk, now=died + LOOK_EVERY)
    in_call = claim_batch(plan().pk, now=timezone.now())
    assert in_call
    connector_for("wecom").send(parcel_of(in_call))
    shop.control.advance(90)

    look_up_batch(dying.pk, now=died + 2 * LOOK_EVERY)

    dying.refresh_from_db()
    assert (dying.state, dying.reference) == (BatchState.UNCLEAR, "")
