"""Following a post to its end: who has confirmed or published it, and reminding those who have not."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from campaigns.actions.parts import TOO_YOUNG, remind
from campaigns.actions.posts.life import advance_post
from campaigns.actions.posts.reactions import read_again
from campaigns.actions.posts.sending import look_up_share, parcel_of
from campaigns.actions.results import IN_HAND, LONGEST, PATIENCE, SHORTEST
from campaigns.channels import post_connector
from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from campaigns.tasks import check_post as check_post_task
from connectors.base import ChannelBusy, ChannelRefused, ChannelUnclear, Connector, Fate, Progress
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.errors import RuleBroken
from contacts.models import Staff
from contacts.wecom import READING

_FAILURES = {
    Fate.NOT_A_FRIEND: DeliveryReason.INVALID,
    Fate.RECEIVE_LIMIT: DeliveryReason.RECEIVE_LIMIT,
}


def posts_to_send(now: datetime) -> list[int]:
    """Posts whose time has come, or that have a share to send."""
    due = Q(state=PostState.SCHEDULED, send_at__lte=now)
    ready = PostShare.objects.filter(state=BatchState.WAITING, next_attempt_at__lte=now)
    live = Q(state__in=[PostState.SENDING, PostState.WAITING], pk__in=ready.values("post"))
    return list(Post.objects.filter(due | live).order_by("pk").values_list("pk", flat=True)[:50])


def posts_to_check(now: datetime) -> list[int]:
    """Posts with a share to ask the channel about."""
    found = _due_shares(now).order_by("post_id").values_list("post_id", flat=True).distinct()
    return list(found[:50])


def _due_shares(now: datetime) -> QuerySet[PostShare]:
    return PostShare.objects.filter(
        state__in=[BatchState.HANDED, BatchState.UNCLEAR], next_attempt_at__lte=now
    )


def check_post(post_id: int, *, now: datetime) -> None:
    """Ask the channel about every due share of one post."""
    due = _due_shares(now).filter(post=post_id).order_by("pk").values_list("pk", "state")
    for share_id, state in due:
        if state == BatchState.UNCLEAR:
            look_up_share(share_id, now=now)
        else:
            check_share(share_id, now=now)


def check_share(share_id: int, *, now: datetime) -> bool:
    """Ask the channel what became of a share that is due; returns whether this worker asked.

    A share of a cancelled post, or of an owner of chats who has departed, is withdrawn first.
    """
    handed = PostShare.objects.filter(pk=share_id, state=BatchState.HANDED)
    if not handed.filter(next_attempt_at__lte=now).update(next_attempt_at=now + IN_HAND):
        return False
    share = PostShare.objects.select_related("post", "sender").get(pk=share_id)
    try:
        connector = post_connector(share.post.kind, patience=READING)
        if not _withdraw_if_over(share, connector, now=now):
            return True
        progress = connector.progress(parcel_of(share), reference=share.reference)
    except ChannelBusy as busy:
        handed.update(next_attempt_at=now + timedelta(seconds=busy.retry_after))
        return True
    except (ChannelRefused, ChannelUnclear) as error:
        if _age(share, now) <= PATIENCE:
            handed.update(error=str(error)[:300], next_attempt_at=_next_check(share, now))
            return True
        progress = Progress(None, (), over=True)
    _write_progress(share, progress, now=now)
    advance_post(share.post_id, now=now)
    return True


def _is_left_behind(share: PostShare) -> bool:
    """Whether its one sender has departed. The job of a moment has many, and is no sender's own."""
    sender = share.sender
    return sender is not None and not sender.is_employed and not share.confirmed_at


def _withdraw_if_over(share: PostShare, connector: Connector, *, now: datetime) -> bool:
    """Withdraw what is still out though its time is over; returns whether it can be asked about.

    WeCom may not say afterwards who had it before, so it is also asked before, if not too early.
    What a departed owner has confirmed goes on; what cannot be withdrawn is tried again.
    """
    is_cancelled = share.post.state == PostState.CANCELLED
    if share.withdrawn_at or not (is_cancelled or _is_left_behind(share)):
        return True
    old_enough = (share.handed_at or now) + TOO_YOUNG
    if old_enough <= now:
        with suppress(ChannelBusy, ChannelRefused, ChannelUnclear):
            progress = connector.progress(parcel_of(share), reference=share.reference)
            _write_fates(share, progress, now=now)
            share.confirmed_at = share.confirmed_at or progress.confirmed_at
        if not (is_cancelled or _is_left_behind(share)):
            return True
    try:
        connector.cancel(share.reference)
    except ChannelRefused:
        if is_cancelled:
            raise
        return True
    PostShare.objects.filter(pk=share.pk, state=BatchState.HANDED).update(
        withdrawn_at=now, next_attempt_at=max(now, old_enough)
    )
    share.withdrawn_at = now
    return old_enough <= now


def _write_fates(share: PostShare, progress: Progress, *, now: datetime) -> QuerySet[PostTarget]:
    """Write down what became of each chat or colleague; returns those who still wait."""
    handed = PostTarget.objects.filter(share=share, state=TargetState.HANDED)
    for result in progress.results:
        target = handed.filter(address=result.address)
        if result.fate == Fate.SENT:
            due = now if share.post.kind == PostKind.MOMENT else None
            target.update(state=TargetState.SENT, sent_at=result.at, reactions_due_at=due)
        elif result.fate in _FAILURES:
            target.update(state=TargetState.FAILED, reason=_FAILURES[result.fate])
    return handed


def _write_progress(share: PostShare, progress: Progress, *, now: datetime) -> None:
    with transaction.atomic():
        handed = _write_fates(share, progress, now=now)
        sent_anyway = share.post.kind == PostKind.GROUP and progress.confirmed_at
        withdrawn = share.withdrawn_at and not sent_anyway
        if progress.over or withdrawn or _age(share, now) > PATIENCE:
            is_left = bool(share.withdrawn_at) and _is_left_behind(share)
            why = DeliveryReason.SENDER_LEFT if is_left else DeliveryReason.NOT_CONFIRMED
            handed.update(state=TargetState.CANCELLED, reason=why)
        over = not handed.exists()
        changes: dict[str, object] = {
            "state": BatchState.DONE if over else BatchState.HANDED,
            "done_at": now if over else None,
            "next_attempt_at": None if over else _next_check(share, now),
            "confirmed_at": share.confirmed_at or progress.confirmed_at,
            "reference": progress.reference or share.reference,
        }
        PostShare.objects.filter(pk=share.pk, state=BatchState.HANDED).update(**changes)


def _age(share: PostShare, now: datetime) -> timedelta:
    return now - (share.handed_at or now)


def _next_check(share: PostShare, now: datetime) -> datetime:
    return now + min(LONGEST, max(SHORTEST, _age(share, now) / 2))


def refresh_post(post: Post, *, now: datetime) -> None:
    """Have the channel asked now; shares that it got less than a minute ago are left out.

    So it is about the comments and likes of a moment.
    """
    PostShare.objects.filter(
        post=post, state=BatchState.HANDED, handed_at__lte=now - TOO_YOUNG
    ).update(next_attempt_at=now)
    ring(check_post_task, post.pk)
    read_again(post, now=now)


def remind_post(post: Post, *, actor: Staff | None, now: datetime) -> int:
    """Ask every owner of a chat who has not confirmed once more; returns how many that were.

    At most three times in 24 hours. Raises ``RuleBroken`` if none is left, and for moments, of
    which WeCom does not remind.
    """
    if post.kind == PostKind.MOMENT:
        raise RuleBroken(_("WeCom has no reminder for moments. Write to the colleagues yourself."))
    waiting = PostShare.objects.filter(
        post=post, state=BatchState.HANDED, confirmed_at=None
    ).order_by("pk")
    reminded = 0
    if waiting:
        connector = _connector_to_remind(post)
        reminded = sum(remind(share, connector, now=now) for share in waiting)
    if not reminded:
        raise RuleBroken(_("Everybody has confirmed or was reminded three times in 24 hours."))
    record(post, "post.reminded", actor=actor, at=now, data={"shares": reminded})
    return reminded


def _connector_to_remind(post: Post) -> Connector:
    try:
        return post_connector(post.kind)
    except ChannelBusy as error:
        raise RuleBroken(_("WeCom is not set up.")) from error
