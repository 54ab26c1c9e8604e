"""The small words of the templates: initials, times, figures, tones."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import override

from campaigns.enums import SeriesKind
from campaigns.models import Series
from contacts.enums import ItemState
from crm.series_words import when_words
from crm.templatetags.liuke import (
    ago,
    capped,
    channel_words,
    coming_birthday,
    initials,
    listed,
    state_parts,
    tone,
)
from tests.builders import NOON


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("陈静", "陈静"),
        ("欧阳明珠", "明珠"),
        ("陈", "陈"),
        ("Lin Xiaoyue", "LX"),
        ("Lin", "L"),
        ("Zoë Dubois", "ZD"),
        ("Élodie", "É"),
        ("Anna Maria von Berg", "AB"),
        ("", "?"),
        ("  ", "?"),
        ("😀", "😀"),
    ],
)
def test_initials(name: str, expected: str) -> None:
    assert initials(name) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=12), "12 hours ago"),
        (timedelta(hours=13), "yesterday"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "30 Jan"),
        (timedelta(days=90), "2 Dec 2025"),
        (timedelta(days=-3), "5 Mar"),
    ],
)
def test_how_long_ago(passed: timedelta, expected: str) -> None:
    assert ago(NOON - passed) == expected


def test_never_is_no_time() -> None:
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("birthday", "expected"),
    [
        (date(1990, 3, 2), "birthday today"),
        (date(1990, 3, 3), "birthday tomorrow"),
        (date(1990, 3, 9), "birthday on 9 Mar"),
        (date(1992, 2, 29), "birthday on 28 Feb"),
        (date(1990, 1, 1), "birthday on 1 Jan"),
    ],
)
def test_the_coming_birthday(birthday: date, expected: str) -> None:
    assert coming_birthday(birthday) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, "0"), (1000, "1,000"), (1001, "1,000+")])
def test_figures_are_capped(count: int, expected: str) -> None:
    assert capped(count) == expected


def test_a_bar_shows_every_state_that_occurs_and_fills_up() -> None:
    states = {ItemState.ACCEPTED: 2, ItemState.WAITING: 0, ItemState.REFUSED: 6}

    parts = state_parts(states, 8)

    assert [(part["label"], part["tone"], part["x"], part["width"]) for part in parts] == [
        ("accepted", "success", "0.000", "25.000"),
        ("refused", "danger", "25.000", "75.000"),
    ]


def test_an_unknown_state_is_neutral() -> None:
    assert tone("something new") == "neutral"


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("WeCom is busy.", "企业微信系统繁忙。"),
        ("WeCom is busy. (-1)", "企业微信系统繁忙。 (-1)"),
        (
            "externalcontact/add_msg_template: WeCom refused the call. [too long] (41048)",
            "externalcontact/add_msg_template: 企业微信拒绝了调用。 [too long] (41048)",
        ),
        ("the mail server refused the mail (554 5.7.1)", "邮件服务器拒收这封邮件 (554 5.7.1)"),
        ("the far side refused it (HTTP 400)", "对方拒绝了 (HTTP 400)"),
        ("Twilio 21211: not a number", "Twilio 21211: 不是电话号码"),
        ("no answer came in time", "未及时收到答复"),
        ("Something new: nobody translated it.", "Something new: nobody translated it."),
        ("", ""),
    ],
)
def test_what_a_channel_said_is_stored_in_english_and_shown_in_the_language_of_the_reader(
    stored: str, expected: str
) -> None:
    assert channel_words(stored) == stored

    with override("zh-hans"):
        assert channel_words(stored) == expected


def test_several_words_are_parted_as_the_language_does_it() -> None:
    assert listed(["Lin", "Mei"]) == "Lin, Mei"

    with override("zh-hans"):
        assert listed(["林悦", "何淼"]) == "林悦、何淼"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_large_figures_are_grouped_in_threes(language: str) -> None:
    with override(language):
        assert intcomma(1_234_567) == "1,234,567"


@pytest.mark.parametrize(
    ("rule", "english", "chinese"),
    [
        ({"freq": "daily"}, "every day at 10:00", "每天 10:00"),
        ({"freq": "daily", "every": 3}, "every 3 days at 10:00", "每 3 天 10:00"),
        (
            {"freq": "weekly", "weekdays": [0, 3]},
            "every week on Monday, Thursday at 10:00",
            "每周星期一、星期四 10:00",
        ),
        (
            {"freq": "weekly", "every": 2, "weekdays": [0]},
            "every 2 weeks on Monday at 10:00",
            "每 2 周的星期一 10:00",
        ),
        (
            {"freq": "monthly", "day": -1},
            "every month on its last day at 10:00",
            "每月最后一天 10:00",
        ),
        (
            {"freq": "monthly", "every": 2, "day": 5},
            "every 2 months on day 5 at 10:00",
            "每 2 个月的 5 号 10:00",
        ),
    ],
)
def test_when_a_series_runs(rule: dict[str, Any], english: str, chinese: str) -> None:
    series = Series(kind=SeriesKind.REPEAT, rule=rule, at_time=time(10))

    with override("en"):
        assert when_words(series) == english
    with override("zh-hans"):
        assert when_words(series) == chinese
