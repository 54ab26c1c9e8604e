"""Undo: everything before customers were asked; for a week what the channel allows."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    cancel_handover,
    plan_handover,
    propose_receivers,
    start_handover,
)
from contacts.actions.moving import move_planned
from contacts.actions.ownership import move_ownership
from contacts.actions.settlement import check_handover
from contacts.actions.sharing import Strategy
from contacts.actions.staff import rehire_staff
from contacts.actions.transfers import make_due_requests
from contacts.actions.undo import CHUNK, can_be_undone, handovers_to_undo, undo_asked, undo_handover
from contacts.enums import (
    CustomerState,
    HandoverKind,
    HandoverState,
    ItemState,
    OwnershipReason,
    TaskKind,
    TaskState,
    UndoNote,
)
from contacts.errors import RuleBroken
from contacts.models import Customer, Handover, OwnershipPeriod, Staff, Task
from contacts.queries import handover_progress
from crm.invariants import check_rules
from tests.builders import NOON, make_customers, make_handover, make_staff
from tests.sandboxed import Shop, address_of, open_shop

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
DAY = 24 * 3600


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def handed_over(giver: Staff, receiver: Staff, number: int = 3, now=NOON) -> Handover:
    """Customers of a colleague at work, taken over at once: no channel had to be asked."""
    make_customers(number, owner=giver)
    handover = plan_handover(giver, kind=HandoverKind.LEAVE, actor=None, now=now)
    propose_receivers(handover, [receiver], strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    move_planned(handover.pk, now=now)
    handover.refresh_from_db()
    return handover


def broken() -> list[str]:
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


def test_a_plan_that_is_undone_has_moved_nobody() -> None:
    lin = make_staff("Lin")
    make_customers(3, owner=lin)
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=NOON)

    undoing = undo_handover(handover, actor=None, now=LATER)

    handover.refresh_from_db()
    assert (undoing.withdrawn, handover.state) == (3, HandoverState.CANCELLED)
    assert Customer.objects.filter(owner=lin).count() == 3


def test_everybody_returns_to_the_colleague_who_works_here() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei)

    undoing = undo_handover(handover, actor=mei, now=LATER)

    assert (undoing.withdrawn, undoing.giving_back, undoing.left_alone) == (0, 3, 0)
    assert Customer.objects.filter(owner=lin).count() == 3
    period = OwnershipPeriod.objects.filter(ended_at=None).first()
    assert period
    assert (period.reason, period.handover) == (OwnershipReason.UNDONE, handover)
    assert set(handover.items.values_list("state", "undone_at")) == {(ItemState.ACCEPTED, LATER)}
    assert handover_progress(handover).adds_up
    assert broken() == []


def test_after_a_departure_they_return_to_the_pool() -> None:
    wei, mei = make_staff("Wei"), make_staff("Mei")
    make_customers(2, owner=wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=NOON)
    start_handover(handover, actor=None, now=NOON)

    undo_handover(handover, actor=None, now=LATER)

    assert Customer.objects.filter(owner=None).count() == 2
    wei.refresh_from_db()
    again = plan_handover(wei, kind=HandoverKind.DEPARTURE, actor=None, now=LATER)
    assert again.size == 2


def test_only_the_chosen_customers_are_given_back() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei)
    chosen = handover.items.order_by("pk")[0]

    undo_handover(handover, actor=None, now=LATER, items=[chosen.pk])

    assert list(Customer.objects.filter(owner=lin)) == [chosen.customer]
    assert Customer.objects.filter(owner=mei).count() == 2


def test_whoever_has_changed_since_is_left_alone_and_named() -> None:
    lin, mei, hua = make_staff("Lin"), make_staff("Mei"), make_staff("Hua")
    handover = handed_over(lin, mei, 4)
    moved, merged, held, plain = [item.customer for item in handover.items.order_by("pk")]
    move_ownership([(moved.pk, hua.pk)], reason=OwnershipReason.TRANSFER, now=LATER)
    OwnershipPeriod.objects.filter(customer=merged, ended_at=None).update(ended_at=LATER)
    Customer.objects.filter(pk=merged.pk).update(
        state=CustomerState.MERGED, merged_into=plain, owner=None
    )
    make_handover(mei, customers=[held], kind=HandoverKind.REBALANCE)

    undo_handover(handover, actor=None, now=LATER + timedelta(minutes=1))

    notes = dict(handover.items.values_list("customer", "undo_note"))
    assert notes == {
        moved.pk: UndoNote.CHANGED,
        merged.pk: UndoNote.TOMBSTONE,
        held.pk: UndoNote.CHANGED,
        plain.pk: "",
    }
    assert list(Customer.objects.filter(owner=lin)) == [plain]
    assert Customer.objects.get(pk=moved.pk).owner == hua


@pytest.mark.parametrize(("days", "possible"), [(7, True), (8, False)])
def test_after_seven_days_it_is_too_late(*, days: int, possible: bool) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei)
    now = NOON + timedelta(days=days)
    assert can_be_undone(handover, now=now) == possible

    if possible:
        undo_handover(handover, actor=None, now=now)
    else:
        with pytest.raises(RuleBroken, match="too late"):
            undo_handover(handover, actor=None, now=now)

    assert Customer.objects.filter(owner=lin).count() == (3 if possible else 0)


def test_an_undo_is_done_once() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei)
    undo_handover(handover, actor=None, now=LATER)

    with pytest.raises(RuleBroken):
        undo_handover(handover, actor=None, now=LATER)


def test_a_large_undo_goes_on_in_parts() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei, CHUNK + 20)

    undo_handover(handover, actor=None, now=LATER)
    assert Customer.objects.filter(owner=lin).count() == CHUNK
    assert handovers_to_undo(LATER) == [handover.pk]
    undo_asked(handover.pk, now=LATER)

    assert Customer.objects.filter(owner=lin).count() == CHUNK + 20
    assert handovers_to_undo(LATER) == []


def test_nobody_has_to_introduce_themselves_any_more() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = handed_over(lin, mei, 1)
    customer = handover.items.get().customer
    Task.objects.get_or_create(
        kind=TaskKind.FIRST_CONTACT,
        customer=customer,
        state=TaskState.OPEN,
        defaults={"staff": mei, "store": customer.store, "state_at": NOON},
    )

    undo_handover(handover, actor=None, now=LATER)

    assert Task.objects.get(kind=TaskKind.FIRST_CONTACT).state == TaskState.DROPPED


def on_leave(shop: Shop, lin: Staff, mei: Staff, number: int, *, decided: bool = True) -> Handover:
    """Customers of somebody at work whom WeCom has handed over, or has been asked to."""
    make_customers(number, owner=lin, followed=True)
    shop.open(lin, mei)
    now = timezone.now()
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=now)
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    make_due_requests(handover.pk, now=timezone.now())
    if decided:
        a_day(shop, handover)
    handover.refresh_from_db()
    return handover


def a_day(shop: Shop, handover: Handover) -> None:
    make_due_requests(handover.pk, now=timezone.now())
    shop.control.advance(DAY + 60)
    check_handover(handover.pk, now=timezone.now(), early=True)


def test_what_wecom_moved_wecom_moves_back(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = on_leave(shop, lin, mei, 130)
    assert handover.state == HandoverState.DONE

    undo_handover(handover, actor=None, now=timezone.now())

    back = Handover.objects.get(undoes=handover)
    assert (back.kind, back.from_staff, back.size) == (HandoverKind.UNDO, mei, 130)
    assert Customer.objects.filter(owner=lin).count() == 130
    a_day(shop, back)
    back.refresh_from_db()
    assert back.state == HandoverState.DONE
    assert len(shop.control.rows("follows", userid=lin.wecom_userid or "")) == 130
    assert shop.violations() == []
    assert broken() == []


def test_whom_wecom_does_not_give_back_stays_and_is_named(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = on_leave(shop, lin, mei, 3)
    stubborn = handover.items.order_by("pk")[0].customer
    shop.open(lin, mei, moods={address_of(stubborn): "refuse"})

    undo_handover(handover, actor=None, now=timezone.now())
    a_day(shop, Handover.objects.get(undoes=handover))

    item = handover.items.get(customer=stubborn)
    assert (item.undone_at, item.undo_note) == (None, UndoNote.CHANNEL)
    stubborn.refresh_from_db()
    assert stubborn.owner == mei
    assert Customer.objects.filter(owner=lin).count() == 2


def test_whom_wecom_moved_twice_already_is_not_asked_for_a_third_time(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    there = on_leave(shop, lin, mei, 1)
    undo_handover(there, actor=None, now=timezone.now())
    a_day(shop, Handover.objects.get(undoes=there))
    again = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=timezone.now())
    propose_receivers(again, [mei], strategy=Strategy.EVENLY, actor=None, now=timezone.now())
    start_handover(again, actor=None, now=timezone.now())

    item = again.items.get()
    assert (item.state, item.errcode) == (ItemState.FAILED, 40128)
    assert Customer.objects.get().owner == lin
    assert len(shop.control.rows("transfer_calls")) == 2


def test_who_is_being_asked_is_left_alone(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = on_leave(shop, lin, mei, 3, decided=False)

    undoing = undo_handover(handover, actor=None, now=timezone.now())

    assert (undoing.withdrawn, undoing.giving_back, undoing.left_alone) == (0, 0, 3)
    assert set(handover.items.values_list("undo_note", flat=True)) == {UndoNote.ASKED}
    assert Customer.objects.filter(owner=mei).count() == 3


def test_who_was_being_asked_can_be_given_back_once_they_were_taken_over(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = on_leave(shop, lin, mei, 2, decided=False)
    assert undo_handover(handover, actor=None, now=timezone.now()).left_alone == 2
    a_day(shop, handover)

    undone = undo_handover(handover, actor=None, now=timezone.now())

    assert (undone.giving_back, undone.left_alone) == (2, 0)
    a_day(shop, Handover.objects.get(undoes=handover))
    assert Customer.objects.filter(owner=lin).count() == 2
    assert set(handover.items.values_list("undo_note", flat=True)) == {""}
    assert broken() == []


def test_whoever_has_come_back_gets_their_customers_back() -> None:
    wei, mei = make_staff("Wei"), make_staff("Mei")
    make_customers(2, owner=wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=NOON)
    start_handover(handover, actor=None, now=NOON)
    wei.refresh_from_db()
    rehire_staff(wei, actor=None, now=LATER)

    undo_handover(handover, actor=None, now=LATER)

    assert Customer.objects.filter(owner=wei).count() == 2


def test_whom_an_undo_that_is_called_off_leaves_where_they_are_is_named(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = on_leave(shop, lin, mei, 2)
    undo_handover(handover, actor=None, now=timezone.now())

    cancel_handover(Handover.objects.get(undoes=handover), actor=None, now=timezone.now())

    assert Customer.objects.filter(owner=mei).count() == 2
    assert set(handover.items.values_list("undone_at", "undo_note")) == {
        (None, UndoNote.CALLED_OFF)
    }
    assert broken() == []
