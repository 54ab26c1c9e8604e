"""What the page of a handover shows of its group chats."""

from dataclasses import dataclass
from datetime import datetime

from contacts.actions.chat_plans import ChatShare, chat_shares
from contacts.actions.chats import chat_counts
from contacts.actions.handovers import receivers_of as receivers_of_plan
from contacts.enums import HandoverState, ItemState
from contacts.models import ChatItem, Handover
from crm.access import Viewer
from crm.forms.chats import WAITING
from crm.handover_queries import Colleague, colleagues_for
from crm.paging import Page, page_of

CHATS_SIZE = 50
MOVING = (HandoverState.PLANNED, HandoverState.RUNNING)


@dataclass(frozen=True, slots=True)
class ChatsFace:
    """The group chats of a handover: one page of them, sums, and whom they may be given to."""

    page: Page[ChatItem]
    states: dict[ItemState, int]
    shares: list[ChatShare]
    owners: list[Colleague]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.states.values())

    @property
    def moved(self) -> int:
        """How many have their new owner."""
        return self.states.get(ItemState.ACCEPTED, 0)

    @property
    def failed(self) -> int:
        """How many WeCom would not move."""
        return self.states.get(ItemState.FAILED, 0)


def chats_face(
    viewer: Viewer, handover: Handover, *, after: int | None, now: datetime
) -> ChatsFace | None:
    """Gather what is shown of the chats in a fixed number of queries; one if there are none."""
    states = chat_counts(handover)
    if not states:
        return None
    rows = handover.chats.select_related("chat", "to_staff").order_by("pk")
    page = page_of(rows.filter(pk__gt=after) if after else rows, CHATS_SIZE)
    choosable = handover.state != HandoverState.CANCELLED and any(map(states.get, WAITING))
    chosen = [person.pk for person in receivers_of_plan(handover)] if choosable else []
    return ChatsFace(
        page=page,
        states={state: states[state] for state in ItemState if state in states},
        shares=chat_shares(handover, now=now) if handover.state in MOVING else [],
        owners=[
            row for row in colleagues_for(viewer, handover, chosen=chosen) if row.staff.wecom_userid
        ]
        if choosable
        else [],
    )
