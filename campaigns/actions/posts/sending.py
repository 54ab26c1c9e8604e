"""Sending posts: claim a share, make the call, write down what happened; look up what is unclear.

The same way as batches go (``campaigns.actions.parts``), for targets that are not customers.
"""

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from campaigns.actions import parts
from campaigns.actions.media import send_with_files
from campaigns.actions.posts.life import AT_WORK, advance_post, plan_post
from campaigns.channels import post_connector
from campaigns.enums import BatchState, DeliveryReason, MediaUse, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from connectors.base import ChannelBusy, ChannelRefused, ChannelUnclear, Handed, Parcel
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
    WHERE share.post_id = %(whose)s AND share.state = 'waiting'
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
    share_id = parts.claim(_CLAIM, post_id, now=now)
    if share_id is None:
        return None
    return PostShare.objects.select_related("post", "sender").get(pk=share_id)


def send_share(share: PostShare, *, now: datetime) -> None:
    """Make the call for a claimed share and write down what happened."""
    if share.attempts > parts.MOST_ATTEMPTS:
        _give_up(share, parts.GIVEN_UP, now=now)
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


def _targets(share: PostShare) -> QuerySet[PostTarget]:
    return PostTarget.objects.filter(share=share)


def _is_cancelled(share: PostShare) -> bool:
    """Whether the post was cancelled; it cannot be until this transaction ends."""
    post = Post.objects.select_for_update().get(pk=share.post_id)
    return post.state == PostState.CANCELLED


def _write_handed(share: PostShare, handed: Handed, *, now: datetime) -> None:
    is_cancelled = partial(_is_cancelled, share)
    parts.write_handed(share, handed, _targets(share), is_cancelled=is_cancelled, now=now)
    advance_post(share.post_id, now=now)


def _put_back(share: PostShare, busy: ChannelBusy, *, now: datetime) -> None:
    parts.put_back(
        share,
        str(busy),
        _targets(share),
        until=now + timedelta(seconds=busy.retry_after),
        is_cancelled=partial(_is_cancelled, share),
        now=now,
    )


def _give_up(share: PostShare, why: str, *, now: datetime) -> None:
    parts.give_up(share, why, _targets(share), now=now)
    advance_post(share.post_id, now=now)


def _leave_unclear(share: PostShare, why: str, *, now: datetime) -> None:
    parts.leave_unclear(share, why, _targets(share), now=now)


def expire_share_leases(*, now: datetime) -> int:
    """Make the shares unclear whose worker died; returns how many that were."""
    with transaction.atomic():
        dead = list(parts.dead(PostShare.objects.all(), now=now).values_list("pk", flat=True))
        targets = PostTarget.objects.filter(share__in=dead)
        parts.bury(PostShare.objects.filter(pk__in=dead), targets, now=now)
    return len(dead)


def look_up_share(share_id: int, *, now: datetime) -> bool:
    """Ask the channel whether it has an unclear share; returns whether this worker asked.

    Found: it counts as handed over. Not found after some looks: it is sent again.
    """
    unclear = PostShare.objects.filter(pk=share_id, state=BatchState.UNCLEAR)
    if not parts.take_up(unclear, now=now):
        return False
    share = PostShare.objects.select_related("post", "sender").get(pk=share_id)
    try:
        connector = post_connector(share.post.kind, patience=READING)
    except ChannelBusy as busy:
        unclear.update(error=str(busy)[:300], next_attempt_at=now + parts.LOOK_EVERY)
        return True
    look = parts.look_for(share, connector, parcel_of(share), now=now)
    if look.found is not None:
        targets = _targets(share)
        parts.write_found(share, look.found, targets, constraint="share_reference_once", now=now)
        advance_post(share.post_id, now=now)
    elif look.is_missing:
        _resolve_missing(share, now=now)
    return True


def _resolve_missing(share: PostShare, *, now: datetime) -> None:
    """The channel has nothing: the share waits its turn again, or ends with its post."""
    with transaction.atomic():
        parts.write_missing(
            share,
            _targets(share),
            again_at=now,
            is_cancelled=partial(_is_cancelled, share),
            now=now,
        )
    advance_post(share.post_id, now=now)
