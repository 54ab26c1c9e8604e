"""Who is lost, when, to whom that is said, and how they come back."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from contacts.actions.customers import Profile
from contacts.actions.follows import begin_follow, end_follow
from contacts.actions.handovers import finish_handover
from contacts.actions.loss_decisions import ask_to_win_back, give_reason, write_off
from contacts.actions.losses import hold_customers, record_losses, win_back
from contacts.actions.settlement import settle_items
from contacts.enums import (
    FollowEnd,
    HandoverState,
    ItemState,
    LossKind,
    LossReason,
    LossState,
    NoticeKind,
    Role,
    Scope,
    StaffState,
    TaskKind,
    TaskState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.managers import managers_by_store
from contacts.models import Follow, HistoryEntry, Loss, Notice, Task
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_department,
    make_follow,
    make_handover,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
LAST = NOON + timedelta(hours=2)
CHEN = Profile(name="Chen")
BY_CUSTOMER, BY_STAFF = FollowEnd.REMOVED_BY_CUSTOMER, FollowEnd.REMOVED_BY_STAFF


def connected(*staff, **fields):
    """Chen, owned by the first of these and connected with each."""
    chen = make_customer(owner=staff[0], address="wm-chen", **fields)
    for person in staff:
        make_follow(person, chen)
    return chen


def remove(staff, reason=BY_CUSTOMER, *, at=LATER):
    return end_follow(staff, "wm-chen", reason=reason, at=at)


def add(staff, *, at=NOON):
    return begin_follow(staff, "wm-chen", profile=CHEN, now=at, began_at=at)


# --- lost ---------------------------------------------------------------------------------------


def test_whoever_removes_their_only_colleague_is_lost_with_all_that_they_were_worth():
    lin = make_staff()
    chen = connected(lin, spent=1200, last_interaction_at=NOON)

    remove(lin)

    loss = Loss.objects.get()
    assert (loss.customer, loss.staff, loss.owner, loss.store) == (chen, lin, lin, lin.store)
    assert (loss.kind, loss.is_last, loss.state) == ("by_customer", True, "open")
    assert (loss.value, loss.last_contact_at, loss.at) == (Decimal(1200), NOON, LATER)


@pytest.mark.parametrize("reason", [FollowEnd.TRANSFERRED, FollowEnd.DEPARTED])
def test_a_transfer_is_no_loss(reason):
    lin = make_staff()
    connected(lin)

    remove(lin, reason)

    assert Loss.objects.count() == Task.objects.count() == Notice.objects.count() == 0


def test_whom_a_comparison_does_not_find_any_more_is_lost_by_nobody_knows_whom():
    lin = make_staff()
    connected(lin)

    remove(lin, FollowEnd.MISSING)

    loss = Loss.objects.get()
    assert (loss.kind, loss.state) == ("unknown", "open")


def test_who_removed_the_missing_may_become_known_late():
    lin = make_staff()
    connected(lin)
    remove(lin, FollowEnd.MISSING, at=LAST)

    assert remove(lin, BY_STAFF, at=LATER)

    assert Follow.objects.get().end_reason == BY_STAFF
    loss = Loss.objects.get()
    assert (loss.kind, loss.state) == ("by_staff", "open")


def test_whoever_is_known_to_have_removed_stays_the_one():
    lin = make_staff()
    connected(lin)
    remove(lin, BY_CUSTOMER, at=LAST)

    remove(lin, BY_STAFF, at=LATER)
    remove(lin, FollowEnd.MISSING, at=LATER)

    assert Loss.objects.get().kind == "by_customer"


def test_whoever_is_still_connected_with_a_colleague_is_not_lost():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    connected(lin, mei)

    remove(mei)

    loss = Loss.objects.get()
    assert (loss.is_last, loss.state) == (False, LossState.KEPT)
    assert Task.objects.count() == Notice.objects.count() == 0

    remove(lin, at=LAST)

    assert Loss.objects.get(is_last=True).staff == lin


def test_the_latest_removal_is_the_last_even_when_it_is_known_first():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    connected(lin, mei)

    remove(mei, at=LAST)
    remove(lin, at=LATER)

    assert Loss.objects.get(is_last=True).staff == mei


def test_a_removal_that_is_told_twice_is_one_loss():
    lin = make_staff()
    make_staff("Hua", role=Role.MANAGER)
    connected(lin)

    remove(lin)
    remove(lin)
    remove(lin, BY_STAFF)

    assert Loss.objects.count() == Task.objects.count() == 1
    assert Notice.objects.count() == 2


def test_in_whatever_order_things_become_known_the_customer_is_lost_once():
    """Added, removed, added again, removed again; told twice each, in every order."""
    for number, order in enumerate(permutations(range(4))):
        lin, address = make_staff(f"Lin{number}"), f"wm{number}"
        news = [("add", 1), ("del", 2), ("add", 3), ("del", 4)]
        for _again in range(2):
            for what, hour in [news[place] for place in order]:
                at = NOON + timedelta(hours=hour)
                if what == "add":
                    begin_follow(lin, address, profile=CHEN, now=at, began_at=at)
                else:
                    end_follow(lin, address, reason=BY_CUSTOMER, at=at)

        losses = Loss.objects.filter(staff=lin)
        assert losses.filter(state=LossState.OPEN).count() == 1, order
        assert losses.get(state=LossState.OPEN).at == NOON + timedelta(hours=4), order
        assert not Follow.objects.active().filter(staff=lin).exists(), order


def test_many_losses_are_written_down_by_a_fixed_number_of_queries():
    def lose(number):
        wei = make_departed(f"Wei{number}")
        customers = make_customers(number, owner=None)
        follows = [
            make_follow(wei, customer, ended=FollowEnd.LOST, ended_at=LATER).pk
            for customer in customers
        ]
        with CaptureQueriesContext(connection) as queries:
            assert record_losses(follows, LossKind.ON_HANDOVER, now=LATER) == number
        return len(queries)

    make_staff("Hua", role=Role.MANAGER)

    assert lose(1) == lose(7)
    assert Notice.objects.count() == 2
    assert Loss.objects.filter(state=LossState.OPEN).count() == 8


def test_a_channel_whose_clock_is_fast_loses_nobody_in_the_future():
    lin = make_staff()
    connected(lin)

    end_follow(lin, "wm-chen", reason=BY_CUSTOMER, at=LAST, now=LATER)

    assert (Loss.objects.get().at, Notice.objects.get().created_at) == (LATER, LATER)


# --- who is told, and whose task it is ----------------------------------------------------------


def test_the_owner_is_to_win_back_and_the_manager_is_told():
    lin, hua = make_staff("Lin"), make_staff("Hua", role=Role.MANAGER)
    make_staff("Wang", role=Role.MANAGER, store=make_store("Elsewhere"))
    chen = connected(lin)

    remove(lin)

    task = Task.objects.get()
    assert (task.kind, task.staff, task.customer, task.store) == (
        TaskKind.WIN_BACK,
        lin,
        chen,
        lin.store,
    )
    told = Notice.objects.filter(kind=NoticeKind.CUSTOMER_LOST, customer=chen)
    assert set(told.values_list("staff", flat=True)) == {lin.pk, hua.pk}


def test_whoever_removed_the_customer_is_not_asked_to_win_them_back():
    lin, hua = make_staff("Lin"), make_staff("Hua", role=Role.MANAGER)
    connected(lin)

    remove(lin, BY_STAFF)

    assert Task.objects.get().staff is None
    notice = Notice.objects.get()
    assert (notice.kind, notice.staff, notice.about) == (NoticeKind.CUSTOMER_REMOVED, hua, lin)


def test_a_colleague_who_removes_hundreds_is_told_of_once_a_day():
    lin = make_staff("Lin")
    make_staff("Hua", role=Role.MANAGER)
    for number in range(5):
        make_follow(lin, make_customer(owner=lin, address=f"wm{number}"))

    for number in range(5):
        end_follow(lin, f"wm{number}", reason=BY_STAFF, at=LATER)

    assert Loss.objects.filter(state=LossState.OPEN).count() == 5
    assert Notice.objects.count() == 1


def test_pooled_customers_are_the_managers_to_win_back():
    wei = make_departed()
    chen = make_customer(address="wm-chen")
    make_follow(wei, chen)

    remove(wei)

    assert Task.objects.get().staff is None


def test_the_managers_of_a_store_are_those_whose_grant_reaches_it():
    retail = make_department("Retail")
    east = make_department("East", parent=retail)
    store = make_store("Nanjing Road", department=east)
    other = make_store("Xidan", department=make_department("North", parent=retail))
    manager: dict[str, Any] = {"role": Role.MANAGER}
    here = make_staff("Here", store=store, **manager)
    above = make_staff("Above", store=other, scope=Scope.DEPARTMENT, department=retail, **manager)
    whole = make_staff("Whole", store=other, scope=Scope.COMPANY, **manager)
    granted = make_staff("Granted", store=other, **manager)
    granted.roles.get().stores.add(store)
    make_staff(
        "Beside", store=other, scope=Scope.DEPARTMENT, department=other.department, **manager
    )
    make_staff("Suspended", store=store, state=StaffState.SUSPENDED, **manager)
    make_departed("Departed", store=store, **manager)
    make_staff("Guide", store=store)

    found = managers_by_store([store.pk])

    assert found == {store.pk: [here.pk, granted.pk, above.pk, whole.pk]}


# --- back ---------------------------------------------------------------------------------------


def test_whoever_is_added_again_is_won_back_and_the_task_is_done():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    connected(lin)
    remove(lin)

    add(mei, at=LAST)

    loss = Loss.objects.get()
    assert (loss.state, loss.state_at) == (LossState.WON_BACK, LAST)
    assert Task.objects.get().state == TaskState.DONE
    assert HistoryEntry.objects.get(action="customer.won_back").customer == loss.customer


def test_old_news_of_an_adding_wins_nobody_back():
    lin = make_staff()
    connected(lin)
    remove(lin, at=LAST)

    add(lin, at=LATER)

    assert Loss.objects.get().state == LossState.OPEN


def test_whoever_is_taken_over_after_all_is_won_back():
    wei, mei = make_departed(), make_staff("Mei")
    chen = make_customer(address="wm-chen")
    make_follow(wei, chen)
    handover = make_handover(
        wei,
        customers=[chen],
        state=HandoverState.RUNNING,
        item_state=ItemState.WAITING,
        to_staff=mei,
    )
    remove(wei)

    settle_items(handover, handover.items.all(), ItemState.ACCEPTED, now=LAST)

    assert Loss.objects.get().state == LossState.WON_BACK
    assert Follow.objects.active().get().staff == mei


def test_whom_nobody_took_over_is_lost_when_the_handover_is_finished():
    wei = make_departed()
    chen = make_customer(address="wm-chen")
    make_follow(wei, chen)
    handover = make_handover(
        wei, customers=[chen], state=HandoverState.RUNNING, item_state=ItemState.REFUSED
    )

    finish_handover(handover, actor=None, now=LATER)

    loss = Loss.objects.get()
    assert (loss.kind, loss.state, loss.staff) == (LossKind.ON_HANDOVER, LossState.OPEN, wei)


def test_only_the_connected_are_won_back():
    lin = make_staff()
    chen = connected(lin)
    remove(lin)

    assert win_back([chen.pk], now=LAST) == 0
    assert Loss.objects.get().state == LossState.OPEN


# --- what people decide -------------------------------------------------------------------------


@pytest.fixture
def loss():
    lin = make_staff("Lin")
    connected(lin)
    remove(lin)
    return Loss.objects.get()


def test_a_reason_is_given_and_may_be_given_anew(loss):
    give_reason(loss, reason=LossReason.MOVED, note="", actor=loss.staff, now=LAST)
    give_reason(loss, reason=LossReason.OTHER, note=" baby ", actor=loss.staff, now=LAST)

    loss.refresh_from_db()
    assert (loss.reason, loss.note) == (LossReason.OTHER, "baby")
    assert HistoryEntry.objects.filter(action="loss.reason", customer=loss.customer).count() == 2


@pytest.mark.parametrize(
    ("reason", "note"),
    [(LossReason.NONE, " "), (LossReason.OTHER, ""), (LossReason.MOVED, "x" * 401)],
)
def test_a_reason_that_says_nothing_is_refused(loss, reason, note):
    with pytest.raises(RuleBroken):
        give_reason(loss, reason=reason, note=note, actor=None, now=LAST)

    loss.refresh_from_db()
    assert (loss.reason, loss.note) == ("", "")


def test_whoever_is_written_off_is_nobodys_task_any_more(loss):
    write_off(loss, actor=None, now=LAST)

    assert (loss.state, Task.objects.get().state) == (LossState.WRITTEN_OFF, TaskState.DROPPED)


def test_what_is_not_open_is_not_written_off(loss):
    add(loss.staff, at=LAST)

    with pytest.raises(MovedOn):
        write_off(loss, actor=None, now=LAST)

    loss.refresh_from_db()
    assert loss.state == LossState.WON_BACK


def test_the_win_back_can_be_given_to_somebody(loss):
    mei = make_staff("Mei")

    ask_to_win_back(loss, mei, actor=None, now=LAST)

    assert Task.objects.get(state=TaskState.OPEN).staff == mei


def test_a_win_back_that_was_dropped_is_asked_for_again(loss):
    Task.objects.update(state=TaskState.DROPPED)
    mei = make_staff("Mei")

    ask_to_win_back(loss, mei, actor=None, now=LAST)

    assert Task.objects.get(state=TaskState.OPEN).staff == mei


def test_nobody_who_has_left_is_asked_to_win_back(loss):
    with pytest.raises(RuleBroken, match="Wei has departed"):
        ask_to_win_back(loss, make_departed("Wei"), actor=None, now=LAST)

    assert Task.objects.get().staff == loss.staff


# --- at the same moment -------------------------------------------------------------------------


def at_once(*actions):
    """Do these in threads of their own, and wait for them."""
    start = Barrier(len(actions))

    def act(action):
        try:
            start.wait(5)
            action()
        finally:
            connections.close_all()

    threads = [Thread(target=act, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


@pytest.mark.django_db(transaction=True)
def test_of_two_removals_at_the_same_moment_one_is_the_last():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    connected(lin, mei)

    at_once(lambda: remove(lin), lambda: remove(mei))

    assert sorted(Loss.objects.values_list("state", flat=True)) == ["kept", "open"]


@pytest.mark.django_db(transaction=True)
def test_nobody_is_lost_who_is_added_by_a_colleague_at_the_same_moment():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = connected(lin)

    def add_mei() -> None:
        add(mei, at=LAST)
        connections.close_all()

    with transaction.atomic():
        hold_customers([chen.pk])
        adding = Thread(target=add_mei)
        adding.start()
        adding.join(0.3)
        remove(lin)
    adding.join(30)

    assert not Loss.objects.filter(state=LossState.OPEN).exists()
    assert Follow.objects.active().get().staff == mei
