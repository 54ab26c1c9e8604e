"""The brief on the customer's page and on paper, and the owners with who did it and why."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from contacts.actions.history import record
from contacts.actions.ownership import move_ownership
from contacts.enums import HandoverState, ItemState, OwnershipReason, Role
from contacts.models import Customer, Handover, HandoverItem, Staff
from crm.access import viewer_for
from crm.customer_queries import owner_lines
from crm.views.briefs import PAGE_SIZE
from tests.builders import (
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_order,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mei() -> Staff:
    return make_staff("Mei")


def hand_over(
    customers: list[Customer], to: Staff, *, ago: timedelta = timedelta(hours=1), **fields
):
    """Wei's customers, who are with their new owner since a while."""
    at = timezone.now() - ago
    handover = make_handover(
        make_departed(), customers=customers, to_staff=to, item_state=ItemState.ACCEPTED,
        **{"state": HandoverState.DONE} | fields,
    )  # fmt: skip
    moves = [(customer.pk, to.pk) for customer in customers]
    move_ownership(moves, reason=OwnershipReason.HANDOVER, now=at, handover=handover)
    return handover


def the_pool(number: int = 1) -> list[Customer]:
    return make_customers(number)


def briefs(handover: Handover) -> str:
    return f"/handovers/{handover.pk}/briefs/"


def names(client: Client, address: str) -> list[str]:
    page = client.get(address)
    assert page.status_code == 200
    return [brief.customer.name for brief in page.context["briefs"]]


# --- on the page of the customer ------------------------------------------------------------------


def test_the_brief_stands_there_after_a_change_of_hands(client: Client, mei: Staff) -> None:
    chen = the_pool()[0]
    hand_over([chen], mei, greeting="Hello <b>{customer}</b>, {guide} here")

    page = sign_in(client, mei).get(f"/customers/{chen.pk}/")

    assert f"Hello &lt;b&gt;{chen.name}&lt;/b&gt;, Mei here" in page.text
    assert 'data-copy="greeting-' in page.text
    assert "js/copy.js" in page.text


def test_after_thirty_days_the_brief_is_history(client: Client, mei: Staff) -> None:
    chen = make_customer(since=timezone.now() - timedelta(days=90))
    hand_over([chen], mei, ago=timedelta(days=31))

    assert "data-copy" not in sign_in(client, mei).get(f"/customers/{chen.pk}/").text


def test_who_never_changed_hands_needs_no_brief(client: Client, mei: Staff) -> None:
    chen = make_customer(owner=mei, since=timezone.now())

    assert 'id="brief"' not in sign_in(client, mei).get(f"/customers/{chen.pk}/").text


def test_orders_and_their_sum_stand_on_the_page(client: Client, mei: Staff) -> None:
    chen = make_customer(owner=mei, spent=1299)
    make_order(chen, number="SO-7", amount=1299, items=[{"name": "<i>coat</i>", "quantity": 2}])

    page = sign_in(client, mei).get(f"/customers/{chen.pk}/").text

    assert "¥1,299" in page
    assert "&lt;i&gt;coat&lt;/i&gt; × 2" in page


# --- the owners -----------------------------------------------------------------------------------


def test_the_owners_say_who_did_it_why_and_by_which_handover(mei: Staff, hua: Staff) -> None:
    chen = the_pool()[0]
    handover = hand_over([chen], mei)
    period = chen.ownership_periods.get(ended_at=None)
    record(handover, "handover.started", actor=hua, at=period.began_at)

    newest, first = owner_lines(chen, viewer_for(hua))
    as_mei = owner_lines(chen, viewer_for(mei))[0]

    assert (newest.period, newest.by, newest.may_open) == (period, hua, True)
    assert newest.why == "handover of Wei (departure)"
    assert (first.by, first.why, first.may_open) == (None, "added", False)
    assert (as_mei.by, as_mei.may_open) == (hua, False)


def test_only_who_may_open_the_handover_gets_a_link(client: Client, mei: Staff, hua: Staff) -> None:
    chen = the_pool()[0]
    link = f'href="/handovers/{hand_over([chen], mei).pk}/"'

    assert link in sign_in(client, hua).get(f"/customers/{chen.pk}/").text
    assert link not in sign_in(client, mei).get(f"/customers/{chen.pk}/").text


def test_the_timeline_says_from_whom_to_whom(client: Client, mei: Staff) -> None:
    lin = make_staff("Lin")
    chen = make_customer(owner=lin)
    hand_over([chen], mei)

    assert "From Lin to Mei" in sign_in(client, mei).get(f"/customers/{chen.pk}/").text


# --- all briefs of a handover ---------------------------------------------------------------------


def test_a_receiver_reads_of_their_own_and_the_manager_of_all(
    client: Client, mei: Staff, hua: Staff
) -> None:
    lin = make_staff("Lin")
    hers, others = the_pool(2), the_pool(1)
    handover = hand_over([*hers, *others], mei)
    HandoverItem.objects.filter(customer__in=others).update(to_staff=lin)
    move_ownership(
        [(others[0].pk, lin.pk)],
        reason=OwnershipReason.HANDOVER,
        now=timezone.now(),
        handover=handover,
    )

    assert names(sign_in(client, mei), briefs(handover)) == [row.name for row in hers]
    everybody = names(sign_in(client, hua), briefs(handover))
    assert everybody == [row.name for row in [*hers, *others]]
    assert names(client, f"{briefs(handover)}?receiver={lin.pk}") == [others[0].name]


def test_others_find_no_briefs(client: Client, mei: Staff) -> None:
    handover = hand_over(the_pool(), mei)
    far = make_staff("Far", role=Role.MANAGER, store=make_store("Xidan"))

    for person in (make_staff("Lin"), far):
        assert sign_in(client, person).get(briefs(handover)).status_code == 404


def test_whom_the_receiver_lost_again_is_not_theirs_to_read(client: Client, mei: Staff) -> None:
    kept, lost = the_pool(2)
    handover = hand_over([kept, lost], mei)
    move_ownership([(lost.pk, None)], reason=OwnershipReason.RETURNED, now=timezone.now())

    assert names(sign_in(client, mei), briefs(handover)) == [kept.name]


def test_who_is_still_asked_is_briefed_and_who_refused_is_not(client: Client, mei: Staff) -> None:
    waiting, refused = the_pool(2)
    handover = hand_over([waiting, refused], mei, state=HandoverState.RUNNING)
    items = HandoverItem.objects
    items.filter(customer=waiting).update(state=ItemState.WAITING, closed_at=None)
    items.filter(customer=refused).update(state=ItemState.REFUSED, closed_at=None)

    assert names(sign_in(client, mei), briefs(handover)) == [waiting.name]


def test_many_briefs_come_in_pages_at_the_same_price(client: Client, mei: Staff) -> None:
    customers = the_pool(PAGE_SIZE + 3)
    few, many = hand_over(customers[:3], mei), hand_over(customers[3:] + the_pool(3), mei)
    sign_in(client, mei)

    first = client.get(briefs(many))
    rest = names(client, f"{briefs(many)}?after={first.context['last'].pk}")

    assert (len(first.context["briefs"]), len(rest)) == (PAGE_SIZE, 3)
    assert queries_for(client, briefs(few)) == queries_for(client, briefs(many)) <= 16


def test_today_leads_a_guide_to_the_briefs(client: Client, mei: Staff) -> None:
    handover = hand_over(the_pool(), mei)

    assert f'href="{briefs(handover)}"' in sign_in(client, mei).get("/").text
