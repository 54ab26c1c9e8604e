"""Files that go with messages: what gets in, and how WeCom gets them before they are needed."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from PIL import Image

from campaigns.actions.campaigns import create_campaign, plan_campaign, schedule_campaign
from campaigns.actions.media import FRESH_FOR, archive_media, bring_media, keep_media
from campaigns.actions.pump import pump_campaign
from campaigns.attachments import media_url
from campaigns.channels import connector_for
from campaigns.enums import BatchState, DeliveryState, MediaKind, MediaUse
from campaigns.letters import Writer
from campaigns.media import COVER, LARGEST, MOST_PIXELS, cover_of, safe_name
from campaigns.models import Batch, Campaign, ChannelMedia, Delivery, MediaBody, MediaFile
from campaigns.recipients import recipients_in
from connectors.base import Upload
from connectors.wecom.connector import WeComConnector
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry
from contacts.wecom import wecom
from tests.builders import (
    NOON,
    make_content,
    make_customers,
    make_media,
    make_segment,
    make_staff,
)
from tests.sandboxed import open_shop

pytestmark = pytest.mark.django_db


def picture(size=(40, 30), form="JPEG", mode="RGB", **options) -> bytes:
    written = BytesIO()
    Image.new(mode, size, "red").save(written, form, **options)
    return written.getvalue()


def keep(name, content):
    return keep_media(name, content, actor=None, now=NOON)


# --- what gets in --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_is_kept_written_anew(form):
    file = keep("coat.bin", picture(form=form))

    assert (file.kind, file.width, file.height) == (MediaKind.IMAGE, 40, 30)
    assert file.media_type in {"image/jpeg", "image/png"}
    with Image.open(BytesIO(bytes(file.body.content))) as kept:
        assert kept.size == (40, 30)


def test_what_was_hidden_in_a_picture_is_gone():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    file = keep("coat.jpg", picture(exif=exif) + b"<script>alert(1)</script>")

    kept = bytes(file.body.content)
    assert b"taken at home" not in kept
    assert b"script" not in kept


def test_a_picture_lying_on_its_side_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert (keep("coat.jpg", picture(exif=exif)).width) == 30


def test_a_large_picture_is_made_small_enough():
    noise = Image.effect_noise((3000, 3000), 90).convert("RGB")
    written = BytesIO()
    noise.save(written, "PNG")

    file = keep("noise.png", written.getvalue()[: 20 * 1024 * 1024])

    assert file.size <= LARGEST[MediaKind.IMAGE]


def test_a_bomb_is_refused_before_it_is_unpacked():
    side = int(MOST_PIXELS**0.5) + 1
    bomb = picture((side, side), form="PNG", mode="1")
    assert len(bomb) < 1_000_000

    with pytest.raises(RuleBroken, match="million pixels"):
        keep("bomb.png", bomb)
    assert not MediaFile.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "kind", "kept_as"),
    [
        ("walk.mov", b"\0\0\0\x18ftypmp42" + b"\0" * 40, MediaKind.VIDEO, "walk.mp4"),
        ("list.pdf", b"%PDF-1.4\n%%EOF\n", MediaKind.FILE, "list.pdf"),
        ("list.xlsx", b"PK\x03\x04" + b"\0" * 40, MediaKind.FILE, "list.xlsx"),
    ],
)
def test_videos_and_documents_are_told_by_what_is_in_them(name, content, kind, kept_as):
    file = keep(name, content)

    assert (file.kind, file.name) == (kind, kept_as)
    assert bytes(file.body.content) == content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<html><script>alert(1)</script></html>"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + b"\0" * 40),
        ("photo.avif", b"\0\0\0\x18ftypavif" + b"\0" * 40),
        ("song.m4a", b"\0\0\0\x18ftypM4A " + b"\0" * 40),
        ("walk.mov", b"\0\0\0\x18ftypqt  " + b"\0" * 40),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("coat.png", b"<html><script>alert(1)</script></html>"),
        ("list.pdf", b"MZ this is a programme"),
        ("list.pdf.exe", b"%PDF-1.4\n%%EOF\n"),
        ("archive.zip", b"PK\x03\x04" + b"\0" * 40),
        ("shell.php", b"GIF89a<?php system($_GET['c']); ?>"),
        ("empty.png", b""),
    ],
)
def test_what_is_none_of_these_is_refused(name, content):
    with pytest.raises(RuleBroken):
        keep(name, content)
    assert not MediaFile.objects.exists()
    assert not MediaBody.objects.exists()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\boot.ini", "boot.ini"),
        ("coat\u202egnp.exe", "coatgnp.exe"),
        ("春 coat.png", "春 coat.png"),
        ("a\0b\n.png", "ab.png"),
        ("...", "file"),
    ],
)
def test_names_carry_neither_folders_nor_tricks(name, safe):
    assert safe_name(name) == safe


def test_a_name_is_not_too_long_for_its_column():
    assert len(safe_name("x" * 500 + ".png")) <= 120


def test_a_video_that_no_channel_takes_is_refused():
    with pytest.raises(RuleBroken, match="10 MB"):
        keep("walk.mp4", b"\0\0\0\x18ftypmp42" + bytes(LARGEST[MediaKind.VIDEO]))


def test_the_same_file_is_kept_once_and_comes_back_from_where_it_was_put():
    tao = make_staff("Tao")
    first = keep("coat.jpg", picture())
    archive_media(first, actor=tao, now=NOON)
    with pytest.raises(MovedOn):
        archive_media(first, actor=tao, now=NOON)

    again = keep("the same.jpg", picture())

    assert again.pk == first.pk
    assert MediaFile.objects.get().archived_at is None


def test_bringing_a_file_back_stands_in_the_history_once():
    tao, mei = make_staff("Tao"), make_staff("Mei")
    first = keep("coat.jpg", picture())
    archive_media(first, actor=tao, now=NOON)

    for _twice in range(2):
        keep_media("coat.jpg", picture(), actor=mei, now=NOON)

    done = HistoryEntry.objects.filter(subject_kind="mediafile").order_by("pk")
    assert list(done.values_list("action", "actor")) == [
        ("media.uploaded", None),
        ("media.archived", tao.pk),
        ("media.brought_back", mei.pk),
    ]


def test_a_cover_has_the_form_that_wecom_asks_for():
    with Image.open(BytesIO(cover_of(picture((900, 200))))) as cover:
        assert (cover.size, cover.format) == (COVER, "JPEG")


# --- how WeCom gets them -------------------------------------------------------------------------


@pytest.fixture
def shop(redis):
    with open_shop() as opened:
        yield opened


def a_campaign_with(*attachments, channel="wecom"):
    now = timezone.now()
    campaign = create_campaign(
        name="Coats",
        content=make_content("Our coats are here", attachments=list(attachments)),
        segment=make_segment(),
        channel=channel,
        actor=None,
        now=now,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    return campaign


def open_with(shop, customers):
    lin = make_staff("Lin")
    make_customers(customers, owner=lin, followed=True)
    shop.open(lin)


def sent(shop):
    return [message["attachments"] for message in shop.control.rows("messages")]


def test_every_kind_of_attachment_reaches_wecom_by_its_media_id(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    video = keep("walk.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 40)
    file = keep("list.pdf", b"%PDF-1.4\n%%EOF\n")
    campaign = a_campaign_with(
        {"kind": "image", "media": image.pk},
        {"kind": "video", "media": video.pk},
        {"kind": "file", "media": file.pk},
        {
            "kind": "mini_program",
            "title": "Shop",
            "app_id": "wx123",
            "page": "pages/index.html",
            "cover": image.pk,
        },
        {"kind": "link", "title": "Coats", "url": "https://e.com/coats", "picture": image.pk},
    )

    pump_campaign(campaign.pk)

    ((one, two, three, four, five),) = sent(shop)
    names = {(row.media_id, row.use): row.reference for row in ChannelMedia.objects.all()}
    assert one == {"msgtype": "image", "image": {"media_id": names[image.pk, "message"]}}
    assert two == {"msgtype": "video", "video": {"media_id": names[video.pk, "message"]}}
    assert three == {"msgtype": "file", "file": {"media_id": names[file.pk, "message"]}}
    assert four["miniprogram"]["pic_media_id"] == names[image.pk, "cover"]
    assert five["link"]["picurl"] == media_url(image)
    assert shop.violations() == []


def uploads(shop):
    return shop.control.ledger()["calls"].get("media/upload", 0)


def test_a_file_is_uploaded_once_for_all_batches_and_campaigns(shop):
    open_with(shop, 450)
    image = keep("coat.jpg", picture())

    for _campaign in range(2):
        pump_campaign(a_campaign_with({"kind": "image", "media": image.pk}).pk)

    assert uploads(shop) == 1
    assert len(sent(shop)) == 6


def test_a_file_is_uploaded_anew_before_wecom_forgets_it(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    pump_campaign(a_campaign_with({"kind": "image", "media": image.pk}).pk)
    ChannelMedia.objects.update(uploaded_at=timezone.now() - FRESH_FOR)

    pump_campaign(a_campaign_with({"kind": "image", "media": image.pk}).pk)

    assert uploads(shop) == 2


def test_a_file_that_wecom_has_lost_is_uploaded_anew_and_nothing_is_sent_twice(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    ChannelMedia.objects.create(
        media=image,
        use="message",
        reference="gone",
        uploaded_at=timezone.now() - timedelta(hours=1),
    )
    campaign = a_campaign_with({"kind": "image", "media": image.pk})

    pump_campaign(campaign.pk)

    batch = Batch.objects.get(campaign=campaign)
    assert (batch.state, sent(shop)) == (BatchState.WAITING, [])
    Batch.objects.update(next_attempt_at=None)
    pump_campaign(campaign.pk)
    batch.refresh_from_db()
    assert batch.state == BatchState.HANDED
    assert len(sent(shop)) == 1


def test_a_fresh_file_beside_a_lost_one_does_not_end_the_batch(shop):
    open_with(shop, 1)
    lost, fresh = keep("coat.jpg", picture()), keep("hat.jpg", picture((9, 9)))
    pump_campaign(a_campaign_with({"kind": "image", "media": fresh.pk}).pk)
    ChannelMedia.objects.create(
        media=lost,
        use="message",
        reference="gone",
        uploaded_at=timezone.now() - timedelta(hours=1),
    )
    campaign = a_campaign_with(
        {"kind": "image", "media": lost.pk}, {"kind": "image", "media": fresh.pk}
    )

    pump_campaign(campaign.pk)

    assert Batch.objects.get(campaign=campaign).state == BatchState.WAITING
    assert ChannelMedia.objects.get(media=lost).reference == ""
    assert ChannelMedia.objects.get(media=fresh).reference


def test_a_file_that_wecom_never_takes_ends_the_batch_with_the_reason(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    ChannelMedia.objects.create(
        media=image, use="message", reference="gone", uploaded_at=timezone.now()
    )
    campaign = a_campaign_with({"kind": "image", "media": image.pk})

    pump_campaign(campaign.pk)

    batch = Batch.objects.get(campaign=campaign)
    assert batch.state == BatchState.REFUSED
    assert "media" in batch.error
    assert sent(shop) == []


@pytest.mark.parametrize(
    "attachment",
    [
        {"kind": "image", "url": "https://elsewhere.example/coat.png"},
        {"kind": "file", "url": "https://elsewhere.example/list.pdf"},
        {"kind": "mini_program", "title": "Shop", "app_id": "wx1", "page": "p"},
        {"kind": "link", "title": "Coats"},
    ],
)
def test_what_was_planned_before_files_were_uploaded_is_refused_with_the_reason(shop, attachment):
    open_with(shop, 1)
    campaign = a_campaign_with()
    Campaign.objects.filter(pk=campaign.pk).update(attachments=[attachment])

    assert pump_campaign(campaign.pk) is False

    batch = Batch.objects.get(campaign=campaign)
    assert batch.state == BatchState.REFUSED
    missing = "lacks its 'url'" if attachment["kind"] == "link" else "Upload it."
    assert missing in batch.error
    assert Delivery.objects.get(campaign=campaign).state == DeliveryState.FAILED
    campaign.refresh_from_db()
    assert campaign.state == "done"
    assert sent(shop) == []


def test_while_another_worker_uploads_the_batch_waits(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    soon = timezone.now() + timedelta(seconds=50)
    ChannelMedia.objects.create(media=image, use="message", claimed_until=soon)
    campaign = a_campaign_with({"kind": "image", "media": image.pk})

    pump_campaign(campaign.pk)

    assert Batch.objects.get(campaign=campaign).state == BatchState.WAITING
    assert (uploads(shop), sent(shop)) == (0, [])


def test_what_another_worker_has_brought_meanwhile_is_not_uploaded_again(shop):
    """It was missing when this worker looked, and there when its turn came."""
    first, second = keep("coat.jpg", picture()), keep("hat.jpg", picture((50, 30)))
    needed = [(file.pk, MediaUse.MESSAGE) for file in (first, second)]

    brought: list[str] = []

    class FasterColleague(WeComConnector):
        """Has a colleague bring the second file before the first one."""

        def upload(self, file: Upload) -> str:
            brought.append(file.name)
            if brought == [first.name]:
                bring_media(needed[1:], self, now=timezone.now())
            return super().upload(file)

    bring_media(needed, FasterColleague(wecom()), now=timezone.now())

    assert brought == [first.name, second.name]
    assert uploads(shop) == 2


def test_files_that_take_long_are_brought_under_several_leases(shop):
    """A worker that uploads for longer than its lease would be taken for dead."""
    files = [keep("coat.jpg", picture()), keep("hat.jpg", picture((50, 30)))]
    needed = [(file.pk, MediaUse.MESSAGE) for file in files]

    for brought in (1, 2):
        assert bring_media(needed, connector_for("wecom"), now=timezone.now(), seconds=0)
        assert uploads(shop) == brought

    assert not bring_media(needed, connector_for("wecom"), now=timezone.now(), seconds=0)


def test_a_worker_that_died_while_uploading_holds_nobody_up(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    ChannelMedia.objects.create(
        media=image, use="message", claimed_until=timezone.now() - timedelta(seconds=1)
    )

    pump_campaign(a_campaign_with({"kind": "image", "media": image.pk}).pk)

    assert len(sent(shop)) == 1


def test_an_upload_that_fails_sends_nothing_and_is_made_again(shop):
    open_with(shop, 1)
    image = keep("coat.jpg", picture())
    shop.control.faults(fail=[{"path": "media/upload", "errcode": 45033, "times": 1}])
    campaign = a_campaign_with({"kind": "image", "media": image.pk})

    pump_campaign(campaign.pk)
    assert Batch.objects.get(campaign=campaign).state == BatchState.WAITING
    assert sent(shop) == []
    Batch.objects.update(next_attempt_at=None)
    pump_campaign(campaign.pk)

    assert len(sent(shop)) == 1


@pytest.mark.parametrize(
    "attachment",
    [
        {"kind": "image", "url": "https://elsewhere.example/coat.png"},
        {"kind": "image", "media": 2**40},
        {"kind": "image"},
        {"kind": "voice", "media": 1},
        {"kind": "link", "title": "Coats", "url": "javascript:alert(1)"},
        {"kind": "link", "title": "", "url": "https://e.com"},
        {"kind": "link", "title": "x" * 129, "url": "https://e.com"},
        {"kind": "link", "title": "Coats", "url": "https://e.com", "owner": 1},
        {"kind": "mini_program", "title": "Shop", "app_id": "wx1", "page": "p"},
        {"kind": "image", "media": "1"},
    ],
)
def test_an_attachment_that_could_not_be_sent_is_refused_when_written(redis, attachment):
    with pytest.raises(RuleBroken):
        a_campaign_with(attachment)
    assert not Campaign.objects.exists()


def test_a_tenth_attachment_is_refused(redis):
    link = {"kind": "link", "title": "Coats", "url": "https://e.com"}
    with pytest.raises(RuleBroken, match="9"):
        a_campaign_with(*[link] * 10)


def test_a_video_does_not_pass_for_a_picture(redis):
    video = make_media("walk.mp4", kind=MediaKind.VIDEO)
    with pytest.raises(RuleBroken):
        a_campaign_with({"kind": "image", "media": video.pk})


def test_other_channels_get_the_public_address(settings, redis):
    settings.LOCAL = True
    make_customers(1)
    image = make_media()
    campaign = a_campaign_with({"kind": "image", "media": image.pk}, channel="echo")
    campaign.refresh_from_db()

    (person,) = recipients_in(
        list(Batch.objects.filter(campaign=campaign).values_list("pk", flat=True)),
        DeliveryState.QUEUED,
    )
    letter = Writer(campaign).letter(person)

    assert letter.attachments == [{"kind": "image", "url": media_url(image)}]


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b"%PDF-", "no file that can be sent")]
)
def test_a_file_of_five_bytes_is_not_called_empty(content, why):
    with pytest.raises(RuleBroken, match=why):
        keep("list.pdf", content)
