"""What a newcomer is to find on the pages of posts, series and the library: one or two of each."""

# ruff: noqa: RUF001 -- Chinese text has Chinese punctuation

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import partial
from io import BytesIO
from random import Random
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from PIL import Image, ImageDraw

from campaigns.actions.media import keep_media
from campaigns.actions.posts.life import create_post, move_post, plan_post
from campaigns.actions.series import create_series
from campaigns.enums import (
    BatchState,
    DeliveryReason,
    PostKind,
    PostState,
    ReactionKind,
    SeriesKind,
    TargetState,
)
from campaigns.models import (
    Content,
    Folder,
    MediaFile,
    Post,
    PostReaction,
    PostShare,
    PostTarget,
    Segment,
)
from contacts.enums import IdentityKind, Purpose
from contacts.models import Identity, Staff
from crm.demo.organisation import Organisation

SEASON, CARE = "秋冬新品", "日常关怀"
LIBRARY = {
    "大衣到店": (SEASON, "今年的羊毛大衣到店了，三个颜色都在。想先试哪一件？{guide}"),
    "试衣预约": (SEASON, "周末试衣间可以预约了，回复时间我来安排。{store} {guide}"),
    "生日祝福": (CARE, "生日快乐！{store}为您准备了一份小礼物，到店找{guide}领取。"),
    "换季护理": (CARE, "换季啦，羊绒衫建议低温手洗、平铺晾干。有问题随时问我。"),
}
"""Messages of the library by name: their folder and their words."""

MOMENT, CHATS, DRAFT = "大衣上新 · 朋友圈", "周末穿搭 · 群发", "圣诞橱窗 · 朋友圈"
SERIES = "生日祝福"
COLOURS = ("#b08968", "#6b705c", "#3d405b")
MOMENT_AGO, CHATS_AGO = timedelta(days=20), timedelta(days=6)
SERIES_BEGINS_IN = timedelta(days=14)
"""Long after the story is told, so that none of its figures changes."""


def load_showing(organisation: Organisation, *, now: datetime) -> None:
    """Write a library, a series, a moment and a message to chats of the past, and a draft."""
    marketer = organisation.staff["SuMan"]
    pictures = [_picture(n, colour, now) for n, colour in enumerate(COLOURS, start=1)]
    kept = _load_library(pictures, now - timedelta(days=60))
    create_series(
        {
            "name": SERIES,
            "content": kept["生日祝福"],
            "segment": Segment.objects.get(name="钻石与金卡会员"),
            "channel": "wecom",
            "purpose": Purpose.CAMPAIGN,
            "kind": SeriesKind.BIRTHDAY,
            "rule": {"days_before": 0},
            "zone": settings.TIME_ZONE,
            "at_time": time(10),
            "starts_on": timezone.localdate(now + SERIES_BEGINS_IN),
        },
        actor=marketer,
        now=now,
    )
    _load_posts(pictures, marketer, now)


def _picture(number: int, colour: str, now: datetime) -> MediaFile:
    """A coat, as far as two shapes can be one."""
    picture = Image.new("RGB", (480, 480), "#f4f1ec")
    pen = ImageDraw.Draw(picture)
    pen.polygon([(180, 90), (300, 90), (360, 400), (120, 400)], fill=colour)
    pen.line([(240, 90), (240, 400)], fill="#f4f1ec", width=6)
    written = BytesIO()
    picture.save(written, "JPEG", quality=80)
    return keep_media(f"大衣-{number}.jpg", written.getvalue(), actor=None, now=now)


def _load_library(pictures: Sequence[MediaFile], at: datetime) -> dict[str, Content]:
    folders = {name: Folder.objects.create(name=name) for name in (SEASON, CARE)}
    shown = [{"kind": "image", "media": pictures[0].pk}]
    rows = Content.objects.bulk_create(
        Content(
            name=name,
            text=text,
            attachments=shown if name == "大衣到店" else [],
            folder=folders[folder],
            created_at=at,
        )
        for name, (folder, text) in LIBRARY.items()
    )
    return {row.name: row for row in rows}


def _load_posts(pictures: Sequence[MediaFile], marketer: Staff, now: datetime) -> None:
    images = [{"kind": "image", "media": picture.pk} for picture in pictures]
    link = {"kind": "link", "title": "圣诞橱窗预览", "url": "https://example.com/christmas"}
    draft = partial(_draft, marketer=marketer, now=now)
    draft(PostKind.MOMENT, DRAFT, "今年的橱窗藏了一个小惊喜。", [link])
    moment = draft(PostKind.MOMENT, MOMENT, "新到的羊毛大衣，三个颜色，你选哪一件？", images)
    at = _send(moment, marketer, now - MOMENT_AGO)
    _load_reactions(PostTarget.objects.filter(share__post=moment), at)
    chats = draft(PostKind.GROUP, CHATS, "这周末的三套搭配，喜欢哪套到店试试？", images[:1])
    at = _send(chats, marketer, now - CHATS_AGO)
    sent = PostTarget.objects.filter(share__post=chats)
    sent.update(state=TargetState.SENT, sent_at=at + timedelta(hours=1))


def _draft(
    kind: PostKind,
    name: str,
    text: str,
    attachments: list[dict[str, Any]],
    *,
    marketer: Staff,
    now: datetime,
) -> Post:
    content = Content.objects.create(name=name, text=text, attachments=attachments, created_at=now)
    return create_post(kind=kind, name=name, content=content, stores=[], actor=marketer, now=now)


def _send(post: Post, marketer: Staff, ago: datetime) -> datetime:
    """Walk the arrows of a post that is over; what became of whom is for the caller."""
    at = timezone.localtime(ago).replace(hour=10, minute=0, second=0, microsecond=0)
    over = at + timedelta(days=2)
    Post.objects.filter(pk=post.pk).update(created_at=at - timedelta(days=1))
    move_post(post, PostState.SCHEDULED, actor=marketer, now=at, send_at=at)
    plan_post(post.pk, now=at)
    shares = PostShare.objects.filter(post=post)
    shares.update(
        state=BatchState.DONE,
        reference=Concat(Value(f"DEMO{post.pk:04d}"), Cast("seq", TextField())),
        attempts=1,
        claimed_at=at,
        handed_at=at,
        confirmed_at=at + timedelta(hours=1),
        done_at=over,
        next_attempt_at=None,
    )
    post.refresh_from_db()
    move_post(post, PostState.DONE, actor=None, now=over, closed_at=over)
    return at


def _load_reactions(targets: QuerySet[PostTarget], at: datetime) -> None:
    """Most have published it within a day, some customers like it, and a few have a word to say."""
    dice = Random(f"liuke {MOMENT}")  # noqa: S311 -- a shop window, no secret
    rows = list(targets.select_related("share").order_by("pk"))
    silent = set(dice.sample(range(len(rows)), len(rows) // 6))
    for number, row in enumerate(rows):
        if number in silent:
            row.state, row.reason = TargetState.CANCELLED, DeliveryReason.NOT_CONFIRMED
            continue
        row.state, row.sent_at = TargetState.SENT, at + timedelta(hours=dice.uniform(0.2, 20))
        row.customer_likes, row.staff_likes = dice.randint(4, 38), dice.randint(0, 3)
        row.customer_comments, row.staff_comments = dice.randint(0, 7), dice.randint(0, 2)
        row.reactions_read_at = at + timedelta(days=15)
    changed = ("state", "reason", "sent_at", "reactions_read_at", *_COUNTS)
    PostTarget.objects.bulk_update(rows, changed)
    _name_who_reacted([row for row in rows if row.sent_at], dice)


def _name_who_reacted(rows: Sequence[PostTarget], dice: Random) -> None:
    """Put as many of each colleague's customers, and of their colleagues, behind the figures."""
    theirs: dict[int, list[str]] = {}
    addresses = Identity.objects.filter(kind=IdentityKind.WECOM).order_by("pk")
    for owner, address in addresses.values_list("customer__owner", "value"):
        theirs.setdefault(owner, []).append(address)
    members = [row.address for row in rows]
    PostReaction.objects.bulk_create(
        _reaction(row, kind, address, by_staff=by_staff, dice=dice)
        for row in rows
        for kind, by_staff, number in (
            (ReactionKind.COMMENT, False, row.customer_comments),
            (ReactionKind.LIKE, False, row.customer_likes),
            (ReactionKind.COMMENT, True, row.staff_comments),
            (ReactionKind.LIKE, True, row.staff_likes),
        )
        for address in dice.sample(members if by_staff else theirs[row.staff_id], number)
    )


def _reaction(
    row: PostTarget, kind: ReactionKind, address: str, *, by_staff: bool, dice: Random
) -> PostReaction:
    read_at = row.reactions_read_at or timezone.now()
    return PostReaction(
        post_id=row.share.post_id,
        target=row,
        kind=kind,
        by_staff=by_staff,
        address=address,
        at=(row.sent_at or read_at) + timedelta(hours=dice.uniform(0.1, 40)),
        seen_at=read_at,
    )


_COUNTS = ("customer_likes", "staff_likes", "customer_comments", "staff_comments")
