"""What pools do by themselves: whoever waits too long is assigned, the forgotten come back."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from contacts.actions.interactions import log_interaction
from contacts.actions.ownership import move_ownership
from contacts.actions.pool_rounds import assign_automatically, stores_to_assign
from contacts.actions.recycling import recycle, stores_to_recycle
from contacts.enums import (
    Assignment,
    InteractionKind,
    NoticeKind,
    OwnershipReason,
    Role,
    StaffState,
    TaskKind,
)
from contacts.models import (
    Customer,
    HistoryEntry,
    Notice,
    OwnershipPeriod,
    PoolRound,
    PoolRule,
    Task,
)
from contacts.tasks import assign_pool, recycle_pool
from crm.actions.sweeping import _DUE
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_customers,
    make_handover,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MONDAY = NOON
LATER = NOON + 2 * HOUR


def make_rule(**fields: Any) -> PoolRule:
    values = {"store": first_store(), "assignment": Assignment.TURNS, "assign_after_hours": 1}
    return PoolRule.objects.create(**values | fields)


def assign(now: datetime = LATER) -> int:
    return assign_automatically(first_store(), now=now)


def owned() -> dict[str, int]:
    found: dict[str, int] = {}
    for name in Customer.objects.filter(owner__isnull=False).values_list("owner__name", flat=True):
        found[name] = found.get(name, 0) + 1
    return found


# --- assigning ----------------------------------------------------------------------------------


def test_whoever_has_waited_long_enough_is_assigned_and_the_others_are_not():
    make_rule(assign_after_hours=24)
    make_staff("Lin")
    make_customer("Old", since=NOON - DAY)
    make_customer("New", since=NOON - DAY + HOUR)

    assert assign(NOON) == 1

    assert Customer.objects.get(name="Old").owner
    period = OwnershipPeriod.objects.get(reason=OwnershipReason.ASSIGNED)
    entry = HistoryEntry.objects.get(action="pool.assigned")
    assert (entry.actor, entry.data["customers"]) == (None, 1)
    assert Notice.objects.get().staff == period.staff


def test_guides_take_turns_and_the_turn_is_remembered():
    make_rule()
    for name in ("Lin", "Mei", "Sun"):
        make_staff(name)

    make_customers(4)
    assert assign() == 4
    assert owned() == {"Lin": 2, "Mei": 1, "Sun": 1}

    make_customers(2)
    assert assign(LATER + DAY) == 2
    assert sorted(owned().values()) == [2, 2, 2]


def test_by_capacity_whoever_has_most_room_is_next():
    make_rule(assignment=Assignment.CAPACITY)
    make_staff("Lin", capacity=2)
    make_staff("Mei", capacity=5)
    make_customers(4)

    assert assign() == 4
    assert owned() == {"Lin": 1, "Mei": 3} or owned() == {"Mei": 4}


def test_nobody_gets_more_than_they_have_room_for():
    make_rule()
    make_staff("Lin", capacity=1)
    make_staff("Mei", capacity=2)
    make_customers(5)

    assert assign() == 3
    assert owned() == {"Lin": 1, "Mei": 2}


def test_only_guides_at_work_in_the_store_who_stay_are_given_customers():
    make_rule()
    make_staff("Hua", role=Role.MANAGER)
    make_staff("Sick", state=StaffState.SUSPENDED)
    make_staff("Off", state=StaffState.LEAVING, leaves_on=date(2026, 3, 9))
    make_staff("Soon", leaves_on=date(2026, 3, 9))
    make_staff("Far", store=make_store("Far"))
    make_customers(2)

    assert assign() == 0
    assert owned() == {}


def test_nobody_gets_back_whom_they_have_just_lost():
    make_rule(not_back_days=30)
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    move_ownership([(chen.pk, None)], reason=OwnershipReason.RECYCLED, now=NOON)

    assert assign(LATER) == 0
    assert assign(LATER + 31 * DAY) == 1


def test_a_customer_in_an_open_handover_is_left_alone():
    make_rule()
    make_staff("Lin")
    make_handover(customers=[make_customer()])

    assert assign() == 0


def test_an_assignment_that_is_repeated_finds_nobody():
    make_rule()
    make_staff("Lin")
    make_customers(3)

    assert (assign(), assign()) == (3, 0)
    assert OwnershipPeriod.objects.filter(reason=OwnershipReason.ASSIGNED).count() == 3


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ((2, 10, 0), 1),  # a Monday, as the shop opens
        ((2, 9, 59), 0),
        ((2, 20, 59), 1),
        ((2, 21, 0), 0),
        ((8, 12, 0), 0),  # a Sunday
        ((7, 12, 0), 1),
    ],
)
def test_customers_are_assigned_in_working_hours_local_time(moment, expected):
    make_rule(weekdays=[1, 2, 3, 4, 5, 6], opens_at=time(10), closes_at=time(21))
    make_staff("Lin")
    make_customer(since=NOON - 9 * DAY)
    day, hour, minute = moment
    local = NOON.replace(day=day, hour=hour, minute=minute)

    for now in (local, local.astimezone(ZoneInfo("UTC"))):
        assert bool(stores_to_assign(now)) == bool(expected)
    assert assign(local.astimezone(ZoneInfo("UTC"))) == expected


def test_working_hours_follow_the_zone_and_its_summer_time(settings):
    rule = make_rule(opens_at=time(10), closes_at=time(21))
    berlin, utc = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")

    with timezone.override(berlin):
        in_winter = rule.is_working_time(datetime(2026, 3, 28, 8, 30, tzinfo=utc))
        in_summer = rule.is_working_time(datetime(2026, 3, 29, 8, 30, tzinfo=utc))

    assert (in_winter, in_summer) == (False, True)


def test_around_the_clock_means_at_night_as_well():
    make_rule(only_in_hours=False)
    make_staff("Lin")
    make_customer()

    assert assign(NOON + 15 * HOUR) == 1


def test_the_sweeper_finds_a_store_at_most_once_a_minute():
    make_rule()
    store, minute = first_store(), timedelta(minutes=1)
    make_customer()
    assert stores_to_assign(NOON) == []
    assert stores_to_assign(LATER) == [store.pk]

    assign(LATER)

    assert stores_to_assign(LATER + minute / 2) == []
    assert stores_to_assign(LATER + minute) == [store.pk]


def test_the_sweeper_looks_at_stores_under_the_companys_rule_and_at_no_others():
    first, second, closed = make_store("A"), make_store("B"), make_store("C", closed_at=NOON)
    for store in (first, second, closed):
        make_customer(store=store)
    make_rule(store=None)
    make_rule(store=first, assignment=Assignment.OFF)

    assert stores_to_assign(LATER) == [second.pk]


def test_the_sweeper_knows_both_rounds():
    assert (stores_to_assign, assign_pool) in _DUE
    assert (stores_to_recycle, recycle_pool) in _DUE


# --- recycling ----------------------------------------------------------------------------------

N, WARN = 60, 7
DAWN = NOON.replace(hour=7)
"""When the first customer is told of: on the 53rd day."""


def recycling(**fields: Any) -> PoolRule:
    values = {"assignment": Assignment.OFF, "recycle_after_days": N, "warn_days": WARN}
    return make_rule(**values | fields)


def run(day: int) -> int:
    """Do the round of the nth day after the customers were added."""
    return recycle(first_store(), now=DAWN + day * DAY)


def test_a_forgotten_customer_goes_back_after_the_guide_was_told():
    recycling()
    hua, lin = make_staff("Hua", role=Role.MANAGER), make_staff("Lin")
    chen = make_customer("Chen", owner=lin)

    assert (run(N - WARN), Notice.objects.count()) == (0, 0)
    assert run(N - WARN + 1) == 0
    warning = Notice.objects.get()
    assert (warning.staff, warning.kind) == (lin, NoticeKind.FROM_POOL)
    assert warning.data == {"what": "warned", "customers": 1, "days": WARN}

    assert run(N) == 0
    assert run(N + 1) == 1

    chen.refresh_from_db()
    assert chen.owner is None
    period = OwnershipPeriod.objects.get(customer=chen, ended_at=None)
    assert period.reason == OwnershipReason.RECYCLED
    assert HistoryEntry.objects.get(action="pool.recycled").data == {
        "customers": 1,
        "staff": {str(lin.pk): 1},
    }
    told = Notice.objects.filter(data__what__startswith="recycled").values_list("staff", flat=True)
    assert set(told) == {lin.pk, hua.pk}


def test_nobody_goes_back_of_whom_the_guide_was_not_told_in_time():
    recycling()
    make_customer("Chen", owner=make_staff("Lin"))

    assert run(N + 100) == 0
    assert run(N + 100 + WARN - 1) == 0
    assert run(N + 100 + WARN) == 1


def test_without_warnings_nobody_has_to_be_told_first():
    recycling(warn_days=0)
    make_customer("Chen", owner=make_staff("Lin"))

    assert run(N + 1) == 1
    assert not Notice.objects.filter(data__what="warned").exists()


def test_a_warning_is_given_once_a_day():
    recycling()
    make_customer("Chen", owner=make_staff("Lin"))

    run(N - 3)
    run(N - 3)

    assert Notice.objects.count() == 1


def test_a_contact_in_time_keeps_the_customer():
    recycling()
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    run(N - 3)
    log_interaction(
        chen, kind=InteractionKind.CALL, text="Hello", actor=lin, now=NOON + (N - 2) * DAY
    )

    assert run(N + 5) == 0
    assert Customer.objects.get().owner == lin


def spared(**fields: Any) -> bool:
    recycling(warn_days=0)
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    if "task" in fields:
        Task.objects.create(
            store=chen.store, customer=chen, staff=lin, text="Call", state_at=NOON, **fields["task"]
        )
    if "handover" in fields:
        make_handover(lin, customers=[chen], kind="leave")
    if "owned_since" in fields:
        Customer.objects.filter(pk=chen.pk).update(owner=None)
        OwnershipPeriod.objects.update(staff=None)
        at = NOON + fields["owned_since"] * DAY
        move_ownership([(chen.pk, lin.pk)], reason=OwnershipReason.ASSIGNED, now=at)
    return run(N + 1) == 0 and Customer.objects.get().owner == lin


TOMORROW = (DAWN + (N + 2) * DAY).date()
YESTERDAY = (DAWN + N * DAY).date()


@pytest.mark.parametrize("kind", [TaskKind.TO_DO, TaskKind.PROMISE])
def test_whom_something_is_promised_stays(kind):
    assert spared(task={"kind": kind, "due_on": TOMORROW})


def test_a_promise_that_was_not_kept_spares_nobody():
    assert not spared(task={"kind": TaskKind.PROMISE, "due_on": YESTERDAY})


def test_whoever_is_in_an_open_handover_stays():
    assert spared(handover=True)


@pytest.mark.parametrize(("day", "stays"), [(0, False), (10, True)])
def test_whoever_came_to_the_guide_lately_stays(day, stays):
    assert spared(owned_since=day) is stays


def test_of_one_guide_only_so_many_go_in_a_day_the_longest_forgotten_first():
    recycling(warn_days=0, recycle_per_day=2)
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(3, owner=lin)
    oldest = make_customer("Oldest", owner=lin, since=NOON - DAY)
    Customer.objects.exclude(pk=oldest.pk).update(last_interaction_at=NOON)
    make_customers(1, owner=mei)

    assert run(N + 1) == 3
    assert run(N + 1) == 0
    assert owned() == {"Lin": 2}
    assert Customer.objects.get(pk=oldest.pk).owner is None

    assert run(N + 2) == 2
    assert owned() == {}


def test_many_go_in_parts(monkeypatch):
    monkeypatch.setattr("contacts.actions.recycling.CHUNK", 2)
    recycling(warn_days=0)
    make_customers(5, owner=make_staff("Lin"))

    assert run(N + 1) == 5
    assert HistoryEntry.objects.filter(action="pool.recycled").count() == 3


def test_the_tasks_of_who_goes_back_are_the_managers():
    recycling(warn_days=0)
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    task = Task.objects.create(
        store=chen.store, customer=chen, staff=lin, text="Call", kind=TaskKind.TO_DO, state_at=NOON
    )

    run(N + 1)

    task.refresh_from_db()
    assert task.staff is None


def test_the_sweeper_finds_a_store_once_a_day_in_the_morning():
    recycling()
    store = first_store()
    before_dawn, morning = NOON.replace(hour=5), NOON.replace(hour=6)

    assert stores_to_recycle(before_dawn) == []
    assert stores_to_recycle(morning) == [store.pk]
    recycle(store, now=morning)
    assert stores_to_recycle(morning + 8 * HOUR) == []
    assert stores_to_recycle(morning + DAY) == [store.pk]
    assert PoolRound.objects.get().recycled_on == morning.date()


def test_a_store_that_does_not_recycle_is_left_alone():
    make_rule()
    make_customer(owner=make_staff("Lin"))

    assert stores_to_recycle(NOON + 400 * DAY) == []
    assert run(400) == 0
