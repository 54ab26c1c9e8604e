"""What WeCom tells us: stored once, answered at once, worked on afterwards.

Events come late, twice and in any order; every handler leads to the same state whichever came
first (fields and events: WeCom docs 92130, 90971; see ``connectors.wecom.callback``).
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from campaigns.actions.welcomes import receive_welcome, rule_for
from campaigns.placeholders import used_in
from connectors.wecom.api.customers import NO_RELATION, get_external_contact
from connectors.wecom.callback import Event, read_event
from connectors.wecom.errors import Refused, WeComError
from contacts.actions.chat_learning import note_chat
from contacts.actions.customers import Profile, from_channel, learn_profile
from contacts.actions.follows import begin_follow, end_follow
from contacts.actions.settlement import note_transfer_failed
from contacts.actions.staff import (
    hire_from_channel,
    left_the_channel,
    rename_channel_userid,
    staff_by_channel_userid,
)
from contacts.doorbell import ring
from contacts.enums import CallbackState, FollowEnd, IdentityKind
from contacts.erased import without_the_erased
from contacts.errors import MovedOn, WasErased
from contacts.models import Callback, ContactCode, Customer, Follow
from contacts.wecom import wecom
from crm import tasks
from crm.actions.departures import let_go
from crm.actions.told import PROVIDERS, take_up_receipts

logger = logging.getLogger(__name__)

ATTEMPTS = 8
"""Attempts before a callback is laid aside as dead; together they span about ten minutes."""

IN_HAND = timedelta(seconds=60)
"""How long one worker may take over a callback before another takes it up."""

TOGETHER = timedelta(minutes=10)


class NotYet(Exception):
    """The callback speaks of something we do not know yet; it will be tried again."""


def store_callback(event: Event, *, now: datetime) -> bool:
    """Store a verified callback; returns whether it is new. A repeated one changes nothing."""
    name = f"{event.event}/{event.change_type}" if event.change_type else event.event
    with transaction.atomic():
        rows = Callback.objects.bulk_create(
            [
                Callback(
                    key=event.key,
                    event=name[:80],
                    body=event.xml,
                    sent_at=_at(event.create_time, now),
                    received_at=now,
                    next_attempt_at=now,
                )
            ],
            ignore_conflicts=True,
        )
        stored = Callback.objects.filter(provider="wecom", key=event.key).values_list(
            "pk", flat=True
        )
        ring(tasks.process_callback, stored[0])
    return bool(rows)


def process_callback(callback_id: int, *, now: datetime) -> bool:
    """Work on one stored callback; returns whether this worker was the one to do it.

    The claim pushes the next attempt away; a handler that fails is tried again, ever later,
    and at last the callback is kept as dead, to be looked at and replayed.
    """
    row = Callback.objects.filter(
        pk=callback_id, state=CallbackState.RECEIVED, next_attempt_at__lte=now
    ).first()
    if row is None:
        return False
    claim = Callback.objects.filter(pk=row.pk, state=CallbackState.RECEIVED, attempts=row.attempts)
    if not claim.update(attempts=row.attempts + 1, next_attempt_at=now + IN_HAND):
        return False
    try:
        _take_up(row, now=now)
    except NotYet as reason:
        _try_again(row, str(reason), now=now)
    except Exception as error:  # one bad callback must not stop the others; it is kept and shown
        logger.exception("callback %s could not be processed", row.pk)
        _try_again(row, f"{type(error).__name__}: {error}", now=now)
    else:
        _ours(row).update(state=CallbackState.DONE, done_at=now, error="", body="")
    return True


def _take_up(row: Callback, *, now: datetime) -> None:
    if row.provider in PROVIDERS:
        take_up_receipts(row, now=now)
    else:
        handle_event(read_event(row.body.encode()), now=now)


def _pause(attempts: int) -> timedelta:
    return min(timedelta(seconds=5 * 2**attempts), timedelta(minutes=5))


def _ours(row: Callback) -> QuerySet[Callback]:
    """The row, as long as nobody has taken it up after us."""
    return Callback.objects.filter(
        pk=row.pk, state=CallbackState.RECEIVED, attempts=row.attempts + 1
    )


def _try_again(row: Callback, error: str, *, now: datetime) -> None:
    dead = row.attempts + 1 >= ATTEMPTS
    _ours(row).update(
        state=CallbackState.DEAD if dead else CallbackState.RECEIVED,
        next_attempt_at=now + _pause(row.attempts),
        error=error[:2000],
    )


def replay_dead_callbacks(*, now: datetime) -> int:
    """Put every dead callback back into the inbox; returns how many that were."""
    return Callback.objects.filter(state=CallbackState.DEAD).update(
        state=CallbackState.RECEIVED, attempts=0, next_attempt_at=now
    )


def handle_event(event: Event, *, now: datetime) -> None:
    """Do what the event asks for; events that we have no use for are simply done."""
    handler = _HANDLERS.get((event.event, event.change_type))
    if handler:
        handler(event, now)


def _customer_added(event: Event, now: datetime) -> None:
    staff = staff_by_channel_userid(event.user_id) or hire_from_channel(event.user_id, "", now=now)
    code = _contact_code(event.state)
    at = _at(event.create_time, now)
    try:
        follow = begin_follow(
            staff,
            event.external_user_id,
            profile=Profile(),
            now=now,
            began_at=at,
            code=code,
            came_by=event.state,
        )
    except WasErased:
        return  # the news is older than the erasure
    if event.welcome_code:
        _learn_name_for_greeting(follow, event.external_user_id, code)
        receive_welcome(follow, event.welcome_code, contact_code=code, issued_at=at, now=now)
    if not follow.customer.name:
        ring(tasks.learn_customer, follow.customer.pk, event.external_user_id)


def _learn_name_for_greeting(follow: Follow, address: str, code: ContactCode | None) -> None:
    """Ask for the name only if the greeting speaks it; without an answer it is left out."""
    rule = rule_for(follow.staff, code)
    if rule and "customer" in used_in(rule.content.text) and not follow.customer.name:
        with suppress(WeComError):
            learn_customer(follow.customer.pk, address)
        follow.customer.refresh_from_db()


def _contact_code(state: str) -> ContactCode | None:
    return (
        ContactCode.objects.select_related("store").filter(state=state).first() if state else None
    )


def _customer_left(event: Event, now: datetime) -> None:
    _end(event, FollowEnd.REMOVED_BY_CUSTOMER, now)


def _customer_removed(event: Event, now: datetime) -> None:
    transferred = event.source == "DELETE_BY_TRANSFER"
    _end(event, FollowEnd.TRANSFERRED if transferred else FollowEnd.REMOVED_BY_STAFF, now)


def _end(event: Event, reason: FollowEnd, now: datetime) -> None:
    staff = staff_by_channel_userid(event.user_id)
    at = _at(event.create_time, now)
    known = staff and end_follow(staff, event.external_user_id, reason=reason, at=at, now=now)
    if not known and at > now - TOGETHER and not _is_erased(event):
        raise NotYet("the follow is not known yet")


def _transfer_failed(event: Event, now: datetime) -> None:
    found = note_transfer_failed(event.user_id, event.external_user_id, event.fail_reason, now=now)
    if not found and _at(event.create_time, now) > now - TOGETHER and not _is_erased(event):
        raise NotYet("no open handover item fits yet")


def _is_erased(event: Event) -> bool:
    """Whether it speaks of somebody who was erased, so that nothing is to be waited for."""
    return not without_the_erased(IdentityKind.WECOM, [event.external_user_id])


def _staff_removed(event: Event, now: datetime) -> None:
    staff = staff_by_channel_userid(event.user_id)
    if staff is None:
        return
    left_the_channel(staff, now=now)
    try:
        let_go(staff.pk, actor=None, now=now, source="wecom")
    except MovedOn:
        return  # departed already, by a manager or an earlier callback


def _staff_updated(event: Event, now: datetime) -> None:
    if event.fields.get("Status") == LEFT:
        _staff_removed(event, now)
    new = event.fields.get("NewUserID", "")
    if new and new != event.user_id:
        rename_channel_userid(event.user_id, new)


def _chat_changed(event: Event, now: datetime) -> None:
    """Have a worker ask for the chat: what it is like now counts, whatever came first."""
    if chat_id := event.fields.get("ChatId", "")[:64]:
        note_chat(chat_id, now=now)


LEFT = "5"
"""The status of a member who has left the company (WeCom docs 90971)."""

_HANDLERS: dict[tuple[str, str], Callable[[Event, datetime], None]] = {
    ("change_external_contact", "add_external_contact"): _customer_added,
    ("change_external_contact", "add_half_external_contact"): _customer_added,
    ("change_external_contact", "del_follow_user"): _customer_left,
    ("change_external_contact", "del_external_contact"): _customer_removed,
    ("change_external_contact", "transfer_fail"): _transfer_failed,
    ("change_external_chat", "create"): _chat_changed,
    ("change_external_chat", "update"): _chat_changed,
    ("change_external_chat", "dismiss"): _chat_changed,
    ("change_contact", "delete_user"): _staff_removed,
    ("change_contact", "update_user"): _staff_updated,
}


def learn_customer(customer_id: int, address: str) -> None:
    """Fetch what WeCom knows of a new customer and fill in what we do not.

    Raises ``WeComError``: right after a customer was added WeCom may not know them yet. Other
    refusals are final and leave the customer as they are.
    """
    client = wecom()
    customer = Customer.objects.active().filter(pk=customer_id).first()
    if client is None or customer is None:
        return
    try:
        person = get_external_contact(client, address).profile
    except Refused as refused:
        if refused.errcode == NO_RELATION:
            raise
        return
    learn_profile(customer, from_channel(person))


def _at(seconds: int, now: datetime) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else now
