"""A person of the channel is added by a guide, or is gone again."""

from datetime import timedelta

import pytest

from contacts.actions.customers import Profile, tag_customer
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow, end_follow
from contacts.enums import FollowEnd, OwnershipReason
from contacts.models import Customer, Follow, HistoryEntry, Staff
from tests.builders import (
    NOON,
    make_code,
    make_customer,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
BEFORE = NOON - timedelta(hours=1)
CHEN = Profile(name="Chen")


def add(staff, address="wm-chen", *, now=NOON, **options):
    return begin_follow(staff, address, profile=CHEN, now=now, **options)


# --- being added --------------------------------------------------------------------------------


def test_a_stranger_who_adds_a_guide_is_the_guides_customer():
    lin = make_staff()

    follow = add(lin, add_way=1, came_by="window")

    assert (follow.staff, follow.add_way, follow.came_by, follow.began_at) == (
        lin,
        1,
        "window",
        NOON,
    )
    assert (follow.customer.owner, follow.customer.store) == (lin, lin.store)
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.customer, entry.source) == (
        "customer.added",
        follow.customer,
        "wecom",
    )


def test_the_same_news_twice_changes_nothing():
    lin = make_staff()
    first = add(lin)

    assert add(lin, now=LATER) == first

    assert Customer.objects.count() == Follow.objects.count() == HistoryEntry.objects.count() == 1


def test_a_customer_of_a_colleague_stays_with_the_colleague():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer(owner=lin, address="wm-chen")

    follow = add(mei)

    chen.refresh_from_db()
    assert (follow.staff, follow.customer, chen.owner) == (mei, chen, lin)
    assert chen.ownership_periods.count() == 1


def test_whoever_rests_in_the_pool_is_taken_over_by_the_guide_they_add():
    chen, lin = make_customer(address="wm-chen"), make_staff()

    add(lin, now=LATER)

    chen.refresh_from_db()
    old, new = chen.ownership_periods.order_by("began_at")
    assert chen.owner == lin
    assert (old.ended_at, new.began_at, new.staff) == (LATER, LATER, lin)
    assert new.reason == OwnershipReason.ADDED


def test_whoever_is_being_handed_over_stays_in_the_pool_until_that_is_settled():
    chen, lin = make_customer(address="wm-chen"), make_staff()
    make_handover(customers=[chen])

    add(lin)

    chen.refresh_from_db()
    assert chen.owner is None


def test_a_code_brings_its_store_and_tags():
    elsewhere = make_store("Huaihai Road")
    code = make_code(store=elsewhere, tags=[make_tag("Walk-in")])
    lin = make_staff()
    Staff.objects.filter(pk=lin.pk).update(store=None)
    lin.refresh_from_db()

    follow = add(lin, code=code)

    assert follow.customer.store == elsewhere
    assert [row.tag.name for row in follow.customer.carried_tags.all()] == ["Walk-in"]
    assert HistoryEntry.objects.get(action="customer.tagged").source == f"code:{code.state}"


def test_a_code_replaces_the_tag_of_an_exclusive_group():
    chen, gold = make_customer(address="wm-chen"), make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)
    tag_customer(chen, [gold], actor=None, now=NOON)

    add(make_staff(), code=make_code(tags=[silver]))

    assert chen.carried_tags.get().tag == silver


# --- added to somebody who has left -------------------------------------------------------------


def test_whoever_adds_a_departed_guide_goes_to_the_pool_of_the_store():
    wei = make_departed()

    follow = add(wei)

    assert (follow.staff, follow.customer.owner, follow.customer.store) == (wei, None, wei.store)


def test_a_stranger_goes_to_the_pool_when_the_guide_departs_in_the_same_moment():
    """The guide was at work when the callback was read, and is not when it is written down."""
    lin = make_staff()
    depart_staff(lin.pk, actor=None, now=NOON)

    follow = add(lin)

    assert lin.is_employed, "this copy must be stale, or the test says nothing"
    assert (follow.customer.owner, follow.customer.ownership_periods.get().staff) == (None, None)


def test_a_pooled_customer_stays_there_when_the_guide_departs_in_the_same_moment():
    lin, chen = make_staff(), make_customer(address="wm-chen")
    depart_staff(lin.pk, actor=None, now=NOON)

    follow = add(lin)

    chen.refresh_from_db()
    assert (follow.customer, chen.owner) == (chen, None)


# --- going --------------------------------------------------------------------------------------


def test_a_removal_ends_the_follow_and_leaves_the_owner():
    lin = make_staff()
    follow = add(lin)

    assert end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=LATER) is True

    follow.refresh_from_db()
    assert (follow.ended_at, follow.end_reason) == (LATER, FollowEnd.REMOVED_BY_CUSTOMER)
    assert follow.customer.owner == lin
    entry = HistoryEntry.objects.get(action="follow.ended")
    assert entry.data == {"staff": lin.pk, "reason": "by_customer"}


def test_a_removal_that_is_told_twice_ends_it_once():
    lin = make_staff()
    add(lin)
    end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=LATER)

    assert end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_STAFF, at=LATER) is True

    assert Follow.objects.get().end_reason == FollowEnd.REMOVED_BY_CUSTOMER
    assert HistoryEntry.objects.filter(action="follow.ended").count() == 1


def test_an_old_removal_does_not_end_a_newer_follow():
    follow = make_follow(began_at=LATER)
    address = follow.customer.identities.get().value

    assert end_follow(follow.staff, address, reason=FollowEnd.REMOVED_BY_STAFF, at=NOON) is True

    follow.refresh_from_db()
    assert follow.ended_at is None


def test_an_adding_that_is_older_than_the_removal_begins_nothing():
    lin = make_staff()
    add(lin, began_at=BEFORE)
    end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=NOON)

    again = add(lin, now=LATER, began_at=BEFORE)

    assert Follow.objects.get() == again
    assert again.ended_at == NOON


def test_whoever_comes_back_is_followed_anew_with_the_whole_story():
    lin = make_staff()
    add(lin)
    end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=LATER)

    again = add(lin, now=LATER + timedelta(days=1))

    assert Follow.objects.count() == 2
    assert again.customer == Customer.objects.get()


def test_the_removal_of_a_stranger_is_not_known():
    lin, chen = make_staff(), make_customer(address="wm-chen")

    assert end_follow(lin, "wm-nobody", reason=FollowEnd.REMOVED_BY_STAFF, at=NOON) is False
    assert end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_STAFF, at=NOON) is False

    assert not HistoryEntry.objects.filter(customer=chen).exists()
