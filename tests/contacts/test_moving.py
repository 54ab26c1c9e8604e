"""Customers of a running handover move in parts, and past everybody who cannot take them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import cancel_handover, start_handover
from contacts.actions.moving import CHUNK, handovers_to_move, move_planned
from contacts.enums import CustomerState, HandoverKind, HandoverState, ItemState, StaffState
from contacts.models import Customer, HandoverItem, HandoverRequest, OwnershipPeriod, Staff, Task
from contacts.queries import handover_progress
from tests.builders import NOON, make_customers, make_departed, make_handover, make_staff

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def planned(number, *receivers, giver=None, **fields):
    """A plan that gives everybody to the first receiver, and knows the others."""
    giver = giver or make_departed()
    owner = giver if giver.is_employed else None
    customers = make_customers(number, owner=owner, store=giver.store)
    handover = make_handover(giver, customers=customers, to_staff=receivers[0], **fields)
    for receiver, item in zip(receivers[1:], handover.items.order_by("pk"), strict=False):
        item.to_staff = receiver
        item.save(update_fields=["to_staff"])
    return handover, customers


def states(handover):
    return {state: n for state, n in handover_progress(handover).states.items() if n}


def test_a_large_handover_starts_at_once_and_goes_on_in_parts(
    rung, django_capture_on_commit_callbacks
):
    mei = make_staff("Mei")
    handover, customers = planned(CHUNK + 20, mei)

    with django_capture_on_commit_callbacks(execute=True):
        start_handover(handover, actor=None, now=NOON)

    assert states(handover) == {ItemState.ACCEPTED: CHUNK, ItemState.PLANNED: 20}
    assert handovers_to_move(NOON) == [handover.pk]
    assert ("contacts.tasks.move_customers", [handover.pk]) in rung()

    move_planned(handover.pk, now=LATER)

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert states(handover) == {ItemState.ACCEPTED: CHUNK + 20}
    assert Customer.objects.filter(owner=mei).count() == len(customers)
    assert handovers_to_move(LATER) == []


def test_moving_takes_as_many_statements_for_few_as_for_many():
    handover, _ = planned(3, make_staff("Mei"))
    more, _ = planned(300, make_staff("Lin"))

    with CaptureQueriesContext(connection) as few:
        start_handover(handover, actor=None, now=NOON)
    with CaptureQueriesContext(connection) as many:
        start_handover(more, actor=None, now=NOON)

    assert len(few) == len(many)


def test_what_was_cancelled_in_the_middle_does_not_go_on():
    mei = make_staff("Mei")
    handover, _customers = planned(CHUNK + 20, mei)
    start_handover(handover, actor=None, now=NOON)

    cancel_handover(handover, actor=None, now=LATER)
    move_planned(handover.pk, now=LATER)

    assert states(handover) == {ItemState.ACCEPTED: CHUNK, ItemState.CANCELLED: 20}
    assert Customer.objects.filter(owner=None).count() == 20


@pytest.mark.parametrize("state", [StaffState.DEPARTED, StaffState.SUSPENDED, StaffState.LEAVING])
def test_who_cannot_take_customers_any_more_makes_room_for_the_next(state):
    mei, lin = make_staff("Mei"), make_staff("Lin")
    handover, _customers = planned(CHUNK + 20, mei, lin)
    start_handover(handover, actor=None, now=NOON)
    if state == StaffState.DEPARTED:
        depart_staff(mei.pk, actor=None, now=LATER)
    else:
        Staff.objects.filter(pk=mei.pk).update(state=state)

    move_planned(handover.pk, now=LATER)

    assert states(handover) == {ItemState.ACCEPTED: CHUNK + 20}
    taken = HandoverItem.objects.filter(handover=handover, tried=[mei.pk])
    assert set(taken.values_list("to_staff", flat=True)) == {lin.pk}
    assert taken.count() == 19


def test_with_nobody_else_they_wait_for_the_manager():
    mei = make_staff("Mei")
    handover, _ = planned(CHUNK + 2, mei)
    start_handover(handover, actor=None, now=NOON)
    Staff.objects.filter(pk=mei.pk).update(state=StaffState.SUSPENDED)

    move_planned(handover.pk, now=LATER)

    assert states(handover) == {ItemState.ACCEPTED: CHUNK, ItemState.FAILED: 2}
    task = Task.objects.get(handover=handover, kind="decision")
    assert (task.staff, task.store) == (None, handover.store)
    assert Customer.objects.filter(owner=None).count() == 2


def test_merged_customers_are_left_out():
    mei = make_staff("Mei")
    handover, (chen, zhao, target) = planned(3, mei)
    OwnershipPeriod.objects.filter(customer=chen).update(ended_at=NOON)
    Customer.objects.filter(pk=chen.pk).update(state=CustomerState.MERGED, merged_into=target)

    start_handover(handover, actor=None, now=NOON)

    handover.refresh_from_db()
    assert states(handover) == {ItemState.ACCEPTED: 2, ItemState.CANCELLED: 1}
    assert handover.state == HandoverState.DONE
    assert list(Customer.objects.filter(owner=mei).order_by("pk")) == [zhao, target]


def made_on_the_job(customer, times, *, at, as_leaver=False):
    """Transfers of this customer that WeCom has made before."""
    for _ in range(times):
        receiver = make_staff()
        handover = make_handover(
            make_departed(),
            customers=[customer],
            to_staff=receiver,
            state=HandoverState.DONE,
            item_state=ItemState.ACCEPTED,
        )
        request = HandoverRequest.objects.create(
            handover=handover,
            to_staff=receiver,
            state="made",
            as_leaver=as_leaver,
            created_at=at,
        )
        handover.items.update(request=request, slot=0, state_at=at, closed_at=at)


@pytest.mark.parametrize(
    ("times", "days", "as_leaver", "moves"),
    [(2, 89, False, False), (2, 91, False, True), (1, 1, False, True), (2, 1, True, True)],
)
def test_nobody_changes_hands_on_the_job_a_third_time_in_90_days(times, days, as_leaver, moves):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover, (chen,) = planned(1, mei, giver=lin, kind=HandoverKind.LEAVE)
    made_on_the_job(chen, times, at=NOON - timedelta(days=days), as_leaver=as_leaver)

    start_handover(handover, actor=None, now=NOON)

    chen.refresh_from_db()
    item = handover.items.get()
    assert chen.owner == (mei if moves else lin)
    assert (item.state, item.errcode) == (
        (ItemState.ACCEPTED, None) if moves else (ItemState.FAILED, 40128)
    )
