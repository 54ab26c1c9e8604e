"""The brief: everything a new owner should know, in a fixed number of queries."""

from datetime import date, timedelta

import pytest

from contacts.actions.ownership import move_ownership
from contacts.enums import OwnershipReason, TaskKind, TaskState
from contacts.models import Customer, CustomerTag
from crm.actions.merges import merge_customers, undo_merge
from crm.briefs import brief_of, briefs_of
from crm.enums import OrderState
from tests.builders import (
    NOON,
    make_customer,
    make_handover,
    make_interaction,
    make_order,
    make_staff,
    make_tag,
    make_task,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def hand_over(customer, mei, **fields):
    """Lin's customer, in custody for an hour and then Mei's."""
    handover = make_handover(make_staff("Lin"), customers=[customer], to_staff=mei, **fields)
    for at, owner in ((NOON + timedelta(minutes=30), None), (LATER, mei.pk)):
        move_ownership(
            [(customer.pk, owner)], reason=OwnershipReason.HANDOVER, now=at, handover=handover
        )
    customer.refresh_from_db()
    return handover


def bought(category, quantity=1):
    return {"name": category, "category": category, "quantity": quantity}


def test_it_says_who_why_and_from_whom():
    mei = make_staff("Mei")
    chen = make_customer("Chen", owner=make_staff("Old"), birthday=date(1990, 3, 5))
    hand_over(chen, mei)

    brief = brief_of(chen)

    assert (brief.customer, brief.came_at, brief.came_from) == (chen, LATER, "Lin")
    assert brief.why == "handover of Lin (departure)"


def test_whoever_goes_on_after_a_merge_was_taken_apart_does_not_greet_anew():
    lin = make_staff("Lin")
    chen, twin = make_customer("Chen", owner=lin), make_customer("Chen", owner=lin)
    merge = merge_customers(twin, into=chen, actor=None, now=LATER)
    undo_merge(merge, actor=None, now=LATER + timedelta(hours=1))
    twin.refresh_from_db()

    brief = brief_of(twin)

    assert (brief.came_at, brief.came_from, brief.greeting) == (None, "", "")


def test_it_holds_what_is_open_and_what_is_liked():
    mei = make_staff("Mei")
    chen = make_customer(owner=mei, attributes={"size": "M", "nested": {"x": 1}, "shoe": 38})
    tag = make_tag("VIP")
    CustomerTag.objects.create(customer=chen, tag=tag)
    talks = [
        make_interaction(chen, text=str(n), happened_at=NOON + n * timedelta(hours=1))
        for n in range(5)
    ]
    pending = make_order(chen, state=OrderState.SHIPPED, items=[bought("coats", 3), bought("hats")])
    make_order(chen, state=OrderState.DONE, items=[bought("hats", 9), {"name": "no category"}])
    make_order(chen, state=OrderState.CANCELLED, items=[bought("socks", 99)])
    promise = make_task(customer=chen, staff=mei, kind=TaskKind.PROMISE)
    to_do = make_task(customer=chen, staff=mei, due_on=NOON.date())
    make_task(customer=chen, staff=mei, state=TaskState.DONE)
    make_task(customer=chen, staff=mei, kind=TaskKind.FIRST_CONTACT)

    brief = brief_of(chen)

    assert brief.interactions == [talks[4], talks[3], talks[2]]
    assert brief.orders == [pending]
    assert (brief.promises, brief.other_tasks) == ([promise], [to_do])
    assert brief.likes == ["hats", "coats"]
    assert brief.tags == [tag]
    assert brief.attributes == {"size": "M", "shoe": "38"}


def test_who_never_changed_hands_came_from_nobody():
    brief = brief_of(make_customer(owner=make_staff("Mei")))

    assert (brief.came_at, brief.came_from, brief.why, brief.greeting) == (None, "", "", "")


def test_the_greeting_of_the_handover_is_filled_and_never_executed():
    mei = make_staff("Mei")
    chen = make_customer("{guide} {store.name}", owner=make_staff("Old"))
    hand_over(chen, mei, greeting="{customer}! {guide}, {store}, {former_guide}, {0} {customer.pk}")

    assert brief_of(chen).greeting == (
        "{guide} {store.name}! Mei, Nanjing Road, Lin, {0} {customer.pk}"
    )


def test_without_words_of_its_own_there_is_a_greeting_all_the_same():
    mei = make_staff("Mei")
    chen = make_customer("Chen", owner=make_staff("Old"))
    hand_over(chen, mei)

    greeting = brief_of(chen).greeting

    assert greeting.startswith("Hello Chen, this is Mei of Nanjing Road. I am taking over from Lin")


def test_in_the_pool_nobody_is_there_to_greet():
    chen = make_customer(owner=make_staff("Lin"))
    move_ownership([(chen.pk, None)], reason=OwnershipReason.CUSTODY, now=LATER)
    chen.refresh_from_db()

    brief = brief_of(chen)

    assert (brief.came_from, brief.greeting) == ("Lin", "")


def test_a_customer_given_by_hand_came_from_the_one_before():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer(owner=lin)
    move_ownership([(chen.pk, mei.pk)], reason=OwnershipReason.TRANSFER, now=LATER)
    chen.refresh_from_db()

    brief = brief_of(chen)

    assert (brief.came_from, brief.why) == ("Lin", "transfer")


@pytest.mark.parametrize("number", [1, 3])
def test_it_takes_the_same_queries_for_one_and_for_many(django_assert_num_queries, number):
    mei = make_staff("Mei")
    for customer in [make_customer(owner=mei) for _ in range(number)]:
        hand_over(customer, mei)
        make_interaction(customer)
        make_task(customer=customer, staff=mei)
        make_order(customer, items=[bought("coats")])
        CustomerTag.objects.create(customer=customer, tag=make_tag())

    customers = list(Customer.objects.select_related("owner", "store").order_by("pk"))
    with django_assert_num_queries(6):
        briefs = briefs_of(customers)
        assert [brief.customer for brief in briefs] == customers
        assert all(brief.greeting and brief.likes and brief.tags for brief in briefs)
