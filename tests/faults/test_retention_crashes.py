"""A process dies at each named point of a departure, a handover and an undo; others go on."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from config.places import ROOT
from contacts.actions.handovers import plan_handover, propose_receivers, start_handover
from contacts.actions.moving import CHUNK, move_planned
from contacts.actions.settlement import CHECK_LEASE, check_handover
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.actions.transfers import LEASE, make_due_requests
from contacts.actions.undo import TO_UNDO, undo_handover
from contacts.enums import HandoverKind, HandoverState, ItemState, StaffState
from contacts.errors import MovedOn
from contacts.models import Customer, Handover, HandoverItem, HandoverRequest, Staff
from contacts.queries import handover_progress
from crm.actions.departures import let_go
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_customers, make_staff
from tests.faults.crew import Crew
from tests.faults.dying import DEAD, POINTS
from tests.faults.stories import DAY, broken_promises
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

NUMBER = CHUNK + 60
"""Customers of a story: more than one part."""

LEASES = max(LEASE, CHECK_LEASE) + timedelta(seconds=1)


def crash(crew: Crew, verb: str, point: str, row: int) -> None:
    """Let a process of its own do the verb and die at this point."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.dying", verb, point, str(row)],
        cwd=ROOT,
        env={**crew.process_environment(), **crew.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == DEAD, done.stderr
    assert broken_promises() == []


def others_go_on() -> None:
    """The sweeper finds all that is due, and finds it again once leases are over; no broker rings."""
    for _round in range(4):
        do_what_is_due(now=timezone.now())
    for handover in Handover.objects.filter(state=HandoverState.RUNNING):
        make_due_requests(handover.pk, now=timezone.now() + LEASES)


def plan_of(wei: Staff, *receivers: Staff) -> Handover:
    handover = Handover.objects.get(from_staff=wei, state=HandoverState.PLANNED)
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=timezone.now())
    return handover


def states(handover: Handover) -> dict[ItemState, int]:
    progress = handover_progress(handover)
    assert progress.adds_up
    return {state: n for state, n in progress.states.items() if n}


def leaver(shop: Shop, number: int = NUMBER) -> tuple[Staff, Staff]:
    """Wei with customers whom WeCom connects with her, gone from WeCom; and Lin."""
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(number, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=timezone.now())
    return wei, lin


def end_exactly(shop: Shop, handover: Handover, lin: Staff, number: int = NUMBER) -> None:
    """Everybody asked once, taken over, in exactly one hand."""
    assert states(handover) == {ItemState.WAITING: number}
    shop.control.advance(DAY + 60)
    check_handover(handover.pk, now=timezone.now(), early=True)
    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert states(handover) == {ItemState.ACCEPTED: number}
    assert Customer.objects.filter(owner=lin).count() == number
    transfers = Counter(row["external_userid"] for row in shop.control.rows("transfers"))
    assert set(transfers.values()) == {1}
    assert len(transfers) == number
    assert shop.violations() == []
    assert broken_promises() == []


@pytest.mark.parametrize("point", POINTS["depart"])
def test_a_departure(crew: Crew, shop: Shop, point: str) -> None:
    wei, lin = leaver(shop)

    crash(crew, "depart", point, wei.pk)

    wei.refresh_from_db()
    assert (wei.state == StaffState.DEPARTED) == (point == "after_commit")
    owned = Customer.objects.filter(owner=wei).count()
    assert owned == (0 if point == "after_commit" else NUMBER)
    if point == "after_commit":
        with pytest.raises(MovedOn):
            let_go(wei.pk, actor=None, now=timezone.now())
    else:
        assert let_go(wei.pk, actor=None, now=timezone.now())
    handover = plan_of(wei, lin)
    start_handover(handover, actor=None, now=timezone.now())
    others_go_on()
    end_exactly(shop, handover, lin)


@pytest.mark.parametrize("point", POINTS["start"])
def test_a_start(crew: Crew, shop: Shop, point: str) -> None:
    wei, lin = leaver(shop)
    let_go(wei.pk, actor=None, now=timezone.now())
    handover = plan_of(wei, lin)

    crash(crew, "start", point, handover.pk)

    handover.refresh_from_db()
    started = point == "after_first_part"
    assert (handover.state == HandoverState.RUNNING) == started
    assert Customer.objects.filter(owner=lin).count() == (CHUNK if started else 0)
    if not started:
        start_handover(handover, actor=None, now=timezone.now())
    others_go_on()
    end_exactly(shop, handover, lin)


@pytest.mark.parametrize("point", POINTS["move"])
def test_moving(crew: Crew, shop: Shop, point: str) -> None:
    number = 2 * CHUNK + 60
    wei, lin = leaver(shop, number)
    let_go(wei.pk, actor=None, now=timezone.now())
    handover = plan_of(wei, lin)
    start_handover(handover, actor=None, now=timezone.now())

    crash(crew, "move", point, handover.pk)

    moved = {"in_part": 1, "in_requests": 1, "after_part": 2, "in_next_part": 2}[point]
    assert Customer.objects.filter(owner=lin).count() == moved * CHUNK
    others_go_on()
    end_exactly(shop, handover, lin, number)
    sizes = Counter(HandoverItem.objects.values_list("request", flat=True)).values()
    assert max(sizes) <= 100


@pytest.mark.parametrize("point", POINTS["settle"])
def test_a_settlement(crew: Crew, shop: Shop, point: str) -> None:
    wei, lin = leaver(shop)
    let_go(wei.pk, actor=None, now=timezone.now())
    handover = plan_of(wei, lin)
    start_handover(handover, actor=None, now=timezone.now())
    others_go_on()
    shop.control.advance(DAY + 60)

    crash(crew, "settle", point, handover.pk)

    settled = {"in_part": 0, "after_part": CHUNK, "in_next_part": CHUNK, "after_next_part": NUMBER}
    assert states(handover).get(ItemState.ACCEPTED, 0) == settled[point]
    assert not check_handover(handover.pk, now=timezone.now())
    check_handover(handover.pk, now=timezone.now() + LEASES)
    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert states(handover) == {ItemState.ACCEPTED: NUMBER}
    assert Customer.objects.filter(owner=lin).count() == NUMBER
    assert len(shop.control.rows("transfers")) == NUMBER
    assert broken_promises() == []


def handed_over_on_the_job(shop: Shop) -> tuple[Staff, Staff, Handover]:
    """Lin is on leave; Mei has taken her customers over, through WeCom."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(NUMBER, owner=lin, followed=True)
    shop.open(lin, mei)
    now = timezone.now()
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=now)
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    move_planned(handover.pk, now=timezone.now())
    make_due_requests(handover.pk, now=timezone.now())
    shop.control.advance(DAY + 60)
    check_handover(handover.pk, now=timezone.now(), early=True)
    assert states(handover) == {ItemState.ACCEPTED: NUMBER}
    return lin, mei, handover


def end_undo_exactly(shop: Shop, handover: Handover, lin: Staff) -> None:
    """Everybody back with Lin, here and at WeCom, each asked once."""
    others_go_on()
    assert Customer.objects.filter(owner=lin).count() == NUMBER
    back = Handover.objects.get(undoes=handover)
    assert states(back) == {ItemState.WAITING: NUMBER}
    shop.control.advance(DAY + 60)
    check_handover(back.pk, now=timezone.now(), early=True)
    assert states(back) == {ItemState.ACCEPTED: NUMBER}
    assert handover.items.exclude(undone_at=None).count() == NUMBER
    follows = shop.control.rows("follows", userid=lin.wecom_userid or "")
    assert len(follows) == NUMBER
    asked = Counter(
        row["external_userid"]
        for row in shop.control.rows("transfers", takeover=lin.wecom_userid or "")
    )
    assert set(asked.values()) == {1}
    assert shop.violations() == []
    assert broken_promises() == []


@pytest.mark.parametrize("point", POINTS["undo"])
def test_an_undo(crew: Crew, shop: Shop, point: str) -> None:
    lin, _mei, handover = handed_over_on_the_job(shop)

    crash(crew, "undo", point, handover.pk)

    asked = point != "in_asking"
    assert handover.items.exclude(undo_asked_at=None).count() == (NUMBER if asked else 0)
    back = CHUNK if point == "after_part" else 0
    assert Customer.objects.filter(owner=lin).count() == back
    if not asked:
        undo_handover(handover, actor=None, now=timezone.now())
    end_undo_exactly(shop, handover, lin)


@pytest.mark.parametrize("point", POINTS["finish_undo"])
def test_the_rest_of_an_undo(crew: Crew, shop: Shop, point: str) -> None:
    lin, _mei, handover = handed_over_on_the_job(shop)
    undo_handover(handover, actor=None, now=timezone.now())
    assert handover.items.filter(TO_UNDO).count() == NUMBER - CHUNK

    crash(crew, "finish_undo", point, handover.pk)

    back = NUMBER if point == "after_part" else CHUNK
    assert Customer.objects.filter(owner=lin).count() == back
    end_undo_exactly(shop, handover, lin)


def test_lost_answers_of_large_transfers_are_asked_for_again(crew: Crew, shop: Shop) -> None:
    """Asked twice WeCom answers 40100 or 40129: under way, not failed."""
    wei, lin = leaver(shop)
    let_go(wei.pk, actor=None, now=timezone.now())
    handover = plan_of(wei, lin)
    path = "externalcontact/resigned/transfer_customer"
    shop.control.faults(lose=[{"path": path, "times": 3}])
    start_handover(handover, actor=None, now=timezone.now())

    others_go_on()

    assert HandoverRequest.objects.filter(attempts__gt=1).count() == 3
    end_exactly(shop, handover, lin)
