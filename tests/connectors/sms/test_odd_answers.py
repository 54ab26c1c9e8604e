"""What providers of SMS answer, however odd: kept as far as it can be, and never a crash."""

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from connectors.base import ChannelBusy, Letter, Outcome
from connectors.sms.channel import SmsChannel

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
LETTER = Letter("liuke-1-1", "+447946000001", "Our coats are here")
MESSAGE = {"body": LETTER.text, "date_created": "Mon, 02 Mar 2026 03:59:30 +0000"}
TWILIO = "twilio+http://AC1:token@{}/?from=+15550001"
ALIYUN = "aliyun+http://key:secret@{}/?sign=Shop&template=SMS_1"


class _Handler(BaseHTTPRequestHandler):
    said: bytes = b""
    status: int = 200

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        if length := int(self.headers.get("Content-Length") or 0):
            self.rfile.read(length)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.said)))
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def provider(url: str, said: object, *, status: int = 200) -> Iterator[SmsChannel]:
    """A provider that says this, whatever it is asked."""
    handler = type("Handler", (_Handler,), {"said": json.dumps(said).encode(), "status": status})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    channel = SmsChannel(url.format(f"127.0.0.1:{server.server_address[1]}"))
    try:
        yield channel
    finally:
        channel.close()
        server.shutdown()
        server.server_close()


def looked_up(url: str, said: object, *, known: Collection[str] = ()) -> Any:
    with provider(url, said) as channel:
        since = NOW - timedelta(minutes=1)
        return channel.look_up(LETTER, since=since, until=NOW, known=known)


def sent(url: str, said: object, *, status: int = 200) -> Any:
    with provider(url, said, status=status) as channel:
        (answer,) = channel.send([LETTER])
    return answer


@pytest.mark.parametrize(
    ("sid", "kept"),
    [("SM1", "SM1"), ("S\0M1", "SM1"), ("S" * 500, "S" * 120), (7, "7"), (None, "")],
)
def test_id_that_twilio_has_of_a_message_is_kept_as_far_as_it_can_be(sid: Any, kept: str) -> None:
    answer = looked_up(TWILIO, {"messages": [MESSAGE | {"sid": sid}]})

    assert (answer.outcome, answer.reference) == (Outcome.TAKEN, kept)
    assert sent(TWILIO, {"sid": sid}).reference == kept


def test_rows_that_are_no_messages_are_passed_over() -> None:
    rows = [7, None, "x", [MESSAGE], {"date_created": 7}, MESSAGE | {"sid": "SM1"}]

    assert looked_up(TWILIO, {"messages": rows}).reference == "SM1"


@pytest.mark.parametrize("url", [TWILIO, ALIYUN])
@pytest.mark.parametrize("said", [[], 7, None, "x"])
def test_answer_that_is_no_object_is_none(url: str, said: object) -> None:
    with pytest.raises(ChannelBusy):
        looked_up(url, said)


@pytest.mark.parametrize("biz", ["B\0" + "1" * 500, ["x"], {"a": 1}])
def test_id_that_aliyun_has_of_a_message_is_kept_as_far_as_it_can_be(biz: Any) -> None:
    answer = sent(ALIYUN, {"Code": "OK", "BizId": biz})

    assert answer.outcome is Outcome.TAKEN
    assert "\0" not in answer.reference
    assert len(answer.reference) <= 120


def test_message_of_other_words_may_be_ours_unless_it_is_known_to_be_another() -> None:
    rows = {"messages": [MESSAGE | {"sid": "SM1", "body": "Dear Chen, our coats are here"}]}

    assert looked_up(TWILIO, rows).outcome is Outcome.UNCLEAR
    assert looked_up(TWILIO, rows, known={"SM1"}) is None


def test_message_of_these_words_that_is_known_to_be_another_is_not_ours() -> None:
    rows = {"messages": [MESSAGE | {"sid": "SM1"}]}

    assert looked_up(TWILIO, rows, known={"SM1"}) is None


@pytest.mark.parametrize(
    "code",
    [
        "isv.DAY_LIMIT_CONTROL",
        "isv.MONTH_LIMIT_CONTROL",
        "isv.ACCOUNT_ABNORMAL",
        "isv.ACCOUNT_NOT_EXISTS",
        "isv.SMS_SIGN_ILLEGAL",
        "isv.PRODUCT_UNSUBSCRIBE",
        "isv.DENY_IP_RANGE",
        "isp.RAM_PERMISSION_DENY",
    ],
)
def test_what_aliyun_says_of_the_account_refuses_nobody(code: str) -> None:
    answer = sent(ALIYUN, {"Code": code, "Message": code})

    assert (answer.outcome, answer.is_channel) == (Outcome.BUSY, True)
    assert code in answer.why


@pytest.mark.parametrize("code", [10001, 21212, 21601, 21603, 21606, 21659, 21660, 21661, 21703])
def test_what_twilio_says_of_the_sender_refuses_nobody(code: int) -> None:
    answer = sent(TWILIO, {"code": code, "message": "", "status": 400}, status=400)

    assert (answer.outcome, answer.is_channel) == (Outcome.BUSY, True)
    assert str(code) in answer.why


@pytest.mark.parametrize("code", [21408, 21608, 21610, 21612, 21617])
def test_what_twilio_says_of_one_letter_refuses_that_one(code: int) -> None:
    answer = sent(TWILIO, {"code": code, "message": "", "status": 400}, status=400)

    assert (answer.outcome, answer.is_address) == (Outcome.REFUSED, False)


@pytest.mark.parametrize("code", [21211, 21614, 21635])
def test_number_that_twilio_knows_to_be_none_is_no_address(code: int) -> None:
    answer = sent(TWILIO, {"code": code, "message": "", "status": 400}, status=400)

    assert (answer.outcome, answer.is_address) == (Outcome.REFUSED, True)
