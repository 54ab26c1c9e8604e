"""Tasks: added once, done once, handed on, and done by themselves when the thing is done."""

from datetime import date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection

from contacts.actions import tasks as act
from contacts.actions.interactions import log_interaction
from contacts.actions.ownership import move_ownership
from contacts.enums import (
    CustomerState,
    InteractionKind,
    OwnershipReason,
    StaffState,
    TaskKind,
    TaskState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry, Task
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
    make_task,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
TODAY = NOON.date()


def add(**values):
    fields: dict[str, Any] = {
        "kind": TaskKind.TO_DO, "store": first_store(), "staff": None, "actor": None, "now": NOON,
        "text": "Call back",
    }  # fmt: skip
    return act.add_task(**fields | values)


def state_of(task):
    task.refresh_from_db()
    return (task.state, task.closed_by, task.state_at)


# --- adding ---------------------------------------------------------------------------------------


def test_a_task_is_added_and_stands_in_the_customers_history():
    lin = make_staff("Lin")
    chen = make_customer(owner=lin)

    task = add(staff=lin, actor=lin, customer=chen, text=" Bring the coat ", due_on=TODAY)

    assert (task.staff, task.customer, task.text, task.due_on) == (
        lin,
        chen,
        "Bring the coat",
        TODAY,
    )
    assert (task.state, task.created_by, task.created_at) == (TaskState.OPEN, lin, NOON)
    entry = HistoryEntry.objects.get(action="task.added")
    assert (entry.customer, entry.actor, entry.subject_id) == (chen, lin, task.pk)


@pytest.mark.parametrize("kind", [TaskKind.TO_DO, TaskKind.PROMISE])
@pytest.mark.parametrize("text", ["", "  "])
def test_a_to_do_needs_words(kind, text):
    with pytest.raises(RuleBroken):
        add(kind=kind, text=text)

    assert not Task.objects.exists()
    assert not HistoryEntry.objects.exists()


@pytest.mark.parametrize("day", [TODAY - timedelta(days=1), TODAY + timedelta(days=4000)])
def test_a_day_that_makes_no_sense_is_refused(day):
    with pytest.raises(RuleBroken):
        add(due_on=day)

    assert not Task.objects.exists()


def test_nobody_who_has_departed_gets_a_task():
    with pytest.raises(RuleBroken):
        add(staff=make_departed())

    assert not Task.objects.exists()


def test_somebody_who_departs_at_this_moment_gets_no_task():
    wei = make_staff("Wei")
    type(wei).objects.filter(pk=wei.pk).update(state=StaffState.DEPARTED, departed_at=NOON)

    with pytest.raises(RuleBroken):  # the row in hand still says that Wei is at work
        add(staff=wei)

    assert not Task.objects.exists()
    assert not HistoryEntry.objects.exists()


def test_nothing_is_to_be_done_about_a_tombstone():
    with pytest.raises(RuleBroken):
        add(customer=make_customer(state=CustomerState.ERASED))


@pytest.mark.parametrize("kind", [TaskKind.FIRST_CONTACT, TaskKind.WIN_BACK])
def test_a_second_open_task_of_its_kind_is_the_first_one(kind):
    chen = make_customer()
    first = add(kind=kind, customer=chen, text="")

    assert add(kind=kind, customer=chen, text="Again") == first
    assert HistoryEntry.objects.filter(action="task.added").count() == 1

    act.finish_task(first, actor=None, now=NOON)
    assert add(kind=kind, customer=chen, text="") != first


def test_a_handover_waits_for_one_decision():
    handover = make_handover()

    first = add(kind=TaskKind.DECISION, handover=handover, text="")

    assert add(kind=TaskKind.DECISION, handover=handover, text="") == first


# --- first contacts -------------------------------------------------------------------------------


def test_first_contacts_are_asked_of_new_owners_once(django_assert_num_queries):
    mei, handover = make_staff("Mei"), make_handover()
    customers = make_customers(30, owner=mei)
    pairs = [(customer.pk, mei.pk) for customer in customers]

    with django_assert_num_queries(1):
        assert act.add_first_contacts(pairs, handover=handover, now=NOON) == 30
    assert act.add_first_contacts(pairs, handover=handover, now=LATER) == 0

    task = Task.objects.filter(customer=customers[0]).get()
    assert (task.staff, task.kind, task.handover) == (mei, TaskKind.FIRST_CONTACT, handover)
    assert (task.due_on, task.store_id) == (date(2026, 3, 3), customers[0].store_id)
    assert act.add_first_contacts([], handover=handover, now=NOON) == 0


def test_who_owns_the_customer_no_more_is_asked_nothing():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen, pooled = make_customer(owner=lin), make_customer("Zhao")

    pairs = [(chen.pk, mei.pk), (pooled.pk, mei.pk)]

    assert act.add_first_contacts(pairs, handover=make_handover(), now=NOON) == 0


@pytest.mark.parametrize(
    ("day", "due"), [(2, 3), (5, 6), (6, 9), (7, 9), (8, 9)], ids="Mon Thu Fri Sat Sun".split()
)
def test_a_first_contact_is_due_on_a_working_day(day, due):
    assert act.next_working_day(datetime(2026, 3, day, 12, tzinfo=NOON.tzinfo)) == date(
        2026, 3, due
    )


def test_the_day_is_that_of_the_companys_clock():
    late = datetime(2026, 3, 2, 0, 30, tzinfo=NOON.tzinfo)

    assert act.next_working_day(late) == date(2026, 3, 3)


def test_a_word_of_the_owner_is_the_first_contact():
    mei = make_staff("Mei")
    chen = make_customer(owner=mei)
    first = make_task(staff=mei, customer=chen, kind=TaskKind.FIRST_CONTACT)
    promise = make_task(staff=mei, customer=chen, kind=TaskKind.PROMISE)

    log_interaction(chen, kind=InteractionKind.CALL, text="", actor=mei, now=LATER)

    assert state_of(first) == (TaskState.DONE, mei, LATER)
    assert state_of(promise)[0] == TaskState.OPEN


@pytest.mark.parametrize("who", ["a colleague", "nobody", "before"])
def test_other_words_are_no_first_contact(who):
    mei, lin = make_staff("Mei"), make_staff("Lin")
    chen = make_customer(owner=mei)
    first = make_task(staff=mei, customer=chen, kind=TaskKind.FIRST_CONTACT)
    actor = {"a colleague": lin, "nobody": None, "before": mei}[who]
    at = NOON - timedelta(days=1) if who == "before" else None

    log_interaction(
        chen, kind=InteractionKind.CALL, text="", actor=actor, now=LATER, happened_at=at
    )

    assert state_of(first)[0] == TaskState.OPEN


# --- changing -------------------------------------------------------------------------------------

CHANGES = {
    "finish": lambda task, now: act.finish_task(task, actor=task.staff, now=now),
    "drop": lambda task, now: act.drop_task(task, actor=task.staff, now=now),
    "reschedule": lambda task, now: act.reschedule_task(task, TODAY, actor=None, now=now),
    "reassign": lambda task, now: act.reassign_task(task, None, actor=None, now=now),
}


@pytest.mark.parametrize(
    ("change", "state"), [("finish", TaskState.DONE), ("drop", TaskState.DROPPED)]
)
def test_a_task_is_closed_by_somebody_at_a_time(change, state):
    lin = make_staff("Lin")
    task = make_task(staff=lin)

    CHANGES[change](task, LATER)

    assert state_of(task) == (state, lin, LATER)
    assert HistoryEntry.objects.get().action == f"task.{state}"


@pytest.mark.parametrize("change", CHANGES)
def test_a_closed_task_changes_no_more(change):
    task = make_task(staff=make_staff("Lin"))
    stale = Task.objects.get(pk=task.pk)
    act.finish_task(task, actor=None, now=NOON)

    with pytest.raises(MovedOn):
        CHANGES[change](stale, LATER)

    assert state_of(task) == (TaskState.DONE, None, NOON)
    assert HistoryEntry.objects.count() == 1


def test_a_task_is_due_on_another_day_or_none():
    task = make_task(due_on=TODAY)

    act.reschedule_task(task, TODAY + timedelta(days=3), actor=None, now=NOON)
    first = task.due_on
    act.reschedule_task(task, None, actor=None, now=NOON)
    assert (first, task.due_on) == (TODAY + timedelta(days=3), None)
    with pytest.raises(RuleBroken):
        act.reschedule_task(task, TODAY - timedelta(days=1), actor=None, now=NOON)

    assert state_of(task)[0] == TaskState.OPEN


def test_a_task_is_given_to_a_colleague():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    task = make_task(staff=lin)

    act.reassign_task(task, mei, actor=lin, now=NOON)

    assert task.staff == mei
    assert HistoryEntry.objects.get().data == {"staff": mei.pk}


@pytest.mark.parametrize("state", [StaffState.DEPARTED, StaffState.SUSPENDED])
def test_nobody_away_is_given_a_task(state):
    lin = make_staff("Lin")
    task = make_task(staff=lin)
    gone: dict[str, Any] = {"departed_at": NOON} if state == StaffState.DEPARTED else {}

    with pytest.raises(RuleBroken):
        act.reassign_task(task, make_staff("Mei", state=state, **gone), actor=lin, now=NOON)

    task.refresh_from_db()
    assert task.staff == lin


def test_open_tasks_follow_the_customer_and_those_of_others_stay():
    lin, mei, hua = make_staff("Lin"), make_staff("Mei"), make_staff("Hua")
    chen = make_customer(owner=lin)
    promise = make_task(staff=lin, customer=chen, kind=TaskKind.PROMISE)
    hers = make_task(staff=hua, customer=chen)
    done = make_task(staff=lin, customer=chen, state=TaskState.DONE)

    move_ownership([(chen.pk, mei.pk)], reason=OwnershipReason.HANDOVER, now=LATER)

    for task, holder in ((promise, mei), (hers, hua), (done, lin)):
        task.refresh_from_db()
        assert task.staff == holder


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_done_one_is_told():
    task = make_task(staff=make_staff("Lin"))
    ready, told = Barrier(2), []

    def press():
        mine = Task.objects.get(pk=task.pk)
        ready.wait(5)
        try:
            act.finish_task(mine, actor=mine.staff, now=LATER)
        except MovedOn:
            told.append(mine)
        finally:
            connection.close()

    threads = [Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(told) == 1
    assert HistoryEntry.objects.filter(action="task.done").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_for_the_same_first_contact_get_one_task():
    chen, ready, got = make_customer(), Barrier(2), []
    store = first_store()

    def ask():
        ready.wait(5)
        try:
            got.append(add(kind=TaskKind.FIRST_CONTACT, customer=chen, store=store, text=""))
        finally:
            connection.close()

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(got) == 2
    assert got[0] == got[1]
    assert Task.objects.count() == 1
