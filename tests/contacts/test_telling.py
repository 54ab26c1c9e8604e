"""Notices on their way to people: at once or once a day, never twice, against the sandbox."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from contacts.actions.notices import mark_read, notify
from contacts.actions.telling import people_to_tell, tell, words_of
from contacts.enums import NoticeKind, NoticeRhythm, StaffState
from contacts.models import Notice, Staff
from contacts.notice_words import SHOWN
from tests.builders import NOON, make_customer, make_departed, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

SOON = NOON + timedelta(seconds=5)
NINE = NOON + timedelta(hours=21)


@pytest.fixture(autouse=True)
def _in_english(settings) -> None:
    settings.NOTICE_LANGUAGE = "en"


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def news(staff: Staff, number: int = 1, *, name: str = "Chen", first: int = 0) -> None:
    for index in range(first, first + number):
        customer = make_customer(name)
        about: dict[str, Any] = {"customer": customer, "about": staff}
        notify([staff.pk], NoticeKind.CUSTOMER_LOST, key=f"k{index}", now=NOON, **about)


def sent(shop: Shop) -> list[str]:
    return [row["content"]["content"] for row in shop.control.rows("app_messages")]


def test_all_that_is_new_is_one_message(shop: Shop):
    lin = make_staff("Lin")
    shop.open(lin)
    news(lin, 3)

    assert people_to_tell(SOON) == [lin.pk]
    assert tell(lin.pk, now=SOON) == 3

    (message,) = sent(shop)
    assert message.count("has removed Lin and is lost.") == 3
    assert tell(lin.pk, now=SOON) == 0
    assert len(sent(shop)) == 1


def test_the_next_message_waits_a_minute(shop: Shop):
    lin = make_staff("Lin")
    shop.open(lin)
    news(lin)
    tell(lin.pk, now=SOON)
    news(lin, first=1)

    assert people_to_tell(SOON + timedelta(seconds=30)) == []
    assert people_to_tell(SOON + timedelta(seconds=61)) == [lin.pk]


def test_whoever_wants_it_once_a_day_is_told_at_nine(shop: Shop):
    lin = make_staff("Lin", notice_rhythm=NoticeRhythm.DAILY)
    shop.open(lin)
    news(lin, 2)

    assert people_to_tell(NINE - timedelta(minutes=1)) == []
    assert people_to_tell(NINE) == [lin.pk]
    assert tell(lin.pk, now=NINE) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"notice_rhythm": NoticeRhythm.NEVER},
        {"wecom_userid": None},
        {"state": StaffState.SUSPENDED},
        {"left_channel_at": NOON},
    ],
)
def test_whoever_cannot_or_will_not_be_told_is_not(shop: Shop, fields):
    lin = make_staff("Lin", **fields)
    shop.open(make_staff("Mei"))
    news(lin)

    assert tell(lin.pk, now=SOON) == 0

    assert sent(shop) == []
    assert people_to_tell(SOON + timedelta(days=2)) == []
    assert Notice.objects.get().read_at is None


def test_the_departed_are_told_nothing(shop: Shop):
    wei = make_departed()
    news(wei)

    assert tell(wei.pk, now=SOON) == 0
    assert sent(shop) == []


def test_what_was_read_meanwhile_is_not_sent(shop: Shop):
    lin = make_staff("Lin")
    shop.open(lin)
    news(lin)
    mark_read(Notice.objects.all(), now=NOON)

    assert tell(lin.pk, now=SOON) == 0
    assert sent(shop) == []


def test_a_busy_channel_is_asked_again_and_nothing_is_lost(shop: Shop):
    lin = make_staff("Lin")
    shop.open(lin)
    news(lin)
    shop.control.faults(fail=[{"path": "message/send", "errcode": 45009}])

    assert tell(lin.pk, now=SOON) == 0
    assert Notice.objects.get().told_at is None


def test_without_wecom_nothing_waits():
    lin = make_staff("Lin")
    news(lin)

    with override_settings(WECOM_CORP_ID=""):
        assert tell(lin.pk, now=SOON) == 0

    assert people_to_tell(SOON) == []


def test_however_much_there_is_the_message_fits():
    lin = make_staff("Lin")
    news(lin, 60, name="陈" * 40)

    words = words_of(list(Notice.objects.select_related(*SHOWN)))

    assert len(words.encode()) <= 2048
    assert "more." in words
