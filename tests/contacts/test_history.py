"""What history tells of handovers and losses, so that others can be told."""

import pytest
from django.db import connection

from contacts.actions.closing import close_if_settled
from contacts.actions.follows import end_follow
from contacts.actions.handovers import finish_handover, start_handover
from contacts.actions.settlement import settle_items
from contacts.enums import FollowEnd, HandoverState, ItemState
from contacts.models import HistoryEntry, Loss
from contacts.queries import customer_timeline
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_follow,
    make_handover,
    make_staff,
)

pytestmark = pytest.mark.django_db


def told(action):
    return [entry.data for entry in HistoryEntry.objects.filter(action=action).order_by("pk")]


def waiting(customers=3):
    return make_handover(
        customers=make_customers(customers),
        to_staff=make_staff("Mei"),
        item_state=ItemState.WAITING,
        state=HandoverState.RUNNING,
    )


def settle(handover, outcome):
    return settle_items(handover, handover.items.all(), outcome, now=NOON)


@pytest.mark.parametrize("outcome", [ItemState.ACCEPTED, ItemState.REFUSED])
def test_one_entry_says_how_many_customers_came_to_an_outcome(outcome):
    handover = waiting()

    settle(handover, outcome)
    settle(handover, outcome)

    assert told("handover.items_settled") == [{"outcome": outcome.value, "customers": 3}]


def test_those_whom_no_channel_has_to_be_asked_about_are_told_too():
    handover = make_handover(
        customers=make_customers(2), to_staff=make_staff("Mei", wecom_userid=None)
    )

    start_handover(handover, actor=None, now=NOON)

    assert told("handover.items_settled") == [{"outcome": "accepted", "customers": 2}]
    assert told("handover.done") == [{}]


def test_the_end_of_a_handover_is_told_once():
    handover = waiting()
    close_if_settled(handover, now=NOON)
    assert told("handover.done") == []

    settle(handover, ItemState.ACCEPTED)
    close_if_settled(handover, now=NOON)
    close_if_settled(handover, now=NOON)

    assert told("handover.done") == [{}]


def test_an_end_by_a_manager_is_told_as_such():
    handover = waiting()
    settle(handover, ItemState.FAILED)
    handover.items.update(state=ItemState.REFUSED)

    finish_handover(handover, actor=None, now=NOON)
    close_if_settled(handover, now=NOON)

    assert (told("handover.done"), told("handover.finished")) == ([], [{"pool": 3}])


def test_a_loss_stands_on_the_timeline():
    lin = make_staff()
    chen = make_customer("Chen", owner=lin, address="wm-chen")
    make_follow(lin, chen)

    end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=NOON, now=NOON)

    entry = HistoryEntry.objects.get(action="customer.lost")
    assert (entry.customer, entry.subject_id) == (chen, Loss.objects.get().pk)
    assert entry.data == {"kind": "by_customer", "staff": lin.pk}
    lines = [line.title for line in customer_timeline(chen, limit=10)]
    assert "Lost: connected with nobody any more" in lines


def test_whoever_stays_connected_with_a_colleague_is_not_told_as_lost():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=lin, address="wm-chen")
    for person in (lin, mei):
        make_follow(person, chen)

    end_follow(lin, "wm-chen", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=NOON, now=NOON)

    assert told("customer.lost") == []


def test_an_entry_knows_the_transaction_that_wrote_it():
    settle(waiting(), ItemState.ACCEPTED)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(xact = pg_current_xact_id()::text::bigint) FROM contacts_historyentry"
        )
        assert cursor.fetchone()[0] is True
