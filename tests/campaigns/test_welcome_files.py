"""Files that go with welcomes: at WeCom beforehand, or left out rather than late."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from campaigns.actions.media import FRESH_FOR, keep_media
from campaigns.actions.welcome_rules import (
    LONGEST_REST,
    RENEWED_AFTER,
    bring_files,
    drop_welcome,
    rules_with_files_due,
    set_welcome,
)
from campaigns.actions.welcomes import receive_welcome, send_welcome
from campaigns.attachments import MOST
from campaigns.enums import LeftOut, WelcomeState
from campaigns.models import ChannelMedia, MediaFile, Welcome, WelcomeRule
from contacts.enums import StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry, Staff
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_code, make_follow, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

LINK = {"kind": "link", "title": "Coats", "url": "https://shop.example/coats"}


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def lin(shop: Shop) -> Staff:
    staff = make_staff("Lin")
    shop.open(staff)
    return staff


def picture(colour: str = "red") -> MediaFile:
    written = BytesIO()
    Image.new("RGB", (40, 30), colour).save(written, "JPEG")
    return keep_media(f"{colour}.jpg", written.getvalue(), actor=None, now=timezone.now())


def image(media: MediaFile) -> dict[str, Any]:
    return {"kind": "image", "media": media.pk}


def rule_with(*attachments: dict[str, Any], text: str = "Welcome") -> WelcomeRule:
    return set_welcome(text=text, attachments=attachments, actor=None, now=timezone.now())


def scanned(shop: Shop, staff: Staff, name: str = "woChen") -> Welcome:
    """Somebody scans, and WeCom's code for greeting them is stored."""
    shop.control.scan([{"external_userid": name, "name": name}], userid=staff.wecom_userid or "")
    code = str(shop.control.rows("callbacks")[-1]).split("WelcomeCode")[1].split("[CDATA[")[1]
    follow, now = make_follow(staff), timezone.now()
    return receive_welcome(follow, code.split("]")[0], contact_code=None, issued_at=now, now=now)


def greet(shop: Shop, staff: Staff, name: str = "woChen") -> Welcome:
    welcome = scanned(shop, staff, name)
    send_welcome(welcome.pk, now=timezone.now())
    welcome.refresh_from_db()
    return welcome


def said(shop: Shop) -> list[tuple[str, list[str]]]:
    """The words of every greeting, and the kinds of what went with them."""
    return [
        (row["text"], [item["msgtype"] for item in row["attachments"]])
        for row in shop.control.rows("welcomes")
    ]


def calls(shop: Shop, path: str) -> int:
    return int(shop.control.ledger()["calls"].get(path, 0))


def outcome(welcome: Welcome) -> tuple[str, int, str]:
    return welcome.state, welcome.left_out, welcome.error


# --- in time ------------------------------------------------------------------------------------


def test_files_are_at_wecom_before_anybody_is_greeted(shop: Shop, lin: Staff) -> None:
    red = picture()
    card = {"kind": "mini_program", "title": "Shop", "app_id": "wx1", "page": "index",
            "cover": red.pk}  # fmt: skip
    rule_with(image(red), LINK, card)
    do_what_is_due(now=timezone.now())
    uploads = calls(shop, "media/upload")

    welcome = greet(shop, lin)

    assert outcome(welcome) == (WelcomeState.SENT, 0, "")
    assert said(shop) == [("Welcome", ["image", "link", "miniprogram"])]
    assert (uploads, calls(shop, "media/upload")) == (2, 2)
    assert shop.violations() == []


def test_nine_files_go_with_one_welcome(shop: Shop, lin: Staff) -> None:
    rule = rule_with(*[image(picture(f"#0000{n}0")) for n in range(MOST)])
    assert bring_files(rule.pk, now=timezone.now())

    assert greet(shop, lin).state == WelcomeState.SENT

    assert said(shop) == [("Welcome", ["image"] * MOST)]


def test_what_is_not_ready_is_left_out_rather_than_late(shop: Shop, lin: Staff) -> None:
    rule_with(image(picture()), LINK)

    welcome = greet(shop, lin)

    assert outcome(welcome) == (WelcomeState.SENT, 1, "")
    assert welcome.left_out_why == LeftOut.NOT_READY
    assert said(shop) == [("Welcome", ["link"])]
    assert calls(shop, "media/upload") == 0


def test_file_that_is_too_old_is_left_out(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()), image(picture("blue")))
    bring_files(rule.pk, now=timezone.now())
    old = ChannelMedia.objects.order_by("pk").first()
    assert old is not None
    ChannelMedia.objects.filter(pk=old.pk).update(uploaded_at=timezone.now() - FRESH_FOR)

    assert outcome(greet(shop, lin)) == (WelcomeState.SENT, 1, "")


def lose_all(hours: float = 1) -> None:
    """WeCom has forgotten the files, and we do not know."""
    for row in ChannelMedia.objects.all():
        ChannelMedia.objects.filter(pk=row.pk).update(
            reference=f"gone-{row.pk}", uploaded_at=timezone.now() - timedelta(hours=hours)
        )


def test_welcome_goes_at_once_without_files_that_wecom_has_forgotten(
    shop: Shop, lin: Staff
) -> None:
    rule = rule_with(image(picture()), LINK)
    bring_files(rule.pk, now=timezone.now())
    lose_all()

    first = greet(shop, lin)

    assert outcome(first) == (WelcomeState.SENT, 1, "")
    assert said(shop) == [("Welcome", ["link"])]
    assert calls(shop, "externalcontact/send_welcome_msg") == 2
    assert (first.attempts, first.left_out_why) == (1, LeftOut.FORGOTTEN)
    do_what_is_due(now=timezone.now())
    assert outcome(greet(shop, lin, "woZhao")) == (WelcomeState.SENT, 0, "")
    assert said(shop)[1] == ("Welcome", ["image", "link"])
    assert shop.violations() == []


def test_file_that_is_forgotten_at_once_is_not_brought_again_and_again(
    shop: Shop, lin: Staff
) -> None:
    rule = rule_with(image(picture()))
    bring_files(rule.pk, now=timezone.now())
    lose_all(hours=0)

    assert outcome(greet(shop, lin)) == (WelcomeState.SENT, 1, "")

    do_what_is_due(now=timezone.now())
    assert calls(shop, "media/upload") == 1


def test_second_attempt_is_not_begun_after_the_deadline(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()))
    bring_files(rule.pk, now=timezone.now())
    lose_all()
    welcome = scanned(shop, lin)
    now = timezone.now()
    Welcome.objects.update(deadline_at=now + timedelta(seconds=0.5))

    assert send_welcome(welcome.pk, now=now - timedelta(seconds=5))

    welcome.refresh_from_db()
    assert welcome.state == WelcomeState.FAILED
    assert said(shop) == []


def test_answer_that_is_lost_after_files_were_left_out_is_repeated(shop: Shop, lin: Staff) -> None:
    rule_with(image(picture()))
    shop.control.faults(lose=[{"path": "externalcontact/send_welcome_msg", "times": 1}])
    welcome = greet(shop, lin)
    assert welcome.state == WelcomeState.PENDING

    send_welcome(welcome.pk, now=timezone.now())

    welcome.refresh_from_db()
    assert (welcome.state, welcome.left_out) == (WelcomeState.SENT, 1)
    assert len(said(shop)) == 1


def test_welcome_keeps_the_files_of_the_moment_in_which_it_came(shop: Shop, lin: Staff) -> None:
    rule = rule_with(LINK)
    welcome = scanned(shop, lin)
    set_welcome(text="Other", seen=rule.content, actor=None, now=timezone.now())

    send_welcome(welcome.pk, now=timezone.now())

    assert said(shop) == [("Welcome", ["link"])]


def test_without_words_and_files_it_says_why(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()))
    rule.content.text = ""
    rule.content.save()

    welcome = greet(shop, lin)

    assert welcome.state == WelcomeState.FAILED
    assert "not ready" in welcome.error
    assert said(shop) == []


def test_file_that_wecom_could_not_be_given_is_left_out(shop: Shop, lin: Staff) -> None:
    rule = rule_with(LINK)
    rule.content.attachments = [LINK, {"kind": "image", "url": "https://shop.example/a.png"}]
    rule.content.save()

    assert outcome(greet(shop, lin)) == (WelcomeState.SENT, 1, "")
    assert said(shop) == [("Welcome", ["link"])]


# --- kept fresh ---------------------------------------------------------------------------------


def due_at(rule: WelcomeRule) -> datetime | None:
    rule.refresh_from_db()
    return rule.files_due_at


def test_files_are_brought_anew_before_a_welcome_finds_them_too_old(shop: Shop, lin: Staff) -> None:
    start = timezone.now()
    rule = rule_with(image(picture()))
    assert rules_with_files_due(timezone.now()) == [rule.pk]
    assert bring_files(rule.pk, now=start + timedelta(seconds=1))
    assert due_at(rule) == start + timedelta(seconds=1) + RENEWED_AFTER
    assert rules_with_files_due(timezone.now()) == []

    later = start + RENEWED_AFTER + timedelta(seconds=2)
    assert rules_with_files_due(later) == [rule.pk]
    assert bring_files(rule.pk, now=later)

    assert calls(shop, "media/upload") == 2
    assert due_at(rule) == later + RENEWED_AFTER
    assert RENEWED_AFTER + timedelta(hours=6) < FRESH_FOR


def test_one_worker_at_a_time_brings_files(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()))
    now = timezone.now()
    WelcomeRule.objects.update(files_due_at=now + timedelta(minutes=1))

    assert not bring_files(rule.pk, now=now)
    assert calls(shop, "media/upload") == 0


def test_upload_that_fails_is_made_later_and_the_rule_says_why(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()))
    shop.control.faults(fail=[{"path": "media/upload", "errcode": 40004, "times": 1}])
    now = timezone.now()

    assert not bring_files(rule.pk, now=now)
    assert due_at(rule) == now + LONGEST_REST
    assert rule.files_error
    assert bring_files(rule.pk, now=now + LONGEST_REST)
    rule.refresh_from_db()
    assert rule.files_error == ""


def test_wecom_that_is_busy_is_asked_again_soon(shop: Shop, lin: Staff) -> None:
    rule = rule_with(image(picture()))
    shop.control.faults(fail=[{"path": "media/upload", "errcode": 45033, "times": 9}])
    now = timezone.now()

    assert not bring_files(rule.pk, now=now)

    due = due_at(rule)
    assert due is not None
    assert now < due <= now + LONGEST_REST


def test_without_wecom_the_rule_rests(settings: Any) -> None:
    rule = rule_with(image(picture()))
    now = timezone.now()

    assert not bring_files(rule.pk, now=now)

    assert rules_with_files_due(now + timedelta(seconds=30)) == []
    rule.refresh_from_db()
    assert rule.files_error


def test_files_of_leavers_and_closed_codes_are_let_be() -> None:
    now = timezone.now()
    gone, closed = make_staff("Gone"), make_code()
    for level in ({"staff": gone}, {"contact_code": closed}):
        set_welcome(text="Hi", attachments=[image(picture())], actor=None, now=now, **level)
    assert len(rules_with_files_due(now)) == 2
    Staff.objects.filter(pk=gone.pk).update(state=StaffState.DEPARTED, departed_at=now)
    closed.closed_at = now
    closed.save()

    assert rules_with_files_due(now) == []


def test_rule_without_files_is_never_due() -> None:
    rule_with(LINK)

    assert rules_with_files_due(timezone.now() + timedelta(days=9)) == []


# --- rules --------------------------------------------------------------------------------------


def test_rule_of_a_level_is_changed_and_dropped() -> None:
    lin = make_staff("Lin")
    now = timezone.now()
    first = set_welcome(staff=lin, text="One", actor=lin, now=now)
    second = set_welcome(staff=lin, text="Two", seen=first.content, actor=lin, now=now)

    assert second.pk == first.pk
    assert WelcomeRule.objects.get().content.text == "Two"
    drop_welcome(second, actor=lin, now=now)
    assert not WelcomeRule.objects.exists()
    with pytest.raises(MovedOn):
        drop_welcome(first, actor=lin, now=now)
    actions = HistoryEntry.objects.filter(action__startswith="welcome_rule")
    assert list(actions.order_by("pk").values_list("action", flat=True)) == [
        "welcome_rule.set",
        "welcome_rule.set",
        "welcome_rule.dropped",
    ]


def test_of_two_who_change_a_welcome_the_second_is_told() -> None:
    first = rule_with(LINK)
    set_welcome(text="Two", seen=first.content, actor=None, now=timezone.now())

    with pytest.raises(MovedOn):
        set_welcome(text="Three", seen=first.content, actor=None, now=timezone.now())
    with pytest.raises(MovedOn):
        set_welcome(text="Three", actor=None, now=timezone.now())

    assert WelcomeRule.objects.get().content.text == "Two"


@pytest.mark.parametrize(
    ("text", "attachments", "why"),
    [
        ("", [], "what is said"),
        ("x" * 4001, [], "4000"),
        ("欢" * 1334, [], "4000"),
        ("Hi", [LINK] * 10, "at most 9"),
        ("Hi", [{"kind": "image", "url": "https://shop.example/a.png"}], "Upload it"),
        ("Hi", [{"kind": "image", "media": 7}], "gone"),
        ("Hi", [{"kind": "voice", "media": 7}], "no such kind"),
    ],
)
def test_what_could_not_be_sent_is_refused(
    text: str, attachments: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(RuleBroken, match=why):
        rule_with(*attachments, text=text)
    assert not WelcomeRule.objects.exists()


def test_files_need_words_that_can_go_alone() -> None:
    with pytest.raises(RuleBroken, match="goes alone"):
        rule_with(image(picture()), text=" ")
    rule_with(LINK, text="")
