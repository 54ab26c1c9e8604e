"""Files and cards that go with posts: how WeCom gets them before it is asked to send."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.media import FRESH_FOR
from campaigns.actions.posts.life import create_post, schedule_post
from campaigns.actions.posts.sending import pump_post
from campaigns.attachments import media_url
from campaigns.enums import BatchState, MediaKind, PostKind
from campaigns.models import ChannelMedia, MediaFile, Post, PostShare
from contacts.errors import RuleBroken
from tests.builders import make_content, make_customers, make_media, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

MESSAGES, MOMENTS = "media/upload", "media/upload_attachment"


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        lin, mei = make_staff("Lin"), make_staff("Mei")
        for person in (lin, mei):
            make_customers(1, owner=person, followed=True)
        opened.open(lin, mei)
        opened.open_chats(lin, "c1")
        opened.open_chats(mei, "c2")
        yield opened


def draft(kind: PostKind, *attachments: dict[str, Any], text: str = "New coats") -> Post:
    content = make_content(text, attachments=list(attachments))
    return create_post(
        kind=kind, name="Coats", content=content, stores=[], actor=None, now=timezone.now()
    )


def send(kind: PostKind, *attachments: dict[str, Any], text: str = "New coats") -> Post:
    post = draft(kind, *attachments, text=text)
    schedule_post(post, send_at=timezone.now(), actor=None, now=timezone.now())
    pump_post(post.pk)
    return post


def image(media: MediaFile) -> dict[str, Any]:
    return {"kind": "image", "media": media.pk}


def video() -> MediaFile:
    return make_media("walk.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 40, kind=MediaKind.VIDEO)


def uploads(shop: Shop, path: str) -> int:
    calls: dict[str, int] = shop.control.ledger()["calls"]
    return calls.get(path, 0)


def names(use: str) -> dict[int, str]:
    return dict(ChannelMedia.objects.filter(use=use).values_list("media", "reference"))


def test_nine_pictures_reach_a_moment_uploaded_for_moments(shop: Shop) -> None:
    pictures = [make_media(f"{number}.png") for number in range(9)]

    send(PostKind.MOMENT, *(image(one) for one in pictures), text="")

    (moment,) = shop.control.rows("moments")
    known = names("moment")
    assert moment["attachments"] == [
        {"msgtype": "image", "image": {"media_id": known[one.pk]}} for one in pictures
    ]
    assert (uploads(shop, MOMENTS), uploads(shop, MESSAGES)) == (9, 0)
    assert shop.violations() == []


def test_a_video_or_a_link_with_its_picture_reaches_a_moment(shop: Shop) -> None:
    walk, coat = video(), make_media()
    link = {"kind": "link", "title": "Coats", "url": "https://shop.example", "picture": coat.pk}

    send(PostKind.MOMENT, {"kind": "video", "media": walk.pk})
    send(PostKind.MOMENT, link)

    one, two = shop.control.rows("moments")
    known = names("moment")
    assert one["attachments"] == [{"msgtype": "video", "video": {"media_id": known[walk.pk]}}]
    card = {"title": "Coats", "url": "https://shop.example", "media_id": known[coat.pk]}
    assert two["attachments"] == [{"msgtype": "link", "link": card}]
    assert shop.violations() == []


def test_every_kind_reaches_the_chats_and_is_uploaded_once(shop: Shop) -> None:
    coat, walk = make_media(), video()
    paper = make_media("list.pdf", b"%PDF-1.4\n%%EOF\n", kind=MediaKind.FILE)
    card = {"kind": "mini_program", "title": "Shop", "app_id": "wx1", "page": "p"}
    rows = [
        image(coat),
        {"kind": "video", "media": walk.pk},
        {"kind": "file", "media": paper.pk},
        {**card, "cover": coat.pk},
        {"kind": "link", "title": "Coats", "url": "https://shop.example", "picture": coat.pk},
    ]

    send(PostKind.GROUP, *rows)

    messages = shop.control.rows("messages")
    known = names("message")
    assert [len(message["attachments"]) for message in messages] == [5, 5]
    one, two, three, four, five = messages[0]["attachments"]
    assert one["image"]["media_id"] == known[coat.pk]
    assert two["video"]["media_id"] == known[walk.pk]
    assert three["file"]["media_id"] == known[paper.pk]
    assert four["miniprogram"]["pic_media_id"] == names("cover")[coat.pk]
    assert five["link"]["picurl"] == media_url(coat)
    assert (uploads(shop, MESSAGES), uploads(shop, MOMENTS)) == (4, 0)
    assert shop.violations() == []


def test_a_file_known_for_messages_is_uploaded_anew_for_moments(shop: Shop) -> None:
    coat = make_media()

    send(PostKind.GROUP, image(coat))
    send(PostKind.MOMENT, image(coat))
    send(PostKind.MOMENT, image(coat))

    assert (uploads(shop, MESSAGES), uploads(shop, MOMENTS)) == (1, 1)
    assert names("message") != names("moment")
    assert len(shop.control.rows("moments")) == 2


def test_a_file_is_uploaded_anew_before_wecom_forgets_it(shop: Shop) -> None:
    coat = make_media()
    send(PostKind.MOMENT, image(coat))
    ChannelMedia.objects.update(uploaded_at=timezone.now() - FRESH_FOR)

    send(PostKind.MOMENT, image(coat))

    assert uploads(shop, MOMENTS) == 2


@pytest.mark.parametrize("kind", [PostKind.MOMENT, PostKind.GROUP])
def test_a_file_that_wecom_has_lost_is_uploaded_anew_and_nothing_goes_twice(
    shop: Shop, kind: PostKind
) -> None:
    coat = make_media()
    use = "moment" if kind == PostKind.MOMENT else "message"
    earlier = timezone.now() - timedelta(hours=1)
    ChannelMedia.objects.create(media=coat, use=use, reference="gone", uploaded_at=earlier)

    post = send(kind, image(coat))  # 40007 the first time

    assert PostShare.objects.filter(post=post, state=BatchState.WAITING).exists()
    PostShare.objects.update(next_attempt_at=timezone.now())
    pump_post(post.pk)
    shares = PostShare.objects.filter(post=post)
    assert {share.state for share in shares} == {BatchState.HANDED}
    assert len(shop.control.rows("moments" if use == "moment" else "messages")) == len(shares)
    assert uploads(shop, MOMENTS if use == "moment" else MESSAGES) == 1


def test_a_file_that_wecom_never_takes_ends_the_share_with_the_reason(shop: Shop) -> None:
    coat = make_media()
    ChannelMedia.objects.create(
        media=coat, use="moment", reference="gone", uploaded_at=timezone.now()
    )

    post = send(PostKind.MOMENT, image(coat))

    share = PostShare.objects.get(post=post)
    assert share.state == BatchState.REFUSED
    assert "media" in share.error
    assert shop.control.rows("moments") == []


def test_a_moment_of_pictures_alone_whose_answer_was_lost_is_not_made_twice(shop: Shop) -> None:
    path = "externalcontact/add_moment_task"
    shop.control.faults(lose=[{"path": path, "times": 1, "how": "close"}])

    post = send(PostKind.MOMENT, image(make_media()), text="")

    assert PostShare.objects.get(post=post).state == BatchState.UNCLEAR
    assert len(shop.control.rows("moments")) == 1


@pytest.mark.parametrize(
    "kinds", [["image", "link"], ["link", "link"], ["video", "image"], ["file"], ["mini_program"]]
)
def test_what_a_moment_cannot_carry_is_not_drafted(shop: Shop, kinds: list[str]) -> None:
    coat = make_media()
    rows: dict[str, dict[str, Any]] = {
        "image": image(coat),
        "link": {"kind": "link", "title": "Coats", "url": "https://shop.example"},
        "video": {"kind": "video", "media": video().pk},
        "file": {"kind": "file", "media": make_media("l.pdf", kind=MediaKind.FILE).pk},
        "mini_program": {
            "kind": "mini_program", "title": "S", "app_id": "wx", "page": "p", "cover": coat.pk,
        },
    }  # fmt: skip

    with pytest.raises(RuleBroken, match="one video"):
        draft(PostKind.MOMENT, *(rows[kind] for kind in kinds))
    assert not Post.objects.exists()
