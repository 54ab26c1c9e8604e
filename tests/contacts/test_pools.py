"""Out of the pool: who may claim whom, who is assigned what, and what stays as it was."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from contacts.actions.departures import depart_staff
from contacts.actions.ownership import move_ownership
from contacts.actions.pool_rules import drop_rule, save_rule
from contacts.actions.pools import (
    assign_from_pool,
    claim_customer,
    claim_next,
    preview_assignment,
)
from contacts.actions.sharing import Strategy
from contacts.enums import (
    HandoverState,
    ItemState,
    NoticeKind,
    OwnershipReason,
    PoolOrder,
    StaffState,
    TaskKind,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    Follow,
    Handover,
    HandoverItem,
    HistoryEntry,
    Notice,
    OwnershipPeriod,
    PoolRule,
    Task,
)
from contacts.pools import offered_to, resting, rule_of
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
    make_store,
)
from tests.sandboxed import open_shop

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def make_rule(**fields: Any) -> PoolRule:
    return PoolRule.objects.create(**{"claiming": True, "store": first_store()} | fields)


def claim(customer, staff, now=NOON):
    claim_customer(customer, staff=staff, now=now)


def owner_of(customer):
    return Customer.objects.get(pk=customer.pk).owner


def unchanged(customer):
    """Whether the customer still rests in the pool, and nothing says otherwise."""
    return (
        owner_of(customer) is None
        and not HistoryEntry.objects.filter(action="pool.claimed").exists()
        and not OwnershipPeriod.objects.filter(reason=OwnershipReason.CLAIMED).exists()
    )


# --- rules --------------------------------------------------------------------------------------


def test_without_any_rule_everything_is_off():
    rule = rule_of(make_store())

    assert (rule.claiming, rule.assignment, rule.recycle_after_days) == (False, "off", 0)


def test_a_store_has_its_own_rule_or_that_of_the_company():
    here, there = make_store("Here"), make_store("There")
    make_rule(store=None, claims_per_day=3)
    make_rule(store=here, claims_per_day=9)

    assert (rule_of(here).claims_per_day, rule_of(there).claims_per_day) == (9, 3)


@pytest.mark.parametrize("place", ["store", "company"])
def test_there_is_one_rule_for_a_store_and_one_for_the_company(refused_by, place):
    store = make_store() if place == "store" else None
    make_rule(store=store)

    with refused_by("pool_rule_once"):
        make_rule(store=store)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("pool_rule_order_known", {"first": "loudest"}),
        ("pool_rule_assignment_known", {"assignment": "lottery"}),
        ("pool_rule_offers_some", {"offered": 0}),
        ("pool_rule_offers_some", {"offered": 51}),
        ("pool_rule_weekdays_known", {"weekdays": [0]}),
        ("pool_rule_opens_before_it_closes", {"opens_at": "21:00", "closes_at": "10:00"}),
        ("pool_rule_warns_in_time", {"recycle_after_days": 7, "warn_days": 7}),
    ],
)
def test_the_database_refuses_a_rule_that_makes_no_sense(refused_by, constraint, fields):
    with refused_by(constraint):
        make_rule(**fields)


def test_a_rule_is_saved_changed_and_dropped_and_history_knows():
    store, hua = make_store(), make_staff("Hua")

    save_rule(store, {"claiming": True, "claims_per_day": 3}, actor=hua, now=NOON)
    save_rule(store, {"claims_per_day": 4}, actor=hua, now=NOON)
    assert (rule_of(store).claiming, rule_of(store).claims_per_day) == (True, 4)
    drop_rule(store, actor=hua, now=NOON)

    assert not PoolRule.objects.exists()
    actions = HistoryEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["pool.rule_changed", "pool.rule_changed", "pool.rule_dropped"]


@pytest.mark.parametrize(
    "values",
    [
        {"recycle_after_days": 5, "warn_days": 7},
        {"weekdays": [], "only_in_hours": True},
    ],
)
def test_values_that_do_not_go_together_are_refused_and_change_nothing(values):
    store = make_store()

    with pytest.raises(RuleBroken):
        save_rule(store, values, actor=None, now=NOON)

    assert not PoolRule.objects.exists()
    assert not HistoryEntry.objects.exists()


# --- claiming -----------------------------------------------------------------------------------


def test_a_guide_claims_a_customer_with_the_open_tasks():
    make_rule()
    lin, chen = make_staff("Lin"), make_customer("Chen")
    task = Task.objects.create(
        kind=TaskKind.TO_DO, text="Call", store=chen.store, customer=chen, state_at=NOON
    )

    claim(chen, lin, NOON + DAY)

    assert owner_of(chen) == lin
    period = OwnershipPeriod.objects.get(customer=chen, ended_at=None)
    assert (period.reason, period.staff) == (OwnershipReason.CLAIMED, lin)
    task.refresh_from_db()
    assert task.staff == lin
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.actor, entry.data) == ("pool.claimed", lin, {"customer": chen.pk})


@pytest.mark.parametrize(
    ("rule", "who", "says"),
    [
        ({"claiming": False}, {}, "the manager gives out"),
        ({}, {"state": StaffState.LEAVING, "leaves_on": NOON.date()}, "Only who is at work"),
        ({}, {"state": StaffState.SUSPENDED}, "Only who is at work"),
        ({}, {"leaves_on": NOON.date()}, "Only who is at work"),
        ({}, {"capacity": 0}, "as many customers as you can take"),
        ({"claims_per_day": 0}, {}, "all of today's 0"),
        ({"new_days": 3}, {}, "is new in the pool"),
    ],
)
def test_a_claim_against_the_rules_is_refused_and_changes_nothing(rule, who, says):
    make_rule(**rule)
    lin, chen = make_staff("Lin", **who), make_customer("Chen")

    with pytest.raises(RuleBroken, match=says):
        claim(chen, lin)

    assert unchanged(chen)


def test_nobody_claims_out_of_the_pool_of_another_store():
    make_rule(store=None)
    first_store()
    chen, mei = make_customer("Chen"), make_staff("Mei", store=make_store("Far"))

    with pytest.raises(RuleBroken, match="another store"):
        claim(chen, mei)

    assert unchanged(chen)


def test_a_customer_in_an_open_handover_is_not_claimed():
    make_rule()
    lin, chen = make_staff("Lin"), make_customer("Chen")
    make_handover(customers=[chen])

    with pytest.raises(MovedOn, match="not in the pool any more"):
        claim(chen, lin)

    assert unchanged(chen)


def test_whoever_comes_too_late_is_told():
    make_rule()
    lin, mei, chen = make_staff("Lin"), make_staff("Mei"), make_customer("Chen")
    claim(chen, lin)

    with pytest.raises(MovedOn, match="somebody was faster"):
        claim(chen, mei)

    assert owner_of(chen) == lin


def test_the_former_owner_may_claim_back_only_after_the_days_of_the_rule():
    make_rule(not_back_days=30)
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    move_ownership([(chen.pk, None)], reason=OwnershipReason.RECYCLED, now=NOON)

    with pytest.raises(RuleBroken, match="until lately"):
        claim(chen, lin, NOON + 29 * DAY)
    assert unchanged(chen)

    claim(chen, lin, NOON + 31 * DAY)
    assert owner_of(chen) == lin


def test_new_customers_are_the_managers_for_some_days():
    make_rule(new_days=3)
    lin, chen = make_staff("Lin"), make_customer("Chen")

    assert not offered_to(lin, rule_of(chen.store), now=NOON + 2 * DAY)
    claim(chen, lin, NOON + 3 * DAY)

    assert owner_of(chen) == lin


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (PoolOrder.WAITING, ["Old", "Rich"]),
        (PoolOrder.VALUE, ["Rich", "Old"]),
        (PoolOrder.RECENT, ["Met", "Old"]),
    ],
)
def test_only_the_first_of_the_order_may_be_claimed(order, names):
    make_rule(first=order, offered=2)
    lin = make_staff("Lin")
    assert lin.store
    make_customer("Old", since=NOON - 3 * DAY)
    make_customer("Rich", since=NOON - 2 * DAY, spent=900)
    make_customer("Met", since=NOON - DAY, last_interaction_at=NOON)

    offered = offered_to(lin, rule_of(lin.store), now=NOON).select_related("customer")

    assert [period.customer.name for period in offered] == names
    last = Customer.objects.exclude(name__in=names).get()
    with pytest.raises(RuleBroken, match="Others come before"):
        claim(last, lin)
    assert unchanged(last)


def test_the_days_limit_counts_from_local_midnight():
    make_rule(claims_per_day=1)
    lin = make_staff("Lin")
    first, second = make_customer("Chen"), make_customer("Zhao")
    before_midnight = NOON.replace(hour=23, minute=59)
    claim(first, lin, before_midnight)

    with pytest.raises(RuleBroken, match="all of today's 1"):
        claim(second, lin, before_midnight)

    claim(second, lin, before_midnight + timedelta(minutes=2))
    assert owner_of(second) == lin


def test_the_next_one_is_the_first_who_is_free():
    make_rule()
    lin = make_staff("Lin")
    moving = make_customer("Moving", since=NOON - 2 * DAY)
    make_handover(customers=[moving])
    chen = make_customer("Chen", since=NOON - DAY)
    make_customer("Zhao")

    assert claim_next(lin, now=NOON) == chen
    assert owner_of(chen) == lin


def test_there_may_be_no_next_one():
    make_rule()

    with pytest.raises(RuleBroken, match="Nobody waits"):
        claim_next(make_staff("Lin"), now=NOON)


# --- assigning ----------------------------------------------------------------------------------


def everybody():
    return resting()


def shares(given):
    return [(share.staff and share.staff.name, share.customers) for share in given]


def assign(*people, customers=None, strategy=Strategy.EVENLY, actor=None):
    chosen = everybody() if customers is None else customers
    return assign_from_pool(chosen, people, strategy=strategy, actor=actor, now=NOON)


def test_customers_are_spread_evenly_as_the_preview_says():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(5)

    said = preview_assignment(everybody(), [lin, mei], strategy=Strategy.EVENLY)
    assert not Customer.objects.exclude(owner=None).exists()

    assert shares(said) == shares(assign(lin, mei)) == [("Lin", 3), ("Mei", 2)]
    assert Customer.objects.filter(owner=lin).count() == 3
    assert OwnershipPeriod.objects.filter(reason=OwnershipReason.ASSIGNED).count() == 5
    entry = HistoryEntry.objects.get(action="pool.assigned")
    assert entry.data == {"customers": 5, "staff": {str(lin.pk): 3, str(mei.pk): 2}}
    told = Notice.objects.filter(kind=NoticeKind.FROM_POOL).order_by("pk")
    assert [(row.staff, row.data["customers"]) for row in told] == [(lin, 3), (mei, 2)]


@pytest.mark.parametrize("strategy", [Strategy.EVENLY, Strategy.CAPACITY])
def test_nobody_gets_more_than_they_have_room_for(strategy):
    lin, mei = make_staff("Lin", capacity=2), make_staff("Mei", capacity=4)
    make_customers(1, owner=mei)
    make_customers(8)

    assert shares(assign(lin, mei, strategy=strategy)) == [("Lin", 2), ("Mei", 3), (None, 3)]
    assert Customer.objects.filter(owner=None).count() == 3


def test_by_capacity_whoever_has_more_room_gets_more():
    lin, mei = make_staff("Lin", capacity=10), make_staff("Mei", capacity=30)
    make_customers(8)

    assert shares(assign(lin, mei, strategy=Strategy.CAPACITY)) == [("Lin", 2), ("Mei", 6)]


def test_customers_stay_in_their_store():
    lin, mei = make_staff("Lin"), make_staff("Mei", store=make_store("Far"))
    make_customers(2)
    far = make_customers(1, store=mei.store)
    make_customers(1, store=make_store("Empty"))

    assert shares(assign(lin, mei)) == [("Lin", 2), ("Mei", 1), (None, 1)]
    assert owner_of(far[0]) == mei


def test_only_who_rests_in_a_pool_is_assigned():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    owned, moving = make_customer("Owned", owner=mei), make_customer("Moving")
    make_handover(customers=[moving])
    free = make_customer("Free")

    assert shares(assign(lin)) == [("Lin", 1)]
    assert (owner_of(free), owner_of(owned), owner_of(moving)) == (lin, mei, None)


@pytest.mark.parametrize(
    "who",
    [
        {"state": StaffState.SUSPENDED},
        {"state": StaffState.LEAVING, "leaves_on": NOON.date()},
        {"leaves_on": NOON.date()},
    ],
)
def test_who_is_away_or_leaving_gets_nobody(who):
    lin, mei = make_staff("Lin"), make_staff("Mei", **who)
    make_customers(2)

    with pytest.raises(RuleBroken, match="Mei is not at work or about to leave"):
        assign(lin, mei)

    assert not Customer.objects.exclude(owner=None).exists()
    assert not HistoryEntry.objects.exists()


def test_an_assignment_of_nobody_or_to_nobody_is_refused():
    lin = make_staff("Lin")
    with pytest.raises(RuleBroken, match="rests in the pool"):
        assign(lin)
    make_customer()
    with pytest.raises(RuleBroken, match="at least one colleague"):
        assign()


def test_many_are_assigned_in_parts(monkeypatch):
    monkeypatch.setattr("contacts.actions.pools.CHUNK", 4)
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(10)

    assert shares(assign(lin, mei)) == [("Lin", 5), ("Mei", 5)]
    sizes = [row.data["customers"] for row in HistoryEntry.objects.order_by("pk")]
    assert sizes == [4, 4, 2]


# --- WeCom --------------------------------------------------------------------------------------


def left_behind(number=1):
    """Customers whom a departed colleague left in the pool, and whom WeCom still connects."""
    wei = make_departed(left_channel_at=NOON)
    customers = make_customers(number, store=wei.store)
    for customer in customers:
        make_follow(wei, customer)
    return wei, customers


def test_claiming_whom_wecom_connects_with_a_leaver_asks_for_them_there():
    make_rule()
    wei, [chen] = left_behind()
    lin = make_staff("Lin")

    with open_shop():
        claim(chen, lin)

    handover = Handover.objects.get()
    assert (handover.from_staff, handover.state) == (wei, HandoverState.RUNNING)
    item = handover.items.get()
    assert (item.to_staff, item.state) == (lin, ItemState.REQUESTED)
    assert handover.requests.get().to_staff == lin
    period = OwnershipPeriod.objects.get(customer=chen, ended_at=None)
    assert (period.reason, period.handover, period.staff) == (
        OwnershipReason.CLAIMED,
        handover,
        lin,
    )
    assert not [finding for finding in check_rules(now=NOON) if finding.rows]


def test_assigning_asks_for_all_customers_of_a_leaver_in_one_handover():
    wei, _customers = left_behind(3)
    other = make_customer("Other", store=wei.store)
    lin, mei = make_staff("Lin"), make_staff("Mei")

    with open_shop():
        assign(lin, mei)

    handover = Handover.objects.get()
    assert (handover.size, handover.items.count()) == (3, 3)
    assert owner_of(other)
    assert Counter(HandoverItem.objects.values_list("state", flat=True)) == {ItemState.REQUESTED: 3}
    assert not Customer.objects.filter(owner=None).exists()


def test_without_wecom_or_an_account_there_only_the_owner_changes():
    make_rule()
    _wei, [chen, zhao] = left_behind(2)
    lin, outsider = make_staff("Lin"), make_staff("Mei", wecom_userid=None)

    claim(chen, lin)
    with open_shop():
        claim(zhao, outsider)

    assert (owner_of(chen), owner_of(zhao)) == (lin, outsider)
    assert not Handover.objects.exists()
    assert Follow.objects.active().count() == 2


def test_a_departure_and_a_claim_of_what_the_plan_left_over():
    make_rule()
    wei, lin = make_staff("Wei"), make_staff("Lin")
    chen = make_customer("Chen", owner=wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    with pytest.raises(MovedOn):
        claim(chen, lin, NOON + DAY)

    HandoverItem.objects.update(state=ItemState.CANCELLED, closed_at=NOON)
    claim(chen, lin, NOON + DAY)
    assert owner_of(chen) == lin
