"""Sending posts: claim a share, make the call, write down what happened; look up what is unclear.

The same way as batches go (``campaigns.actions.batches``), for targets that are not customers.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from campaigns.actions.batches import (
    FIRST_CHECK,
    IN_HAND,
    LEASE,
    LOOK_EVERY,
    LOOKS,
    MOST_ATTEMPTS,
    TOO_YOUNG,
)
from campaigns.actions.media import send_with_files
from campaigns.actions.posts.life import AT_WORK, advance_post, plan_post
from campaigns.channels import post_connector
from campaigns.enums import BatchState, DeliveryReason, MediaUse, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from connectors.base import ChannelBusy, ChannelRefused, ChannelUnclear, Handed, Parcel
from contacts.errors import broken_constraint
from contacts.wecom import READING

TURN = timedelta(seconds=30)
OPEN = [TargetState.QUEUED, TargetState.UNCLEAR, TargetState.HANDED]

_CLAIM = """
UPDATE campaigns_postshare SET
    state = 'sending', lease_token = %(token)s, lease_until = %(until)s, claimed_at = %(now)s,
    attempts = attempts + 1, looks = 0
WHERE id = (
    SELECT share.id FROM campaigns_postshare AS share
    JOIN campaigns_post AS post ON post.id = share.post_id
    WHERE share.post_id = %(post)s AND share.state = 'waiting'
      AND post.state IN ('sending', 'waiting') AND share.next_attempt_at <= %(now)s
    ORDER BY share.id
    FOR UPDATE OF share SKIP LOCKED
    LIMIT 1
)
RETURNING id
"""


def pump_post(post_id: int) -> bool:
    """Plan the post if it is due, and send its shares for one turn; returns whether some are left."""
    end = timezone.now() + TURN
    plan_post(post_id, now=timezone.now())
    while (now := timezone.now()) < end:
        share = claim_share(post_id, now=now)
        if share is None:
            advance_post(post_id, now=now)
            return False
        send_share(share, now=now)
    return True


def claim_share(post_id: int, *, now: datetime) -> PostShare | None:
    """Take the next waiting share of a post, for one lease."""
    values: dict[str, Any] = {
        "token": uuid.uuid4(),
        "until": now + LEASE,
        "now": now,
        "post": post_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    return PostShare.objects.select_related("post", "sender").get(pk=row[0])


def send_share(share: PostShare, *, now: datetime) -> None:
    """Make the call for a claimed share and write down what happened."""
    if share.attempts > MOST_ATTEMPTS:
        _give_up(share, gettext_noop("Given up after too many attempts."), now=now)
        return
    _drop_those_who_left(share)
    parcel = parcel_of(share)
    if not parcel.addresses:
        _write_handed(share, Handed(reference=""), now=now)
        return
    use = MediaUse.MESSAGE if share.post.kind == PostKind.GROUP else MediaUse.MOMENT
    try:
        connector = post_connector(share.post.kind)
        handed = send_with_files(connector, parcel, share.post.attachments, use=use, now=now)
    except ChannelBusy as busy:
        _put_back(share, busy, now=now)
    except ChannelRefused as refused:
        _give_up(share, str(refused), now=now)
    except ChannelUnclear as unclear:
        _leave_unclear(share, str(unclear), now=now)
    else:
        _write_handed(share, handed, now=now)


def parcel_of(share: PostShare) -> Parcel:
    """Build what is sent for a share, but for its attachments; the same on every attempt."""
    targets = PostTarget.objects.filter(share=share, state__in=OPEN).order_by("slot")
    return Parcel(
        key=f"liuke-post-{share.post_id}-{share.seq}",
        sender=(share.sender.wecom_userid or "") if share.sender else "",
        text=share.post.text,
        addresses=list(targets.values_list("address", flat=True)),
        tags=share.post.channel_tags,
    )


def _drop_those_who_left(share: PostShare) -> None:
    """Whoever departed since, or owns the chat no more, is asked for nothing."""
    queued = PostTarget.objects.filter(share=share, state=TargetState.QUEUED)
    gone = ~Q(staff__state__in=AT_WORK)
    if share.post.kind == PostKind.GROUP:
        gone |= ~Q(chat__owner=F("staff"))
    left = list(queued.filter(gone).values_list("pk", flat=True))
    queued.filter(pk__in=left).update(
        state=TargetState.CANCELLED, reason=DeliveryReason.SENDER_LEFT
    )


def _fenced(share: PostShare) -> Q:
    return Q(pk=share.pk, state=BatchState.SENDING, lease_token=share.lease_token)


def _write_handed(share: PostShare, handed: Handed, *, now: datetime) -> None:
    with transaction.atomic():
        changes = _handed_changes(handed, now)
        if handed.reference and _is_cancelled(share):
            changes["next_attempt_at"] = now  # to be withdrawn
        if not PostShare.objects.filter(_fenced(share)).update(**changes):
            return
        _write_targets(share, handed)
    advance_post(share.post_id, now=now)


def _handed_changes(handed: Handed, now: datetime) -> dict[str, object]:
    free = {"lease_token": None, "lease_until": None}
    if not handed.reference:
        return {**free, "state": BatchState.DONE, "done_at": now, "next_attempt_at": None}
    return {
        **free,
        "state": BatchState.HANDED,
        "reference": handed.reference,
        "handed_at": now,
        "next_attempt_at": now + FIRST_CHECK,
        "error": "",
    }


def _write_targets(share: PostShare, handed: Handed) -> None:
    open_rows = PostTarget.objects.filter(
        share=share, state__in=[TargetState.QUEUED, TargetState.UNCLEAR]
    )
    refused = open_rows if not handed.reference else open_rows.filter(address__in=handed.refused)
    refused.update(state=TargetState.FAILED, reason=DeliveryReason.INVALID)
    open_rows.update(state=TargetState.HANDED)


def _put_back(share: PostShare, busy: ChannelBusy, *, now: datetime) -> None:
    """Nothing was sent: the share waits, and the attempt does not count."""
    with transaction.atomic():
        over = _is_cancelled(share)
        if not PostShare.objects.filter(_fenced(share)).update(
            state=BatchState.CANCELLED if over else BatchState.WAITING,
            lease_token=None,
            lease_until=None,
            attempts=F("attempts") - 1,
            next_attempt_at=None if over else now + timedelta(seconds=busy.retry_after),
            done_at=now if over else None,
            error=str(busy)[:300],
        ):
            return
        if over:
            _end_targets(share, TargetState.QUEUED)


def _is_cancelled(share: PostShare) -> bool:
    """Whether the post was cancelled; it cannot be until this transaction ends."""
    post = Post.objects.select_for_update().get(pk=share.post_id)
    return post.state == PostState.CANCELLED


def _end_targets(share: PostShare, state: TargetState) -> None:
    PostTarget.objects.filter(share=share, state=state).update(state=TargetState.CANCELLED)


def _give_up(share: PostShare, why: str, *, now: datetime) -> None:
    """The channel definitely said no: it went nowhere."""
    with transaction.atomic():
        refused = PostShare.objects.filter(_fenced(share)).update(
            state=BatchState.REFUSED,
            lease_token=None,
            lease_until=None,
            next_attempt_at=None,
            done_at=now,
            error=why[:300],
        )
        if refused:
            PostTarget.objects.filter(share=share, state=TargetState.QUEUED).update(
                state=TargetState.FAILED, reason=DeliveryReason.CHANNEL_ERROR
            )
    advance_post(share.post_id, now=now)


def _leave_unclear(share: PostShare, why: str, *, now: datetime) -> None:
    with transaction.atomic():
        if PostShare.objects.filter(_fenced(share)).update(**_unclear_changes(why, now)):
            _mark_unclear([share.pk])


def _unclear_changes(why: str, now: datetime) -> dict[str, object]:
    return {
        "state": BatchState.UNCLEAR,
        "lease_token": None,
        "lease_until": None,
        "looks": 0,
        "next_attempt_at": now + LOOK_EVERY,
        "error": why[:300],
    }


def _mark_unclear(shares: list[int]) -> None:
    PostTarget.objects.filter(share__in=shares, state=TargetState.QUEUED).update(
        state=TargetState.UNCLEAR
    )


def expire_share_leases(*, now: datetime) -> int:
    """Make the shares unclear whose worker died; returns how many that were."""
    with transaction.atomic():
        dead = list(
            PostShare.objects.select_for_update(skip_locked=True)
            .filter(state=BatchState.SENDING, lease_until__lt=now)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        why = gettext_noop("The worker stopped before it could write down what happened.")
        PostShare.objects.filter(pk__in=dead).update(**_unclear_changes(why, now))
        _mark_unclear(dead)
    return len(dead)


def look_up_share(share_id: int, *, now: datetime) -> bool:
    """Ask the channel whether it has an unclear share; returns whether this worker asked.

    Found: it counts as handed over. Not found after ``LOOKS`` looks: it is sent again.
    """
    unclear = PostShare.objects.filter(pk=share_id, state=BatchState.UNCLEAR)
    if not unclear.filter(next_attempt_at__lte=now).update(next_attempt_at=now + IN_HAND):
        return False
    share = PostShare.objects.select_related("post", "sender").get(pk=share_id)
    since = share.claimed_at or now
    known = PostShare.objects.filter(handed_at__gte=since - LEASE).exclude(reference="")
    try:
        found = post_connector(share.post.kind, patience=READING).look_up(
            parcel_of(share),
            since=since,
            until=now - TOO_YOUNG,
            known=set(known.values_list("reference", flat=True)),
        )
    except (ChannelBusy, ChannelRefused, ChannelUnclear) as error:
        unclear.update(error=str(error)[:300], next_attempt_at=now + LOOK_EVERY)
        return True
    if found is not None:
        _resolve_found(share, found, now=now)
    elif share.looks + 1 >= LOOKS:
        _resolve_missing(share, now=now)
    else:
        unclear.update(looks=F("looks") + 1, next_attempt_at=now + LOOK_EVERY)
    return True


def _resolve_found(share: PostShare, found: Handed, *, now: datetime) -> None:
    unclear = PostShare.objects.filter(pk=share.pk, state=BatchState.UNCLEAR)
    try:
        with transaction.atomic():
            if unclear.update(**_handed_changes(found, now)):
                _write_targets(share, found)
    except IntegrityError as error:
        if broken_constraint(error) != "share_reference_once":
            raise
        unclear.update(next_attempt_at=now + LOOK_EVERY)  # a twin had the same claim
    advance_post(share.post_id, now=now)


def _resolve_missing(share: PostShare, *, now: datetime) -> None:
    """The channel has nothing: the share waits its turn again, or ends with its post."""
    with transaction.atomic():
        live = not _is_cancelled(share)
        if not PostShare.objects.filter(pk=share.pk, state=BatchState.UNCLEAR).update(
            state=BatchState.WAITING if live else BatchState.CANCELLED,
            next_attempt_at=now if live else None,
            done_at=None if live else now,
        ):
            return
        PostTarget.objects.filter(share=share, state=TargetState.UNCLEAR).update(
            state=TargetState.QUEUED if live else TargetState.CANCELLED
        )
    advance_post(share.post_id, now=now)
