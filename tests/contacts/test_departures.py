"""A staff member leaves: nothing of theirs is lost, nothing of theirs works any more."""

from datetime import timedelta

import pytest

from contacts.actions.departures import depart_staff
from contacts.actions.staff import announce_leaving, rehire_staff
from contacts.enums import (
    CustomerState,
    HandoverKind,
    HandoverState,
    ItemState,
    OwnershipReason,
    StaffState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import ApiKey, Customer, Handover, HistoryEntry, OwnershipPeriod, Staff, User
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_interaction,
    make_staff,
    make_store,
    make_tag,
    sign_in,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def depart(staff, **options):
    return depart_staff(staff.pk, **{"actor": None, "now": LATER} | options)


# --- custody ------------------------------------------------------------------------------------


def test_every_customer_rests_in_the_pool_and_in_one_planned_handover():
    hua, lin = make_staff("Hua"), make_staff("Lin")
    customers = make_customers(3, owner=lin)
    elsewhere = make_customer("Zhao", owner=make_staff("Mei"))

    handover = depart(lin, actor=hua)

    assert (handover.from_staff, handover.kind, handover.state) == (
        lin,
        HandoverKind.DEPARTURE,
        HandoverState.PLANNED,
    )
    assert (handover.size, handover.planned_by, handover.store) == (3, hua, lin.store)
    assert list(handover.items.values_list("state", "to_staff")) == [(ItemState.PLANNED, None)] * 3
    for customer in customers:
        customer.refresh_from_db()
        old, custody = customer.ownership_periods.order_by("pk")
        assert customer.owner is None
        assert (old.staff, old.ended_at) == (lin, LATER)
        assert (custody.staff, custody.began_at, custody.handover) == (None, LATER, handover)
        assert custody.reason == OwnershipReason.CUSTODY
    elsewhere.refresh_from_db()
    assert elsewhere.owner is not None


def test_each_customer_goes_to_the_pool_of_their_own_store():
    lin, elsewhere = make_staff(), make_store("Huaihai Road")
    chen = make_customer(owner=lin, store=elsewhere)

    depart(lin)

    assert chen.ownership_periods.get(ended_at=None).store == elsewhere


def test_the_story_of_a_customer_survives():
    lin = make_staff()
    chen = make_customer(owner=lin)
    make_interaction(chen, staff=lin)
    make_follow(lin, chen)
    chen.carried_tags.create(tag=make_tag())

    depart(lin)

    assert chen.interactions.get().staff == lin
    assert chen.follows.active().count() == 1
    assert chen.carried_tags.count() == 1
    assert chen.identities.count() == 1


def test_somebody_without_customers_leaves_without_a_handover():
    lin = make_staff()

    assert depart(lin) is None

    lin.refresh_from_db()
    assert (lin.state, lin.departed_at) == (StaffState.DEPARTED, LATER)
    assert not Handover.objects.exists()


def test_history_says_who_let_whom_go_and_how_many_customers_that_were():
    hua, lin = make_staff("Hua"), make_staff("Lin")
    make_customers(2, owner=lin)

    depart(lin, actor=hua, source="page")

    entry = HistoryEntry.objects.get(action="staff.departed")
    assert (entry.actor, entry.subject_id, entry.data, entry.source, entry.at) == (
        hua,
        lin.pk,
        {"customers": 2},
        "page",
        LATER,
    )


def test_a_thousand_customers_take_as_many_statements_as_one(django_assert_max_num_queries):
    lin = make_staff()
    make_customers(1000, owner=lin)

    with django_assert_max_num_queries(20):
        assert depart(lin).size == 1000


# --- access -------------------------------------------------------------------------------------


def may_enter(staff):
    return User.objects.get(staff=staff).is_active


def make_key(staff, digest, *, revoked_at=None):
    return ApiKey.objects.create(
        staff=staff,
        name=digest,
        prefix=digest,
        digest=digest,
        created_at=NOON,
        revoked_at=revoked_at,
    )


def test_account_and_keys_stop_working(client):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    live, revoked, other = (
        make_key(lin, "a"),
        make_key(lin, "b", revoked_at=NOON),
        make_key(mei, "c"),
    )
    sign_in(client, lin)

    depart(lin)

    for key, revoked_at in ((live, LATER), (revoked, NOON), (other, None)):
        key.refresh_from_db()
        assert key.revoked_at == revoked_at
    assert (may_enter(lin), may_enter(mei)) == (False, True)


def test_somebody_without_an_account_can_leave_too():
    lin, mei = make_staff("Lin", account=False), make_staff("Mei")

    depart(lin)

    assert may_enter(mei)


# --- refused ------------------------------------------------------------------------------------


def test_whoever_has_left_cannot_leave_again_and_nothing_changes():
    lin = make_staff()
    make_customer(owner=lin)
    depart(lin)

    with pytest.raises(MovedOn, match="Lin has already departed"):
        depart(lin, now=LATER + timedelta(days=1))

    lin.refresh_from_db()
    assert lin.departed_at == LATER
    assert Handover.objects.count() == 1
    assert HistoryEntry.objects.filter(action="staff.departed").count() == 1


def test_nobody_unknown_departs():
    with pytest.raises(Staff.DoesNotExist):
        depart_staff(0, actor=None, now=NOON)


@pytest.mark.parametrize("state", [StaffState.LEAVING, StaffState.SUSPENDED])
def test_the_leaving_and_the_suspended_depart_like_anybody(state):
    lin = make_staff(state=state)
    make_customer(owner=lin)

    assert depart(lin).size == 1


# --- with other handovers open ------------------------------------------------------------------


def test_a_plan_that_was_never_started_makes_way():
    lin = make_staff()
    customers = make_customers(2, owner=lin)
    plan = make_handover(lin, customers=customers, kind=HandoverKind.LEAVE)

    handover = depart(lin)

    plan.refresh_from_db()
    assert plan.state == HandoverState.CANCELLED
    assert set(plan.items.values_list("state", flat=True)) == {ItemState.CANCELLED}
    assert set(handover.items.values_list("customer", flat=True)) == {c.pk for c in customers}


def test_customers_whom_another_handover_has_open_stay_in_that_one():
    lin = make_staff()
    refused, mine = make_customers(2, owner=lin)
    running = make_handover(
        lin,
        customers=[refused],
        kind=HandoverKind.LEAVE,
        state=HandoverState.RUNNING,
        item_state=ItemState.REFUSED,
    )

    handover = depart(lin)

    assert handover.items.get().customer == mine
    assert running.items.get().closed_at is None
    assert not Customer.objects.filter(owner=lin).exists()


def test_departing_with_nobody_but_those_leaves_no_handover_behind():
    lin = make_staff()
    chen = make_customer(owner=lin)
    make_handover(
        lin,
        customers=[chen],
        kind=HandoverKind.LEAVE,
        state=HandoverState.RUNNING,
        item_state=ItemState.REFUSED,
    )

    assert depart(lin) is None

    chen.refresh_from_db()
    assert chen.owner is None
    assert not Handover.objects.filter(state=HandoverState.PLANNED).exists()


# --- leaving and coming back --------------------------------------------------------------------


def test_whoever_announces_their_last_day_keeps_working():
    lin = make_staff()
    chen = make_customer(owner=lin)

    announce_leaving(lin, leaves_on=LATER.date(), actor=None, now=NOON)

    chen.refresh_from_db()
    assert (lin.state, lin.leaves_on, chen.owner) == (StaffState.LEAVING, LATER.date(), lin)


def test_a_last_day_in_the_past_is_refused():
    lin = make_staff()

    with pytest.raises(RuleBroken, match="cannot lie in the past"):
        announce_leaving(lin, leaves_on=(NOON - timedelta(days=1)).date(), actor=None, now=NOON)

    lin.refresh_from_db()
    assert (lin.state, lin.leaves_on) == (StaffState.ACTIVE, None)


def test_the_departed_announce_nothing():
    wei = make_departed()

    with pytest.raises(MovedOn):
        announce_leaving(wei, leaves_on=LATER.date(), actor=None, now=NOON)

    wei.refresh_from_db()
    assert wei.state == StaffState.DEPARTED


def test_whoever_comes_back_gets_row_and_account_back_but_not_the_customers():
    lin = make_staff()
    chen = make_customer(owner=lin)
    depart(lin)
    lin.refresh_from_db()

    rehire_staff(lin, actor=None, now=LATER)

    chen.refresh_from_db()
    assert (lin.state, lin.departed_at, chen.owner) == (StaffState.ACTIVE, None, None)
    assert may_enter(lin)
    assert Staff.objects.count() == 1


def test_whoever_works_here_cannot_be_rehired():
    lin = make_staff()

    with pytest.raises(MovedOn, match="works here already"):
        rehire_staff(lin, actor=None, now=NOON)

    assert not HistoryEntry.objects.exists()


def test_tombstones_of_a_leaver_are_left_alone():
    lin = make_staff()
    make_customer(owner=lin)
    make_customer("Zhao", state=CustomerState.ERASED)

    assert depart(lin).size == 1
    assert OwnershipPeriod.objects.filter(ended_at=None).count() == 1
