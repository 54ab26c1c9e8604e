"""Gateways of SMS that speak Twilio's, Aliyun's and our plain format."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from urllib.parse import parse_qs

from connectors.base import Recovery
from connectors.sms.channel import IN_FLIGHT, SmsChannel
from tests.connectors.contract import Case, FarSide, Got, Scene
from tests.connectors.http_far_side import Said, open_http


def read_plain(body: bytes) -> list[Got]:
    row = json.loads(body)
    return [Got(row["key"], row["to"], row["text"])]


def read_twilio(body: bytes) -> list[Got]:
    form = parse_qs(body.decode(), strict_parsing=True)
    return [Got("", form["To"][0], form["Body"][0])]


def read_aliyun(body: bytes) -> list[Got]:
    form = parse_qs(body.decode(), strict_parsing=True)
    text = json.loads(form["TemplateParam"][0])["text"]
    return [Got(form["OutId"][0], form["PhoneNumbers"][0], text)]


def said(status: int, **fields: object) -> Said:
    return Said(status, json.dumps(fields).encode())


def say_plain(letters: Sequence[tuple[Got, Scene]]) -> Said:
    [(got, scene)] = letters
    return {
        Scene.TAKE: said(200, id="1"),
        Scene.BUSY: said(429),
        Scene.REFUSE: said(422, error=got.to),
        Scene.BREAK: said(500),
    }[scene]


def say_as_twilio(letters: Sequence[tuple[Got, Scene]]) -> Said:
    [(got, scene)] = letters
    return {
        Scene.TAKE: said(201, sid="SM1", body=got.text),
        Scene.BUSY: said(429, code=20429, message="Too Many Requests"),
        Scene.REFUSE: said(400, code=21211, message=f"'To' {got.to} is not valid"),
        Scene.BREAK: said(500, code=20500, message="Internal Server Error"),
    }[scene]


def say_as_aliyun(letters: Sequence[tuple[Got, Scene]]) -> Said:
    [(got, scene)] = letters
    return {
        Scene.TAKE: said(200, Code="OK", BizId="1^0", Message="OK"),
        Scene.BUSY: said(200, Code="isv.BUSINESS_LIMIT_CONTROL", Message="limit"),
        Scene.REFUSE: said(200, Code="isv.MOBILE_NUMBER_ILLEGAL", Message=got.to),
        Scene.BREAK: said(500, Code="InternalError", Message="try again"),
    }[scene]


def open_far_side(
    url: str,
    read: Callable[[bytes], list[Got]],
    say: Callable[[Sequence[tuple[Got, Scene]]], Said],
) -> AbstractContextManager[FarSide]:
    return open_http(lambda host: SmsChannel(url.replace("HOST", host)), read, say)


def number(place: int) -> str:
    return f"+4479460{place:05}"


CASES = [
    Case(
        "sms, plain",
        partial(open_far_side, "json+http://token@HOST/sms", read_plain, say_plain),
        Recovery.KEYED,
        number,
        IN_FLIGHT,
    ),
    Case(
        "sms, Twilio",
        partial(
            open_far_side,
            "twilio+http://AC1:token@HOST/?from=+15550001",
            read_twilio,
            say_as_twilio,
        ),
        Recovery.ASKABLE,
        number,
        IN_FLIGHT,
        carries_keys=False,
    ),
    Case(
        "sms, Aliyun",
        partial(
            open_far_side,
            "aliyun+http://key:secret@HOST/?sign=Shop&template=SMS_1",
            read_aliyun,
            say_as_aliyun,
        ),
        Recovery.ASKABLE,
        lambda place: f"+86138{place:08}",
        IN_FLIGHT,
    ),
]
