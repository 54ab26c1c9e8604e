"""Whom one colleague does not get is offered to the next of the plan, a set number of times."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import finish_handover, propose_receivers, start_handover
from contacts.actions.moving import handovers_to_move, move_planned
from contacts.actions.settlement import check_handover, note_transfer_failed
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.actions.transfers import make_due_requests
from contacts.enums import ItemState, RequestState, TaskKind, TaskState
from contacts.models import Customer, Handover, HandoverItem, HandoverRequest, Staff, Task
from contacts.queries import handover_progress
from tests.builders import make_customers, make_staff
from tests.sandboxed import Shop, address_of, open_shop

pytestmark = pytest.mark.django_db

DAY = 24 * 3600


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def leave(shop: Shop, wei: Staff, *receivers: Staff, max_offers: int = 3) -> Handover:
    """Wei leaves, and these colleagues are proposed in turn."""
    now = timezone.now()
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=now)
    handover = depart_staff(wei.pk, actor=None, now=now)
    assert handover
    Handover.objects.filter(pk=handover.pk).update(max_offers=max_offers)
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    handover.refresh_from_db()
    start_handover(handover, actor=None, now=now)
    return handover


def a_day_later(shop: Shop, handover: Handover) -> None:
    """Whatever is due is done, and everybody has had a day to decide."""
    move_planned(handover.pk, now=timezone.now())
    make_due_requests(handover.pk, now=timezone.now())
    shop.control.advance(DAY + 60)
    check_handover(handover.pk, now=timezone.now(), early=True)
    handover.refresh_from_db()


def states(handover: Handover) -> dict[ItemState, int]:
    progress = handover_progress(handover)
    assert progress.adds_up
    return {state: n for state, n in progress.states.items() if n}


def test_whom_a_full_receiver_did_not_get_goes_to_the_next(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(6, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    shop.control.faults(takeover_full=[lin.wecom_userid])
    handover = leave(shop, wei, lin, mei)

    a_day_later(shop, handover)
    assert states(handover) == {ItemState.ACCEPTED: 3, ItemState.PLANNED: 3}
    a_day_later(shop, handover)

    assert states(handover) == {ItemState.ACCEPTED: 6}
    assert Customer.objects.filter(owner=mei).count() == 6
    assert HandoverItem.objects.filter(tries=2, tried=[lin.pk]).count() == 3
    assert not Task.objects.filter(kind=TaskKind.DECISION).exists()
    assert shop.violations() == []


def test_those_who_refuse_one_after_the_other_are_offered_on_together(
    shop: Shop,
    rung: Callable[[], list[tuple[str, list[int]]]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(12, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = leave(shop, wei, lin, mei)
    make_due_requests(handover.pk, now=timezone.now())
    of_lin = [address_of(item.customer) for item in handover.items.filter(to_staff=lin)]

    with django_capture_on_commit_callbacks(execute=True):
        for address in of_lin:
            note_transfer_failed(
                lin.wecom_userid or "", address, "customer_refused", now=timezone.now()
            )

    assert rung() == []  # the sweeper finds all of them at once
    assert handovers_to_move(timezone.now()) == [handover.pk]
    move_planned(handover.pk, now=timezone.now())
    again = HandoverRequest.objects.filter(state=RequestState.PREPARED)
    assert [request.items.count() for request in again] == [len(of_lin)]


def test_nobody_is_offered_more_often_than_was_set(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    shop.control.faults(takeover_full=[lin.wecom_userid, mei.wecom_userid])
    handover = leave(shop, wei, lin, mei, max_offers=2)

    for _ in range(4):
        a_day_later(shop, handover)

    assert states(handover) == {ItemState.OVER_CAPACITY: 2}
    assert set(HandoverItem.objects.values_list("tries", flat=True)) == {2}
    assert Customer.objects.filter(owner=None).count() == 2
    task = Task.objects.get(handover=handover, kind=TaskKind.DECISION)
    assert (task.staff, task.state) == (None, TaskState.OPEN)

    finish_handover(handover, actor=None, now=timezone.now())

    task.refresh_from_db()
    assert task.state == TaskState.DONE


def test_a_customer_of_a_leaver_who_refused_is_lost_to_wecom_and_rests(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin, mei, moods={address_of(customers[0]): "refuse"})
    handover = leave(shop, wei, lin, mei)

    for _ in range(3):
        a_day_later(shop, handover)

    assert states(handover) == {ItemState.ACCEPTED: 1, ItemState.FAILED: 1}
    item = handover.items.get(state=ItemState.FAILED)
    assert item.tries == 2
    assert item.errcode == 40131
    assert Customer.objects.get(pk=customers[0].pk).owner is None
    assert Task.objects.filter(handover=handover, kind=TaskKind.DECISION).count() == 1


def test_a_receiver_whom_wecom_does_not_accept_makes_room(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    shop.control.seed(staff=[{"userid": lin.wecom_userid, "name": "Lin", "real_name": False}])
    handover = leave(shop, wei, lin, mei)

    a_day_later(shop, handover)
    a_day_later(shop, handover)

    assert states(handover) == {ItemState.ACCEPTED: 2}
    assert Customer.objects.filter(owner=mei).count() == 2


@pytest.mark.parametrize("errcode", [40003, 60011, 60021, 60111, 84074])
def test_a_receiver_who_is_outside_what_wecom_lets_us_do_makes_room(
    shop: Shop, errcode: int
) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    path = "externalcontact/resigned/transfer_customer"
    shop.control.faults(fail=[{"path": path, "errcode": errcode, "times": 1}])
    handover = leave(shop, wei, lin, mei)

    a_day_later(shop, handover)
    a_day_later(shop, handover)

    assert states(handover) == {ItemState.ACCEPTED: 2}
    assert sorted(handover.items.values_list("tries", flat=True)) == [1, 2]


def test_whoever_could_take_nobody_is_the_last_to_be_offered_others(shop: Shop) -> None:
    wei, lin, mei, sun = (make_staff(name) for name in ("Wei", "Lin", "Mei", "Sun"))
    make_customers(6, owner=wei, followed=True)
    make_customers(3, owner=sun)  # so that Lin has the most room
    shop.open(wei, lin, mei, sun)
    shop.control.seed(staff=[{"userid": lin.wecom_userid, "name": "Lin", "real_name": False}])
    shop.control.faults(takeover_full=[mei.wecom_userid])
    handover = leave(shop, wei, lin, mei, sun)
    hers = list(handover.items.filter(to_staff=mei).values_list("pk", flat=True))

    for _ in range(3):
        a_day_later(shop, handover)

    assert states(handover) == {ItemState.ACCEPTED: 6}
    assert list(handover.items.filter(pk__in=hers).values_list("tried", flat=True)) == [
        [mei.pk],
        [mei.pk],
    ]
