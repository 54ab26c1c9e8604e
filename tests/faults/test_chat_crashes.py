"""A worker dies at each named point around a transfer of group chats; the next one goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.actions.chat_transfers import LEASE, transfer_due_chats
from contacts.actions.chats import chat_counts
from contacts.actions.handovers import propose_receivers, start_handover
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.enums import HandoverState, ItemState
from contacts.models import GroupChat, Handover
from crm.actions.departures import let_go
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_staff
from tests.faults.crashing import POINTS
from tests.faults.crew import Crew
from tests.faults.stories import broken_promises
from tests.faults.test_crash_points import crash
from tests.sandboxed import Shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

NUMBER = 150
"""More chats than one call takes."""


def begin(shop: Shop) -> Handover:
    """Wei has left with her chats and no customers; Lin is to own them from now on."""
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    shop.open_chats(wei, *[f"wr{place:03}" for place in range(NUMBER)])
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=timezone.now())
    handover = let_go(wei.pk, actor=None, now=timezone.now())
    assert handover
    propose_receivers(handover, [lin], strategy=Strategy.ONE, actor=None, now=timezone.now())
    start_handover(handover, actor=None, now=timezone.now())
    return handover


@pytest.mark.parametrize("point", POINTS)
def test_a_transfer_of_chats(crew: Crew, shop: Shop, point: str) -> None:
    handover = begin(shop)

    crash(
        crew,
        point,
        "externalcontact/groupchat/transfer",
        "contacts.tasks.transfer_chats",
        handover.pk,
    )

    written = point == "after_write_down"
    first = ItemState.ACCEPTED if written else ItemState.REQUESTED
    assert chat_counts(handover) == {first: 100, ItemState.PLANNED: 50}
    assert broken_promises() == []
    do_what_is_due(now=timezone.now())
    transfer_due_chats(handover.pk, now=timezone.now() + LEASE + timedelta(seconds=1))

    handover.refresh_from_db()
    assert (handover.state, chat_counts(handover)) == (
        HandoverState.DONE,
        {ItemState.ACCEPTED: NUMBER},
    )
    assert GroupChat.objects.exclude(owner__name="Lin").count() == 0
    assert shop.violations() == []
    assert broken_promises() == []
