"""Deciding who owns the group chats of a handover, and seeing how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from contacts.actions.chats import chats_to_hand_over, may_own_chats, proposed_owners
from contacts.actions.handovers import receivers_of
from contacts.actions.history import record
from contacts.actions.receivers import check_receivers, locked_receivers
from contacts.chat_limits import room_of
from contacts.doorbell import ring
from contacts.enums import HandoverState, ItemState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import ChatItem, Handover, Staff
from contacts.models.chats import MOST_A_DAY
from contacts.tasks import transfer_chats

OVER = (HandoverState.CANCELLED,)


def assign_chats(
    handover: Handover,
    items: Sequence[int],
    receiver: Staff | None,
    *,
    actor: Staff | None,
    now: datetime,
) -> int:
    """Let a colleague be the next owner of planned or failed chats; returns how many.

    ``None`` leaves chats of a plan to be dealt out at the start. Chats of a handover that was
    started are moved at once; one that was over already goes on for them. Raises ``RuleBroken`` if
    the colleague cannot own group chats or none of these chats waits for an owner, ``MovedOn`` if
    the handover was cancelled.
    """
    with transaction.atomic():
        if receiver:
            _check(handover, locked_receivers(handover, [receiver]))
        locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
        if locked.state in OVER or not (receiver or locked.state == HandoverState.PLANNED):
            raise MovedOn(_("This handover has been started or cancelled in the meantime."))
        starts = None if locked.state == HandoverState.PLANNED else now
        chosen = _waiting_for_owner(locked, items).update(
            to_staff=receiver,
            state=ItemState.PLANNED,
            state_at=now,
            closed_at=None,
            errcode=None,
            reason="",
            attempts=0,
            next_attempt_at=starts,
        )
        if not chosen:
            raise RuleBroken(_("None of these group chats waits for an owner."))
        Handover.objects.filter(pk=locked.pk, state=HandoverState.DONE).update(
            state=HandoverState.RUNNING, closed_at=None
        )
        data = {"chats": chosen, "to": receiver.pk if receiver else None}
        record(locked, "handover.chats_assigned", actor=actor, at=now, data=data)
        if starts:
            ring(transfer_chats, locked.pk)
    return chosen


def _check(handover: Handover, receivers: Sequence[Staff]) -> None:
    check_receivers(handover, receivers)
    for person in receivers:
        if not may_own_chats(person):
            raise RuleBroken(
                _("%(name)s has no WeCom account and cannot own group chats.")
                % {"name": person.name}
            )


def _waiting_for_owner(handover: Handover, items: Sequence[int]) -> QuerySet[ChatItem]:
    """Planned chats, and failed ones that are still the giver's and in no other handover."""
    theirs = handover.chats.filter(pk__in=items)
    failed = theirs.filter(state=ItemState.FAILED, chat__in=chats_to_hand_over(handover.from_staff))
    waiting = theirs.filter(state=ItemState.PLANNED) | theirs.filter(pk__in=failed.values("pk"))
    pks = list(waiting.order_by("pk").values_list("pk", flat=True))
    return handover.chats.filter(pk__in=pks, state__in=[ItemState.PLANNED, ItemState.FAILED])


@dataclass(frozen=True, slots=True)
class ChatShare:
    """How many chats one colleague is to own; WeCom moves ``today`` of them today."""

    staff: Staff
    chats: int
    today: int

    @property
    def days(self) -> int:
        """On how many days after today the others follow."""
        return -(-(self.chats - self.today) // MOST_A_DAY)


def chat_shares(handover: Handover, *, now: datetime) -> list[ChatShare]:
    """Return how the chats that are still to be moved spread over colleagues, by name.

    Those of a plan for whom nobody was chosen count for whom the start would give them to.
    """
    planned = handover.chats.filter(state=ItemState.PLANNED)
    chosen = planned.exclude(to_staff=None).order_by().values_list("to_staff")
    loads = dict(chosen.annotate(Count("pk")))
    for person in proposed_owners(handover, receivers_of(handover)).values():
        loads[person] = loads.get(person, 0) + 1
    room = room_of(loads, now=now)
    people = Staff.objects.filter(pk__in=loads).order_by("name_key", "pk")
    return [
        ChatShare(person, loads[person.pk], min(loads[person.pk], room[person.pk]))
        for person in people
    ]
