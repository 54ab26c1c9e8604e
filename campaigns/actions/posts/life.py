"""The life of a post, from draft to done: every arrow of ``POST_MOVES``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from campaigns.actions.campaigns import LATEST_START
from campaigns.attachments import check_for_channel
from campaigns.channels import post_abilities
from campaigns.enums import (
    POST_MOVES,
    BatchState,
    DeliveryReason,
    PostKind,
    PostState,
    TargetState,
)
from campaigns.models import Content, Post, PostShare, PostTarget
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.placeholders import used_in
from campaigns.tasks import check_post as check_post_task
from campaigns.tasks import send_post
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from connectors.wecom.api.moments import MAX_TEXT
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.enums import StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Follow, GroupChat, Staff, Store, Tag

T = TypeVar("T")
Attachments = Sequence[Mapping[str, Any]]

AT_WORK = (StaffState.ACTIVE, StaffState.LEAVING)


def create_post(
    *,
    kind: PostKind,
    name: str,
    content: Content,
    stores: Sequence[Store],
    tags: Sequence[Tag] = (),
    send_at: datetime | None = None,
    actor: Staff | None,
    now: datetime,
) -> Post:
    """Draft a post; ``send_at`` is only in mind. Raises ``RuleBroken`` if WeCom would not take it."""
    check_parts(kind, name=name, text=content.text, attachments=content.attachments, tags=tags)
    with transaction.atomic():
        post = Post.objects.create(
            kind=kind,
            name=name.strip()[:120],
            content=content,
            created_by=actor,
            send_at=send_at,
            state_at=now,
            created_at=now,
        )
        post.stores.set(stores)
        post.tags.set(tags)
        record(post, "post.created", actor=actor, at=now)
    return post


def check_parts(
    kind: PostKind, *, name: str, text: str, attachments: Attachments, tags: Sequence[Tag]
) -> None:
    """Raise ``RuleBroken`` for a post that WeCom would not take."""
    if not name.strip():
        raise RuleBroken(_("Give the post a name."))
    check_post_words(kind, text, attachments)
    check_post_attachments(kind, attachments)
    if tags and kind == PostKind.GROUP:
        raise RuleBroken(
            _("Tags narrow down who sees a moment; a group chat is sent to as a whole.")
        )
    unknown = next((tag.name for tag in tags if not tag.wecom_id), None)
    if unknown:
        raise RuleBroken(_("WeCom does not know the tag “%(tag)s” yet.") % {"tag": unknown})


def check_post_words(kind: PostKind, text: str, attachments: Attachments) -> None:
    """Raise ``RuleBroken`` for words that a post of this kind cannot have."""
    if not text.strip() and not attachments:
        raise RuleBroken(_("The message is empty. Write a text or add an attachment."))
    if used_in(text):
        raise RuleBroken(
            _("A post has the same words for everybody: {%(word)s} cannot be filled.")
            % {"word": min(used_in(text))}
        )
    if kind == PostKind.GROUP:
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise RuleBroken(
                _("The text has %(size)s bytes; this channel takes %(limit)s. Shorten it.")
                % {"size": len(text.encode()), "limit": MAX_TEXT_BYTES}
            )
        return
    if len(text) > MAX_TEXT:
        raise RuleBroken(
            _("The text has %(size)s characters; a moment takes %(limit)s. Shorten it.")
            % {"size": len(text), "limit": MAX_TEXT}
        )


def check_post_attachments(kind: PostKind, attachments: Attachments) -> None:
    """Raise ``RuleBroken`` for attachments that a post of this kind cannot have."""
    if kind == PostKind.MOMENT:
        kinds = [item.get("kind") for item in attachments]
        if kinds not in (["video"], ["link"]) and any(one != "image" for one in kinds):
            raise RuleBroken(_("A moment takes up to nine pictures, or one video, or one link."))
        if any(item.get("description") for item in attachments):
            raise RuleBroken(_("A link card in a moment has no description. Leave it out."))
    check_for_channel(attachments, post_abilities(kind))


def schedule_post(post: Post, *, send_at: datetime, actor: Staff | None, now: datetime) -> None:
    """Let the post go out at ``send_at``; a time that has passed means at once."""
    if send_at > now + LATEST_START:
        raise RuleBroken(_("Choose a time within the next year."))
    move_post(post, PostState.SCHEDULED, actor=actor, now=now, send_at=max(send_at, now))
    if send_at <= now:
        ring(send_post, post.pk)


def unschedule_post(post: Post, *, actor: Staff | None, now: datetime) -> None:
    """Make a scheduled post a draft again."""
    move_post(post, PostState.DRAFT, actor=actor, now=now, send_at=None)


def cancel_post(post: Post, *, actor: Staff | None, now: datetime) -> None:
    """Send nothing more, and withdraw what staff have not confirmed yet."""
    with transaction.atomic():
        move_post(post, PostState.CANCELLED, actor=actor, now=now, closed_at=now)
        shares = PostShare.objects.filter(post=post)
        stop_shares(shares, now=now)
        shares.filter(state=BatchState.HANDED).update(next_attempt_at=now)
        ring(check_post_task, post.pk)


def stop_shares(
    shares: QuerySet[PostShare], *, now: datetime, reason: DeliveryReason | None = None
) -> None:
    """Cancel what of these shares waits to be sent, in the transaction that says why."""
    waiting = shares.select_for_update().filter(state=BatchState.WAITING).order_by("pk")
    stopped = list(waiting.values_list("pk", flat=True))
    PostShare.objects.filter(pk__in=stopped).update(state=BatchState.CANCELLED, done_at=now)
    PostTarget.objects.filter(share__in=stopped, state=TargetState.QUEUED).update(
        state=TargetState.CANCELLED, reason=reason or ""
    )


def plan_post(post_id: int, *, now: datetime) -> bool:
    """Freeze whom a scheduled post goes to, and its words; returns whether this worker did."""
    with transaction.atomic():
        post = (
            Post.objects.select_for_update(of=("self",))
            .select_related("content")
            .filter(pk=post_id, state=PostState.SCHEDULED, send_at__lte=now)
            .first()
        )
        if post is None:
            return False
        if post.kind == PostKind.GROUP:
            _plan_groups(post, now=now)
        else:
            _plan_moment(post, now=now)
        move_post(
            post,
            PostState.SENDING,
            actor=None,
            now=now,
            planned_at=now,
            text=post.content.text,
            attachments=post.content.attachments,
            channel_tags=list(
                post.tags.exclude(wecom_id=None).order_by("pk").values_list("wecom_id", flat=True)
            ),
        )
    advance_post(post_id, now=now)
    return True


def chats_in(stores: Collection[int]) -> QuerySet[GroupChat]:
    """Return the group chats whose owners are asked to send; without ``stores``, in all of them."""
    found = GroupChat.objects.filter(
        owner__state__in=AT_WORK, owner__wecom_userid__isnull=False, dismissed_at=None
    )
    return found.filter(owner__store__in=stores) if stores else found


def publishers_in(stores: Collection[int]) -> QuerySet[Staff]:
    """Return the colleagues who are asked to publish a moment: all with customers in WeCom."""
    following = Follow.objects.active().filter(channel="wecom").values("staff")
    found = Staff.objects.filter(state__in=AT_WORK, wecom_userid__isnull=False, pk__in=following)
    return found.filter(store__in=stores) if stores else found


def _stores_of(post: Post) -> list[int]:
    return list(post.stores.values_list("pk", flat=True))


def _plan_groups(post: Post, *, now: datetime) -> None:
    seq = 0
    found = chats_in(_stores_of(post)).select_related("owner").order_by("owner_id", "pk")
    for _owner, chats in groupby(found, key=lambda chat: chat.owner_id):
        for part in _parts(list(chats)):
            seq += 1
            share = _share(post, seq, len(part), sender=part[0].owner, now=now)
            PostTarget.objects.bulk_create(
                PostTarget(
                    share=share, staff=chat.owner, chat=chat, slot=slot, address=chat.chat_id
                )
                for slot, chat in enumerate(part)
            )


def _plan_moment(post: Post, *, now: datetime) -> None:
    publishers = list(publishers_in(_stores_of(post)).order_by("pk"))
    for seq, part in enumerate(_parts(publishers), start=1):
        share = _share(post, seq, len(part), sender=None, now=now)
        PostTarget.objects.bulk_create(
            PostTarget(share=share, staff=staff, slot=slot, address=staff.wecom_userid or "")
            for slot, staff in enumerate(part)
        )


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH_LIMIT):
        yield rows[start : start + BATCH_LIMIT]


def _share(post: Post, seq: int, size: int, *, sender: Staff | None, now: datetime) -> PostShare:
    return PostShare.objects.create(
        post=post, seq=seq, size=size, sender=sender, next_attempt_at=now
    )


def advance_post(post_id: int, *, now: datetime) -> None:
    """Move the post on when its shares allow. Safe to call at any time and by anybody."""
    states = set(PostShare.objects.filter(post=post_id).values_list("state", flat=True).distinct())
    post = Post.objects.get(pk=post_id)
    if post.state not in {PostState.SENDING, PostState.WAITING}:
        return
    if states & {BatchState.WAITING, BatchState.SENDING}:
        to = PostState.SENDING
    elif states & {BatchState.HANDED, BatchState.UNCLEAR}:
        to = PostState.WAITING
    else:
        to = PostState.DONE
    if post.state == to:
        return
    try:
        closing = {"closed_at": now} if to == PostState.DONE else {}
        move_post(post, to, actor=None, now=now, **closing)
    except MovedOn:
        return  # another worker has just walked the same arrow


def move_post(
    post: Post, to: PostState, *, actor: Staff | None, now: datetime, **changes: Any
) -> None:
    """Move the post along one arrow of ``POST_MOVES``, and say so in its history.

    Raises ``MovedOn`` when there is no such arrow, or somebody else was faster.
    """
    came_from = PostState(post.state)
    if to not in POST_MOVES[came_from]:
        raise MovedOn(
            _("A post that is %(state)s cannot become %(to)s.")
            % {"state": came_from.label, "to": to.label}
        )
    with transaction.atomic():
        moved = Post.objects.filter(pk=post.pk, state=came_from).update(
            state=to, state_at=now, **changes
        )
        if not moved:
            raise MovedOn(_("Someone else has just changed this post."))
        record(post, f"post.{to.value}", actor=actor, at=now)
    post.refresh_from_db()
