"""The steps of a plan, moves by hand, plans that are kept, and what a preview has promised."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    plan_handover,
    plan_shares,
    propose_receivers,
    start_handover,
)
from contacts.actions.plans import apply_steps, leave_out, move_customers, save_plan, take_plan
from contacts.actions.selecting import Selection
from contacts.actions.sharing import Order, Strategy
from contacts.enums import HandoverKind, HandoverState, ItemState, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    CustomerTag,
    Follow,
    Handover,
    HandoverItem,
    HandoverRequest,
    HistoryEntry,
    Staff,
)
from contacts.plan_steps import check_steps
from contacts.promises import plan_fingerprint, transferred_twice
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

EVERYBODY = {"field": "everybody"}


def step(*receivers, who=EVERYBODY, strategy="evenly", **more):
    return {
        "who": who, "receivers": [staff.pk for staff in receivers], "strategy": strategy
    } | more  # fmt: skip


def apply(handover, *steps, **options):
    values = {"actor": None, "now": NOON} | options
    apply_steps(handover, check_steps(list(steps)), **values)
    return shares(handover)


def shares(handover):
    found = plan_shares(handover)
    return {share.staff.name if share.staff else "": share.customers for share in found}


def receivers_of(handover):
    rows = handover.items.order_by("customer").values_list("customer__name", "to_staff__name")
    return dict(rows)


def named(*names, **fields):
    return [make_customer(name, **fields) for name in names]


# --- steps --------------------------------------------------------------------------------------


def test_each_step_takes_those_whom_no_step_before_it_gave_to_anybody():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    vip = make_tag("VIP")
    chen, _zhao, _sun = customers = named("Chen", "Zhao", "Wu")
    CustomerTag.objects.create(customer=chen, tag=vip, added_at=NOON)
    handover = make_handover(customers=customers)

    apply(handover, step(mei, who={"field": "tag", "op": "any", "value": [vip.pk]}), step(sun))

    assert receivers_of(handover) == {"Chen": "Mei", "Zhao": "Sun", "Wu": "Sun"}
    assert list(handover.items.order_by("pk").values_list("step", flat=True)) == [0, 1, 1]
    assert handover.steps[1] == step(sun, order="recent", limit=None)


def test_what_no_step_gives_has_no_receiver():
    mei = make_staff("Mei")
    handover = make_handover(customers=make_customers(5))

    assert apply(handover, step(mei, limit=2)) == {"Mei": 2, "": 3}
    assert apply(handover) == {"": 5}


def test_the_steps_before_are_forgotten():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=make_customers(5))
    apply(handover, step(mei))

    assert apply(handover, step(sun, limit=1)) == {"Sun": 1, "": 4}


CONDITIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "everybody": (EVERYBODY, {"Old", "New", "Rich", "Far"}),
    "tag any": ({"field": "tag", "op": "any", "value": ["vip", "shy"]}, {"New", "Rich"}),
    "tag all": ({"field": "tag", "op": "all", "value": ["vip", "shy"]}, {"Rich"}),
    "met": ({"field": "last_interaction", "op": "within_days", "value": 30}, {"New"}),
    "not met": ({"field": "last_interaction", "op": "before_days", "value": 30}, {"Old", "Rich", "Far"}),
    "at least": ({"field": "value", "op": "at_least", "value": 500}, {"Rich", "New"}),
    "at most": ({"field": "value", "op": "at_most", "value": 500}, {"Old", "Far", "New"}),
    "top": ({"field": "value", "op": "top", "value": 1}, {"Rich"}),
    "top percent": ({"field": "value", "op": "top_percent", "value": 50}, {"Rich", "New"}),
    "store": ({"field": "store", "op": "in", "value": ["xidan"]}, {"Far"}),
    "connected": ({"field": "connected", "op": "is", "value": True}, {"Old"}),
    "not connected": ({"field": "connected", "op": "is", "value": False}, {"New", "Rich", "Far"}),
    "manual": ({"field": "customer", "op": "in", "value": ["Old", "Far"]}, {"Old", "Far"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_describes(name):
    mei, wei = make_staff("Mei"), make_departed()
    xidan, vip, shy = make_store("Xidan"), make_tag("VIP"), make_tag("Shy")
    old = make_customer("Old", last_interaction_at=NOON - timedelta(days=31))
    new = make_customer("New", last_interaction_at=NOON - timedelta(days=29), spent=500)
    rich = make_customer("Rich", spent=900)
    far = make_customer("Far", store=xidan)
    make_follow(wei, old)
    for customer, tag in ((new, vip), (rich, vip), (rich, shy)):
        CustomerTag.objects.create(customer=customer, tag=tag, added_at=NOON)
    ids = {"vip": vip.pk, "shy": shy.pk, "xidan": xidan.pk, "Old": old.pk, "Far": far.pk}
    who, wanted = CONDITIONS[name]
    if isinstance(who.get("value"), list):
        who = who | {"value": [ids[word] for word in who["value"]]}
    handover = make_handover(wei, customers=[old, new, rich, far])

    apply(handover, step(mei, who=who))

    assert {name for name, to in receivers_of(handover).items() if to} == wanted


def test_a_segment_is_given_by_whoever_knows_segments():
    mei = make_staff("Mei")
    handover = make_handover(customers=named("Chen", "Zhao"))
    who = {"field": "segment", "op": "is", "value": 7}

    apply(handover, step(mei, who=who), segments={7: Customer.objects.filter(name="Zhao")})
    with pytest.raises(RuleBroken, match="not there any more"):
        apply(handover, step(mei, who=who))

    assert receivers_of(handover) == {"Chen": None, "Zhao": "Mei"}


def test_within_the_own_store_each_customer_goes_to_a_colleague_of_that_store():
    near, far, third = make_store("Near"), make_store("Far"), make_store("Third")
    mei, sun = make_staff("Mei", store=near), make_staff("Sun", store=far)
    lin = make_staff("Lin", store=near)
    customers = [*make_customers(4, store=near), *make_customers(3, store=far)]
    customers += make_customers(2, store=third)
    handover = make_handover(customers=customers)

    given = apply(handover, step(mei, lin, sun, strategy="own_store"))

    assert given == {"Lin": 2, "Mei": 2, "Sun": 3, "": 2}
    assert not handover.items.filter(to_staff=sun).exclude(customer__store=far).exists()


def test_capacity_counts_what_earlier_steps_gave():
    mei, sun = make_staff("Mei", capacity=4), make_staff("Sun", capacity=2)
    handover = make_handover(customers=make_customers(9))

    given = apply(handover, step(mei, limit=3), step(mei, sun, strategy="capacity"))

    assert given == {"Mei": 4, "Sun": 2, "": 3}


def test_those_for_whom_there_is_no_room_wait_for_the_next_step():
    mei, sun = make_staff("Mei", capacity=1), make_staff("Sun")
    handover = make_handover(customers=make_customers(3))

    assert apply(handover, step(mei, strategy="capacity"), step(sun)) == {"Mei": 1, "Sun": 2}


def test_the_order_says_who_comes_first():
    mei = make_staff("Mei")
    make: dict[str, dict[str, Any]] = {
        "Rich": {"spent": 900, "last_interaction_at": NOON - timedelta(days=9)},
        "Close": {"spent": 1, "last_interaction_at": NOON},
        "Quiet": {"spent": 2},
    }
    handover = make_handover(customers=[make_customer(name, **more) for name, more in make.items()])

    first = {}
    for order in Order:
        apply(handover, step(mei, order=order.value, limit=1))
        first[order] = handover.items.get(to_staff=mei).customer.name

    assert first == {Order.RECENT: "Close", Order.VALUE: "Rich", Order.QUIET: "Quiet"}


@pytest.mark.parametrize(
    ("unsound", "words"),
    [
        ("x", "a list of steps"),
        ([{"who": EVERYBODY}], "A step says who"),
        ([{"receivers": []}], "between 1 and 200"),
        ([{"receivers": [True]}], "between 1 and 200"),
        ([{"receivers": [1], "color": "red"}], "A step says who"),
        ([{"receivers": [1], "strategy": "random"}], "none of"),
        ([{"receivers": [1, 2], "strategy": "one"}], "exactly one colleague"),
        ([{"receivers": [1], "limit": 0}], "lies between 1"),
        ([{"receivers": [1], "order": ["value"]}], "none of"),
        ([{"receivers": [1], "who": {"field": "name", "op": "is"}}], "cannot ask for"),
        ([{"receivers": [1], "who": {"field": ["tag"], "op": {}}}], "cannot ask for"),
        ([{"receivers": [1], "who": {"field": "tag", "op": "any", "value": "1"}}], "between 1 and"),
        ([{"receivers": [1], "who": {"field": "tag", "op": "any", "x": 1}}], "A condition has"),
        ([{"receivers": [1], "who": {"field": "everybody", "value": 1}}], "takes no value"),
        ([{"receivers": [1], "who": {"field": "connected", "op": "is", "value": 1}}], "true or false"),
        ([{"receivers": [1], "who": {"field": "value", "op": "top_percent", "value": 101}}], "between 1 and 100"),
        ([{"receivers": [1]}] * 41, "at most 40 steps"),
    ],
)  # fmt: skip
def test_an_unsound_step_is_refused_with_what_to_change(unsound, words):
    with pytest.raises(RuleBroken, match=words):
        check_steps(unsound)


def test_a_receiver_who_cannot_take_customers_refuses_the_steps_and_changes_nothing():
    mei, sick = make_staff("Mei"), make_staff("Sick", state=StaffState.SUSPENDED)
    handover = make_handover(customers=make_customers(2))
    apply(handover, step(mei))

    with pytest.raises(RuleBroken, match="Sick is not at work"):
        apply(handover, step(mei), step(sick))
    with pytest.raises(RuleBroken, match="cannot take customers any more"):
        apply(handover, {"receivers": [2**40]})

    assert shares(handover) == {"Mei": 2}
    handover.refresh_from_db()
    assert len(handover.steps) == 1


def test_a_started_handover_takes_no_steps_and_no_moves():
    mei = make_staff("Mei")
    handover = make_handover(to_staff=mei, state=HandoverState.RUNNING)

    for change in (
        lambda: apply(handover, step(mei)),
        lambda: move(handover, None),
        lambda: leave_some_out(handover),
        lambda: save(handover, "A"),
    ):
        with pytest.raises(MovedOn, match="already been started or cancelled"):
            change()

    assert not HistoryEntry.objects.exists()


# --- by hand ------------------------------------------------------------------------------------


def move(handover, receiver, **which):
    items = HandoverItem.objects.filter(**which)
    return move_customers(handover, items, receiver, actor=None, now=NOON)


def test_a_customer_moved_by_hand_stays_there_when_the_steps_change():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=named("Chen", "Zhao", "Wu", "Xu"))
    apply(handover, step(mei))

    assert move(handover, sun, customer__name="Chen") == 1
    assert move(handover, None, customer__name="Zhao") == 1
    apply(handover, step(mei))

    assert receivers_of(handover) == {"Chen": "Sun", "Zhao": None, "Wu": "Mei", "Xu": "Mei"}


def test_dealing_again_changes_nothing():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=make_customers(7))
    apply(handover, step(mei, sun))
    move(handover, sun, pk=handover.items.filter(to_staff=mei)[0].pk)
    before = receivers_of(handover)

    apply(handover, step(mei, sun))

    assert receivers_of(handover) == before


def test_moves_are_forgotten_when_the_person_says_so():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=make_customers(3))
    move(handover, sun)

    assert apply(handover, step(mei), keep_moves=False) == {"Mei": 3}
    assert not handover.items.filter(by_hand=True).exists()


def test_nobody_and_the_items_of_another_handover_cannot_be_moved():
    mei = make_staff("Mei")
    handover, other = make_handover(), make_handover()

    with pytest.raises(RuleBroken, match="Tick customers"):
        move(handover, mei, handover__pk=other.pk)
    with pytest.raises(RuleBroken, match="Wei is not at work"):
        move(handover, make_departed())

    assert not HandoverItem.objects.exclude(to_staff=None).exists()
    assert not HandoverItem.objects.filter(by_hand=True).exists()


def leave_some_out(handover, **which):
    items = HandoverItem.objects.filter(**which)
    return leave_out(handover, items, actor=None, now=NOON)


def test_whom_a_leave_leaves_out_was_never_in_it_and_can_be_planned_elsewhere():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen, *_others = [make_customer(name, owner=lin) for name in ("Chen", "Zhao", "Wu")]
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=NOON)

    assert leave_some_out(handover, customer__name__in=["Chen", "Wu"]) == 2
    apply(handover, step(mei))
    start_handover(handover, actor=None, now=NOON)

    assert (handover.size, receivers_of(handover)) == (1, {"Zhao": "Mei"})
    chen.refresh_from_db()
    assert chen.owner == lin
    assert not [found for found in check_rules(now=NOON) if found.examples]
    assert plan_handover(lin, kind=HandoverKind.REBALANCE, actor=None, now=NOON).size == 2


def test_not_everybody_and_nobody_of_a_leaver_can_be_left_out():
    lin = make_staff("Lin")
    leave = make_handover(lin, customers=make_customers(2, owner=lin), kind=HandoverKind.LEAVE)
    departure = make_handover(customers=make_customers(2))

    for handover, words in ((leave, "all of them"), (departure, "has left")):
        with pytest.raises(RuleBroken, match=words):
            leave_some_out(handover)
        with pytest.raises(RuleBroken):
            leave_some_out(handover, pk=0)

    assert set(HandoverItem.objects.values_list("state", flat=True)) == {ItemState.PLANNED}
    assert HandoverItem.objects.count() == 4
    assert not HistoryEntry.objects.exists()


# --- kept plans -----------------------------------------------------------------------------------


def save(handover, name):
    return save_plan(handover, name, figures=[{"customers": 1}], actor=None, now=NOON)


def test_a_saved_plan_is_taken_up_again_with_its_moves():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=named("Chen", "Zhao", "Wu"))
    apply(handover, step(mei))
    move(handover, sun, customer__name="Chen")
    move(handover, None, customer__name="Zhao")
    wanted = receivers_of(handover)
    kept = save(handover, "All to Mei")
    apply(handover, step(sun), keep_moves=False)

    take_plan(kept, actor=None, now=NOON)

    assert receivers_of(handover) == wanted
    assert handover.items.filter(by_hand=True).count() == 2
    assert kept.figures == [{"customers": 1}]
    assert (handover.plans.get().steps, Handover.objects.get().steps) == (kept.steps, kept.steps)


def test_a_name_is_taken_once_in_each_handover():
    handover, other = make_handover(), make_handover()
    save(handover, "A")
    save(other, "A")

    with pytest.raises(RuleBroken, match="named “A” already"):
        save(handover, "A")

    assert handover.plans.count() == 1


def test_a_plan_whose_receiver_has_left_is_not_taken_and_changes_nothing():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=make_customers(2))
    move(handover, mei)
    kept = save(handover, "A")
    apply(handover, step(sun), keep_moves=False)
    depart_staff(mei.pk, actor=None, now=NOON)

    with pytest.raises(RuleBroken, match="Mei is not at work"):
        take_plan(kept, actor=None, now=NOON)

    assert shares(handover) == {"Sun": 2}


# --- selecting ----------------------------------------------------------------------------------


def select(lin, **options):
    return plan_handover(
        lin, kind=HandoverKind.REBALANCE, actor=None, now=NOON, select=Selection(**options)
    )


def test_a_handover_may_take_only_some_the_longest_not_met_first():
    lin = make_staff("Lin")
    make_customer("Close", owner=lin, last_interaction_at=NOON)
    quiet = make_customer("Quiet", owner=lin)

    handover = select(lin, at_most=1)

    assert handover.size == 1
    assert handover.items.get().customer == quiet


def test_a_handover_may_take_those_who_meet_a_condition():
    lin = make_staff("Lin")
    rich = make_customer("Rich", owner=lin, spent=900)
    make_customer("Chen", owner=lin)
    make_customer("Rich too", owner=make_staff("Mei"), spent=900)

    handover = select(lin, customers=Customer.objects.filter(spent__gt=500))

    assert handover.items.get().customer == rich


def test_a_selection_of_nobody_is_refused_and_plans_nothing():
    lin = make_staff("Lin")
    make_customer(owner=lin)

    with pytest.raises(RuleBroken, match="None of the customers of Lin is like that"):
        select(lin, customers=Customer.objects.filter(spent__gt=500))

    assert not Handover.objects.exists()


# --- the promise of a preview ----------------------------------------------------------------------


@pytest.fixture
def promised():
    """A plan of three for Mei: one of them connected, and Lin gives them away."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    customers = make_customers(2, owner=lin, followed=True) + make_customers(1, owner=lin)
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=NOON)
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=NOON)
    return handover, lin, mei, customers


CHANGES = {
    "receiver's room": lambda _h, _lin, mei, _c: Staff.objects.filter(pk=mei.pk).update(capacity=1),
    "receiver's state": lambda _h, _lin, mei, _c: Staff.objects.filter(pk=mei.pk).update(
        state=StaffState.LEAVING
    ),
    "receiver's account": lambda _h, _lin, mei, _c: Staff.objects.filter(pk=mei.pk).update(
        wecom_userid=None
    ),
    "receiver's customers": lambda _h, _lin, mei, _c: make_customer(owner=mei),
    "giver's state": lambda _h, lin, _mei, _c: Staff.objects.filter(pk=lin.pk).update(
        state=StaffState.LEAVING
    ),
    "a connection": lambda _h, _lin, _mei, customers: Follow.objects.filter(
        customer=customers[0]
    ).delete(),
    "an item": lambda handover, _lin, _mei, _c: handover.items.filter(
        pk=handover.items.first().pk
    ).update(to_staff=None),
    "the steps": lambda handover, _lin, _mei, _c: Handover.objects.filter(pk=handover.pk).update(
        steps=[]
    ),
    "the words": lambda handover, _lin, _mei, _c: Handover.objects.filter(pk=handover.pk).update(
        customer_message="Hello"
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_was_promised_stops_the_start_and_changes_nothing(promised, what):
    handover, lin, _mei, customers = promised
    fingerprint = plan_fingerprint(handover)
    CHANGES[what](*promised)

    with pytest.raises((MovedOn, RuleBroken)):
        start_handover(handover, actor=None, now=NOON, fingerprint=fingerprint)

    assert plan_fingerprint(handover) != fingerprint
    assert Handover.objects.get().state == HandoverState.PLANNED
    assert Customer.objects.filter(owner=lin).count() == len(customers)


def test_what_was_not_promised_stops_nothing(promised):
    handover, _lin, mei, _customers = promised
    fingerprint = plan_fingerprint(handover)
    make_customer(owner=make_staff("Sun"))

    start_handover(handover, actor=None, now=NOON, fingerprint=fingerprint)

    assert Customer.objects.filter(owner=mei).count() == 3


# --- twice in 90 days -----------------------------------------------------------------------------


def transferred(customer, *, days_ago, as_leaver=False, state=ItemState.ACCEPTED):
    at = NOON - timedelta(days=days_ago)
    handover = make_handover(
        customers=[customer], item_state=state, state=HandoverState.DONE, closed_at=at
    )
    request = HandoverRequest.objects.create(
        handover=handover, to_staff=make_staff(), as_leaver=as_leaver, created_at=at
    )
    handover.items.update(request=request, slot=0, closed_at=at)


def test_only_two_transfers_on_the_job_within_90_days_are_too_many():
    often, once, long_ago, after_departures, refused = named("A", "B", "C", "D", "E")
    for customer in (often, long_ago, after_departures, refused):
        transferred(customer, days_ago=1)
    transferred(once, days_ago=89)
    transferred(often, days_ago=89)
    transferred(long_ago, days_ago=91)
    transferred(after_departures, days_ago=2, as_leaver=True)
    transferred(refused, days_ago=2, state=ItemState.REFUSED)

    assert set(Customer.objects.filter(pk__in=transferred_twice(NOON))) == {often}
