"""Reading the comments and likes of moments: colleague by colleague, ever less often."""

from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from campaigns.actions.parts import IN_HAND, TOO_YOUNG
from campaigns.channels import moments_connector
from campaigns.enums import PostKind, ReactionKind
from campaigns.models import Post, PostReaction, PostTarget
from campaigns.tasks import read_reactions as read_reactions_task
from connectors.base import ChannelBusy, ChannelRefused, ChannelUnclear
from connectors.wecom.api.moments import Said
from connectors.wecom.posts import WeComMoments
from contacts.doorbell import ring
from contacts.enums import IdentityKind
from contacts.erased import without_the_erased
from contacts.wecom import READING

SHORTEST = timedelta(hours=1)
LONGEST = timedelta(days=1)
READ_FOR = timedelta(days=14)
"""How long after its publication a moment is asked about; the figures stay for good."""

MOST_KEPT = 2_000
"""People whose reactions to one colleague's moment are kept by name; the figures count all."""

LONGEST_ADDRESS = 64

TURN = 100
"""How many colleagues one worker asks about before others have their turn."""


def moments_to_read(now: datetime) -> list[int]:
    """Posts with comments and likes to read."""
    found = _due(now).order_by("share__post").values_list("share__post", flat=True).distinct()
    return list(found[:50])


def _due(now: datetime) -> QuerySet[PostTarget]:
    return PostTarget.objects.filter(reactions_due_at__lte=now)


def read_reactions(post_id: int, *, now: datetime) -> bool:
    """Read the due comments and likes of one post for one turn; returns whether some are left.

    What cannot be read leaves the figures as they are, and is asked for again.
    """
    due = _due(now).filter(share__post=post_id)
    turn = list(due.select_related("share").order_by("reactions_due_at", "pk")[:TURN])
    try:
        connector = moments_connector(patience=READING)
        for target in turn:
            _read(target, connector, now=now)
    except ChannelBusy as busy:
        due.update(reactions_due_at=now + timedelta(seconds=busy.retry_after))
        return False
    return len(turn) == TURN


def _read(target: PostTarget, connector: WeComMoments, *, now: datetime) -> None:
    """Ask about one colleague's moment, unless another worker does. Raises ``ChannelBusy``."""
    row = PostTarget.objects.filter(pk=target.pk)
    in_hand = now + IN_HAND
    if not row.filter(reactions_due_at=target.reactions_due_at).update(reactions_due_at=in_hand):
        return
    held = row.filter(reactions_due_at=in_hand)
    try:
        found = connector.reactions(target.share.reference, target.address)
    except ChannelBusy:
        held.update(reactions_due_at=target.reactions_due_at)
        raise
    except (ChannelRefused, ChannelUnclear):
        held.update(reactions_due_at=_next(target, now))
        return
    changes = asdict(found.counts) | {
        "reactions_read_at": now,
        "reactions_due_at": _next(target, now),
    }
    with transaction.atomic():
        if held.update(**changes):
            _keep(target, found, now=now)


def _keep(target: PostTarget, said: Said, *, now: datetime) -> None:
    """Write down who reacted, each person once; who is not told of any more is let go."""
    heard = (
        *((ReactionKind.COMMENT, who) for who in said.comments),
        *((ReactionKind.LIKE, who) for who in said.likes),
    )
    rows: dict[tuple[ReactionKind, bool, str], PostReaction] = {}
    known = {who.address for _kind, who in heard if not who.is_staff}
    kept = set(without_the_erased(IdentityKind.WECOM, known))
    for kind, who in heard:
        if not who.is_staff and who.address not in kept:
            continue
        key = (kind, who.is_staff, who.address)
        if before := rows.get(key):
            before.times += 1
            before.at = max(filter(None, (before.at, who.at)), default=None)
        elif who.address and len(who.address) <= LONGEST_ADDRESS and len(rows) < MOST_KEPT:
            rows[key] = PostReaction(
                post_id=target.share.post_id, target=target, kind=kind, by_staff=who.is_staff,
                address=who.address, at=who.at, seen_at=now,
            )  # fmt: skip
    PostReaction.objects.bulk_create(
        rows.values(),
        batch_size=500,
        update_conflicts=True,
        unique_fields=["target", "kind", "by_staff", "address"],
        update_fields=["times", "at", "seen_at"],
    )
    PostReaction.objects.filter(target=target).exclude(seen_at=now).delete()


def _next(target: PostTarget, now: datetime) -> datetime | None:
    age = now - (target.sent_at or now)
    return now + min(LONGEST, max(SHORTEST, age / 2)) if age < READ_FOR else None


def read_again(post: Post, *, now: datetime) -> None:
    """Have the comments and likes read now that are still read at all; not twice in a minute."""
    if post.kind != PostKind.MOMENT:
        return
    old = Q(reactions_read_at=None) | Q(reactions_read_at__lte=now - TOO_YOUNG)
    rows = PostTarget.objects.filter(old, share__post=post, reactions_due_at__isnull=False)
    if rows.update(reactions_due_at=now):
        ring(read_reactions_task, post.pk)
