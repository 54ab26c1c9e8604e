"""Funnels, links and hours of campaigns; small ones counted at once, large ones now and then."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaigns.enums import CampaignState, DeliveryState, EngagementKind
from campaigns.models import Campaign, Delivery, Engagement, EngagementTally, TallyRound
from campaigns.tracking import queries, tallies
from campaigns.tracking.clicks import note_click, note_opening
from campaigns.tracking.links import register_links
from campaigns.tracking.tallies import Dimension
from campaigns.tracking.tokens import Token
from contacts.enums import CustomerState
from contacts.models import Customer, Store
from crm.actions.conversions import count_campaign, count_conversions
from crm.actions.orders import OrderTold, record_order
from crm.enums import OrderState
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_customer,
    make_customers,
    make_order,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["at once", "now and then"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of counting must come to the same."""
    if request.param == "now and then":
        monkeypatch.setattr(tallies, "COUNTED_AT_ONCE", 0)
    return str(request.param)


def sent_to(*customers: Customer, **fields: Any) -> Campaign:
    values: dict[str, Any] = {
        "recipients": len(customers),
        "state": CampaignState.DONE,
        "channel": "email",
    }
    campaign = make_campaign(**(values | fields))
    register_links(campaign, texts=["https://a.example https://b.example https://c.example"])
    make_batch(campaign, customers, delivery_state=DeliveryState.SENT)
    Delivery.objects.filter(campaign=campaign).update(sent_at=NOON)
    TallyRound.objects.create(campaign=campaign, next_at=NOON)
    return campaign


def click(campaign: Campaign, customer: Customer, link: int = 1, **more: Any) -> None:
    values: dict[str, Any] = {"by_machine": False, "now": NOON + timedelta(hours=1)} | more
    note_click(Token(campaign.pk, customer.pk, link), **values)


def counted(campaign: Campaign) -> Campaign:
    count_campaign(campaign.pk, now=NOON + timedelta(hours=2))
    return campaign


def test_funnel_adds_up(counting: str) -> None:
    chen, zhao, qian, sun = make_customers(4)
    campaign = sent_to(chen, zhao, qian, sun)
    click(campaign, chen)
    click(campaign, chen)
    note_opening(Token(campaign.pk, zhao.pk), by_machine=False, now=NOON)
    click(campaign, qian, by_machine=True)
    Delivery.objects.filter(customer=sun).update(state="failed", reason="bounced")

    found = queries.funnel(counted(campaign))

    assert (found.recipients, found.sent, found.delivered, found.read) == (4, 3, 2, 2)
    assert (found.clicked, found.clicked_by_bots, found.failed) == (1, 1, 1)


def test_links_tell_people_from_clicks_and_machines(counting: str) -> None:
    chen, zhao, qian = make_customers(3)
    campaign = sent_to(chen, zhao, qian)
    for customer in (chen, chen, zhao):
        click(campaign, customer, 2)
    click(campaign, qian, 3, by_machine=True)

    found = {one.seq: one for one in queries.links(counted(campaign))}

    assert found[1].url == "https://a.example"
    assert [(found[n].people, found[n].clicks, found[n].bots) for n in (1, 2, 3)] == [
        (0, 0, 0), (2, 3, 0), (0, 0, 1),
    ]  # fmt: skip


def test_guides_and_stores_have_funnels_of_their_own(counting: str) -> None:
    lin = make_staff("Lin")
    there = make_store("Xujiahui")
    mei = make_staff("Mei", store=there)
    chen, zhao = make_customer("Chen", owner=lin), make_customer("Zhao", owner=mei, store=there)
    campaign = sent_to(chen, zhao)
    click(campaign, zhao)
    counted(campaign)

    guides = queries.funnels_by(campaign, Dimension.GUIDE)
    stores = queries.funnels_by(campaign, Dimension.STORE)
    batches = queries.funnels_by(campaign, Dimension.BATCH)

    assert [(one.name, one.funnel.sent, one.funnel.clicked) for one in guides] == [
        ("Lin", 1, 0), ("Mei", 1, 1),
    ]  # fmt: skip
    assert [(one.name, one.funnel.clicked) for one in stores] == [
        (Store.objects.order_by("pk")[0].name, 0), ("Xujiahui", 1),
    ]  # fmt: skip
    assert [(one.funnel.sent, one.funnel.clicked) for one in batches] == [(2, 1)]


def test_who_sent_it_counts_before_who_answers_now(counting: str) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=mei)
    campaign = make_campaign(state=CampaignState.DONE, recipients=1)
    make_batch(campaign, [chen], sender=lin, delivery_state=DeliveryState.SENT)
    TallyRound.objects.create(campaign=campaign, next_at=NOON)

    guides = queries.funnels_by(counted(campaign), Dimension.GUIDE)

    assert [one.name for one in guides] == ["Lin"]


def test_variants_have_funnels_of_their_own(counting: str) -> None:
    chen, zhao, qian = make_customers(3)
    campaign = sent_to(chen, zhao, qian)
    Delivery.objects.filter(customer=chen).update(variant=0)
    Delivery.objects.filter(customer=zhao).update(variant=1)
    click(campaign, zhao)

    found = queries.funnels_by(counted(campaign), Dimension.VARIANT)

    assert [(one.name, one.funnel.sent, one.funnel.clicked) for one in found] == [
        ("A", 1, 0), ("B", 1, 1),
    ]  # fmt: skip


def test_hours_in_which_something_happened(counting: str) -> None:
    chen, zhao = make_customers(2)
    campaign = sent_to(chen, zhao)
    click(campaign, chen, now=NOON + timedelta(minutes=5))
    click(campaign, zhao, now=NOON + timedelta(minutes=65))

    found = queries.hours(counted(campaign))

    assert [(one.at, one.clicked) for one in found] == [(NOON, 1), (NOON + timedelta(hours=1), 1)]


def test_large_campaign_is_read_from_tallies(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(tallies, "COUNTED_AT_ONCE", 0)
    (chen,) = make_customers(1)
    campaign = sent_to(chen)

    assert queries.funnel(campaign).sent == 0  # not counted yet
    counted(campaign)
    with django_assert_num_queries(1):
        assert queries.funnel(campaign).sent == 1
    assert queries.counted_at(campaign) == NOON + timedelta(hours=2)


def test_counting_twice_is_counting_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "COUNTED_AT_ONCE", 0)
    campaign = sent_to(*make_customers(1))

    for hour in (2, 9):
        assert count_campaign(campaign.pk, now=NOON + timedelta(hours=hour))

    assert queries.funnel(campaign).sent == 1
    kept = EngagementTally.objects.filter(dimension="all")
    assert kept.count() == 1


def test_one_worker_counts(counting: str) -> None:
    campaign = sent_to(*make_customers(1))

    assert count_campaign(campaign.pk, now=NOON)
    assert not count_campaign(campaign.pk, now=NOON)


def test_old_campaign_is_counted_no_more() -> None:
    campaign = sent_to(*make_customers(1))

    count_campaign(campaign.pk, now=NOON + timedelta(days=60))

    assert TallyRound.objects.get().next_at is None
    assert not tallies.campaigns_to_count(NOON + timedelta(days=90))


# --- orders -------------------------------------------------------------------------------------


def bought(customer: Customer, days: float = 1, amount: str = "100", **more: Any) -> None:
    make_order(customer, ordered_at=NOON + timedelta(days=days), amount=Decimal(amount), **more)


def conversions() -> dict[int, tuple[int, Decimal | None]]:
    rows = Engagement.objects.filter(kind=EngagementKind.CONVERTED)
    return {row.customer_id: (row.count, row.amount) for row in rows}


def test_order_within_the_days_counts_once_per_recipient(counting: str) -> None:
    chen, zhao = make_customers(2)
    campaign = sent_to(chen, zhao)
    bought(chen, 1, state=OrderState.PAID)
    bought(chen, 6.9, "50", state=OrderState.DONE)

    found = queries.funnel(counted(campaign))

    assert (found.converted, found.amount) == (1, Decimal(150))
    assert conversions() == {chen.pk: (2, Decimal(150))}


@pytest.mark.parametrize(
    ("days", "state"),
    [
        (-0.1, OrderState.PAID),
        (7.1, OrderState.PAID),
        (1, OrderState.OPEN),
        (1, OrderState.CANCELLED),
        (1, OrderState.REFUNDED),
    ],
)
def test_order_before_or_too_late_or_unpaid_does_not_count(days: float, state: OrderState) -> None:
    (chen,) = make_customers(1)
    campaign = sent_to(chen)
    bought(chen, days, state=state)

    count_conversions(campaign)

    assert conversions() == {}


def test_campaign_has_days_of_its_own() -> None:
    (chen,) = make_customers(1)
    campaign = sent_to(chen, conversion_days=30)
    bought(chen, 20, state=OrderState.PAID)

    count_conversions(campaign)

    assert conversions() == {chen.pk: (1, Decimal(100))}


def test_who_was_not_reached_converts_nobody() -> None:
    (chen,) = make_customers(1)
    campaign = sent_to(chen)
    Delivery.objects.update(state="failed", reason="bounced")
    bought(chen, state=OrderState.PAID)

    count_conversions(campaign)

    assert conversions() == {}


def told(state: OrderState) -> OrderTold:
    return OrderTold(
        system="shop", number="A1", ordered_at=NOON + timedelta(days=1), amount=Decimal(80),
        state=state,
    )  # fmt: skip


def test_order_counts_when_it_is_told_and_not_when_it_is_given_back() -> None:
    (chen,) = make_customers(1)
    sent_to(chen)
    now = NOON + timedelta(days=2)

    record_order(chen, told(OrderState.PAID), actor=None, now=now)
    first = conversions()
    record_order(chen, told(OrderState.REFUNDED), actor=None, now=now)

    assert first == {chen.pk: (1, Decimal(80))}
    assert conversions() == {}


def test_order_of_who_stays_counts_for_who_was_merged() -> None:
    kept, gone = make_customers(2)
    sent_to(gone)
    Customer.objects.filter(pk=gone.pk).update(
        state=CustomerState.MERGED, merged_into=kept, owner=None
    )

    record_order(kept, told(OrderState.PAID), actor=None, now=NOON + timedelta(days=2))

    assert conversions() == {gone.pk: (1, Decimal(80))}
