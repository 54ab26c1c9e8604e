"""Mails that come back: what servers and services write, and what strangers may write."""

import base64
import random
import time

import pytest

from connectors.base import ReceiptKind
from connectors.smtp.bounces import MOST_BYTES, Returned, ReturnKind, read_returned
from tests.builders import NOON
from tests.returned import complaint, note, original, postfix, report, status_of, wish

KEY = "liuke-17-4211"
WORD = "ER7zIAbcdefghijklmnopq12"
MARK = f"{KEY}.{WORD}"

BOUNCED, FAILED, DELIVERED = ReceiptKind.BOUNCED, ReceiptKind.FAILED, ReceiptKind.DELIVERED


def is_ours(key: str, mark: str) -> bool:
    return (key, mark) == (KEY, WORD)


def read(raw: bytes) -> Returned:
    return read_returned(raw, is_ours=is_ours, now=NOON)


def kind_of(raw: bytes) -> ReceiptKind:
    """The kind of the one receipt, which names the letter and nobody's address."""
    returned = read(raw)
    assert returned.kind == ReturnKind.RECEIPT
    [receipt] = returned.receipts
    assert (receipt.key, receipt.address, receipt.reference) == (KEY, "", "")
    assert receipt.at is not None
    assert receipt.at <= NOON
    return receipt.kind


# --- bounces ------------------------------------------------------------------------------------

POSTFIX = postfix(MARK)

EXIM = f"""\
Return-path: <>\r
From: Mail Delivery System <Mailer-Daemon@relay.example>\r
To: news@shop.example\r
Auto-Submitted: auto-replied\r
X-Failed-Recipients: chen@mail.example\r
Content-Type: multipart/report; report-type=delivery-status; boundary=1664-eximdsn\r
MIME-Version: 1.0\r
Subject: Mail delivery failed: returning message to sender\r
Message-Id: <E1oQ@relay.example>\r
\r
--1664-eximdsn\r
Content-type: text/plain; charset=us-ascii\r
\r
This message was created automatically by mail delivery software.\r
\r
--1664-eximdsn\r
Content-type: message/delivery-status\r
\r
Reporting-MTA: dns; relay.example\r
\r
Action: failed\r
Final-Recipient: rfc822;chen@mail.example\r
Status: 5.0.0\r
Remote-MTA: dns; mx.mail.example\r
Diagnostic-Code: smtp; 550 5.1.1 <chen@mail.example>: User unknown\r
\r
--1664-eximdsn\r
Content-type: message/rfc822\r
\r
{original(MARK)}\r
--1664-eximdsn--\r
""".encode()

EXCHANGE = f"""\
From: Microsoft Outlook\r
 <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@tenant.example>\r
To: news@shop.example\r
Content-Type: multipart/report; report-type=delivery-status;\r
\tboundary="_000_AM0"\r
MIME-Version: 1.0\r
In-Reply-To: <{MARK}@shop.example>\r
References: <{MARK}@shop.example>\r
Subject: =?utf-8?B?5pyq5Lyg6YCSOiBTcHJpbmc=?=\r
\r
--_000_AM0\r
Content-Type: multipart/alternative; boundary="_001_AM0"\r
\r
--_001_AM0\r
Content-Type: text/html; charset="utf-8"\r
Content-Transfer-Encoding: base64\r
\r
PGI+WW91ciBtZXNzYWdlIHdhcyBub3QgZGVsaXZlcmVkPC9iPg==\r
\r
--_001_AM0--\r
\r
--_000_AM0\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns;AM0PR01.tenant.example\r
Received-From-MTA: dns;shop.example\r
Arrival-Date: Mon, 2 Mar 2026 03:58:00 +0000\r
\r
Final-Recipient: rfc822;chen@mail.example\r
Action: failed\r
Status: 5.1.10\r
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not\r
 found by SMTP address lookup\r
\r
--_000_AM0--\r
""".encode()

GMAIL = f"""\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r
To: news@shop.example\r
Auto-Submitted: auto-replied\r
Subject: Delivery Status Notification (Failure)\r
Content-Type: multipart/report; boundary="0000000000005f"; report-type=delivery-status\r
MIME-Version: 1.0\r
\r
--0000000000005f\r
Content-Type: multipart/related; boundary="0000000000006a"\r
\r
--0000000000006a\r
Content-Type: text/plain; charset="UTF-8"\r
\r
** Address not found **\r
\r
--0000000000006a--\r
--0000000000005f\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; googlemail.com\r
X-Original-Message-ID: <{MARK}@shop.example>\r
\r
Final-Recipient: rfc822; chen@mail.example\r
Action: failed\r
Status: 5.1.1\r
Remote-MTA: dns; mx.mail.example. (192.0.2.7, the server for the domain.)\r
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not\r
 exist. 550 5.1.1 Learn more\r
Last-Attempt-Date: Mon, 02 Mar 2026 03:58:00 -0000 (UTC)\r
\r
--0000000000005f\r
Content-Type: text/rfc822-headers\r
\r
{original(MARK, body="")}\r
--0000000000005f--\r
""".encode()

SENDMAIL = report(
    "Reporting-MTA: dns; relay.example\r\nReceived-From-MTA: DNS; shop.example\r\n\r\n"
    "Final-Recipient: RFC822; chen@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Diagnostic-Code: X-Unix; 550 User unknown\r\n",
    original(MARK, body=""),
    returned_type="text/rfc822-headers",
)

QMAIL = f"""\
Return-Path: <>\r
From: MAILER-DAEMON@relay.example\r
To: news@shop.example\r
Subject: failure notice\r
\r
Hi. This is the qmail-send program at relay.example.\r
I'm afraid I wasn't able to deliver your message to the following addresses.\r
This is a permanent error; I've given up. Sorry it didn't work out.\r
\r
<chen@mail.example>:\r
192.0.2.7 does not like recipient.\r
Remote host said: 550 5.1.1 unknown user\r
\r
--- Below this line is a copy of the message.\r
\r
Return-Path: <news@shop.example>\r
{original(MARK)}""".encode()

QQ = (
    "From: PostMaster@qq.com\r\nTo: news@shop.example\r\n"
    "Subject: =?gb18030?B?z7XNs83L0MU=?=\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=qq\r\n\r\n--qq\r\n"
    "Content-Type: text/html; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(
        "<p>很抱歉您的邮件被退回</p><td>host mx3.qq.com said:<br>550 Mailbox not found</td>".encode(
            "gb18030"
        )
    ).decode()
    + f"--qq\r\nContent-Type: message/rfc822\r\n\r\n{original(MARK)}\r\n--qq--\r\n"
).encode()

GLOBAL = report(
    status_of(), original(MARK), returned_type="message/global", kind="delivery-status"
).replace(b"message/delivery-status", b"message/global-delivery-status")

WRAPPED = (
    "From: MAILER-DAEMON@relay.example\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
    'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\r\n\r\n'
    "--=_b\r\nContent-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    f"{base64.encodebytes(status_of().encode()).decode()}\r\n"
    f"--=_b\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    f"{base64.encodebytes(original(MARK).encode()).decode()}\r\n--=_b--\r\n--outer--\r\n"
).encode()


@pytest.mark.parametrize(
    "raw",
    [POSTFIX, EXIM, EXCHANGE, GMAIL, SENDMAIL, QMAIL, QQ, GLOBAL, WRAPPED],
    ids=["postfix", "exim", "exchange", "gmail", "sendmail", "qmail", "qq", "global", "wrapped"],
)
def test_address_that_leads_nowhere_is_told_by_every_server(raw: bytes) -> None:
    assert kind_of(raw) == BOUNCED
    assert kind_of(raw.replace(b"\r\n", b"\n")) == BOUNCED


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.1.1", "", BOUNCED),
        ("5.1.2 (bad destination system)", "", BOUNCED),
        ("5.2.1", "smtp; 550 5.2.1 mailbox disabled", BOUNCED),
        ("5.0.0", "smtp; 550 no such user here", BOUNCED),
        ("5.0.0", "smtp; 554 transaction failed", FAILED),
        ("5.0.0", "smtp; 550 5.7.1 looks like spam", FAILED),
        ("5.2.2", "smtp; 552 5.2.2 mailbox full", FAILED),
        ("5.7.1", "smtp; 550 5.7.1 looks like spam", FAILED),
        ("5.1.8", "smtp; 550 5.1.8 bad sender", FAILED),
        ("4.4.7", "smtp; 421 4.4.7 gave up", FAILED),
        ("4.2.2", "smtp; 452 4.2.2 mailbox full", FAILED),
        ("", "smtp; 550 5.1.1 unknown", BOUNCED),
        ("", "", FAILED),
        ("garbage", "x" * 5000, FAILED),
    ],
)
def test_only_an_address_that_leads_nowhere_is_dead(
    status: str, diagnostic: str, kind: ReceiptKind
) -> None:
    assert kind_of(report(status_of(status=status, diagnostic=diagnostic), original(MARK))) == kind


def test_delivered_is_delivered() -> None:
    assert kind_of(postfix(MARK, action="delivered", status="2.0.0")) == DELIVERED


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "", "unheard-of"])
def test_a_step_on_the_way_changes_nothing(action: str) -> None:
    assert read(postfix(MARK, action=action, status="4.4.1")) == Returned(ReturnKind.NOTHING)


def test_a_delay_in_words_changes_nothing() -> None:
    raw = QMAIL.replace(b"failure notice", b"Warning: message delayed 24 hours")

    assert read(raw) == Returned(ReturnKind.NOTHING)


def test_report_that_returns_nothing_may_name_the_letter_in_its_fields() -> None:
    fields = f"X-Original-Message-ID: <{MARK}@shop.example>\r\n{status_of()}"

    assert kind_of(report(fields, "")) == BOUNCED


def test_whoever_reads_it_elsewhere_makes_it_arrive() -> None:
    other = status_of(action="delivered", status="2.0.0").partition("\r\n\r\n")[2]

    assert kind_of(report(status_of() + "\r\n" + other, original(MARK))) == DELIVERED


def test_figures_in_the_returned_letter_are_no_status() -> None:
    raw = QMAIL.replace(b"550 5.1.1 unknown user", b"450 4.2.0 try later").replace(
        b"Our spring coats are here.", b"550 5.1.1 coats"
    )

    assert kind_of(raw) == FAILED


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 02 Mar 1970 03:59:00 +0000", "Mon, 02 Mar 2099 03:59:00 +0000",
     "Mon, 02 Mar 2026 03:59:00", "Mon, 99 Mar 2026 99:99:99 +9999", "1 Jan 999999999 0:0 +0000"],
)  # fmt: skip
def test_date_that_cannot_be_is_the_moment_of_reading(date: str) -> None:
    raw = POSTFIX.replace(b"Mon, 02 Mar 2026 03:59:00 +0000", date.encode())

    [receipt] = read(raw).receipts

    assert receipt.at == NOON or date.endswith("03:59:00")


# --- complaints and wishes ----------------------------------------------------------------------


@pytest.mark.parametrize("feedback", ["abuse", "Abuse", "fraud", "other"])
def test_complaint(feedback: str) -> None:
    assert kind_of(complaint(MARK, feedback=feedback)) == ReceiptKind.COMPLAINED


@pytest.mark.parametrize("feedback", ["opt-out", "opt-out-list"])
def test_opt_out_through_the_mail_service(feedback: str) -> None:
    assert kind_of(complaint(MARK, feedback=feedback)) == ReceiptKind.UNSUBSCRIBED


@pytest.mark.parametrize("feedback", ["not-spam", "virus", "auth-failure", "", "x" * 999])
def test_feedback_that_is_no_complaint(feedback: str) -> None:
    assert read(complaint(MARK, feedback=feedback)) == Returned(ReturnKind.NOTHING)


def test_complaint_whose_headers_are_struck_out_still_has_the_way_out() -> None:
    way_out = f"<mailto:news@shop.example?subject=unsubscribe%20{MARK}>"
    raw = complaint(MARK).replace(f"<{MARK}@shop.example>".encode(), b"<0101@relay.example>")
    raw = raw.replace(b"<https://crm.shop.example/u/abc>", way_out.encode())

    assert kind_of(raw) == ReceiptKind.COMPLAINED


def test_mail_programme_asks_for_no_more() -> None:
    assert kind_of(wish(MARK)) == ReceiptKind.UNSUBSCRIBED


def test_wish_with_another_spelling() -> None:
    raw = wish(MARK).replace(b"Subject: unsubscribe", b"Subject:  Unsubscribe ")

    assert kind_of(raw) == ReceiptKind.UNSUBSCRIBED


# --- what is not proven -------------------------------------------------------------------------

FORGED = [
    KEY,
    f"{KEY}.",
    f"{KEY}.{WORD[:-1]}",
    f"{KEY}.{WORD}x",
    f"{KEY}.{WORD.lower()}",
    f"liuke-17-4212.{WORD}",
    f"liuke-18-4211.{WORD}",
    "somebody-elses",
    "",
]


@pytest.mark.parametrize("make", [postfix, complaint])
@pytest.mark.parametrize("mark", FORGED)
def test_report_without_the_mark_of_a_letter_counts_for_nothing(make, mark: str) -> None:
    assert read(make(mark)) == Returned(ReturnKind.UNPROVEN)


@pytest.mark.parametrize("mark", [mark for mark in FORGED if mark.startswith("liuke")])
def test_wish_without_the_mark_counts_for_nothing(mark: str) -> None:
    assert read(wish(mark)) == Returned(ReturnKind.UNPROVEN)


def test_only_so_many_marks_are_tried() -> None:
    guesses = " ".join(f"<liuke-17-{number}.{WORD}@x>" for number in range(5000, 5500))
    raw = POSTFIX.replace(
        b"MIME-Version: 1.0", f"References: {guesses}\r\nMIME-Version: 1.0".encode()
    )
    tried: list[str] = []

    def count(key: str, mark: str) -> bool:
        tried.append(key)
        return False

    assert read_returned(raw, is_ours=count, now=NOON).kind == ReturnKind.UNPROVEN
    assert len(tried) <= 20


@pytest.mark.parametrize(
    "raw",
    [
        note(),
        note(subject="unsubscribe"),
        note(subject="Please unsubscribe me"),
        note(text=f"I got <{MARK}@shop.example> 550 5.1.1"),
        note(subject="Out of office").replace(
            b"MIME-Version", f"In-Reply-To: <{MARK}@shop.example>\r\nMIME-Version".encode()
        ),
        b"",
        b"\0" * 1000,
        b"no headers at all",
    ],
)  # fmt: skip
def test_what_people_write_is_none_of_ours(raw: bytes) -> None:
    assert read(raw) == Returned(ReturnKind.OTHER)


# --- hostile mails ------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    heads = "".join(
        f"Content-Type: multipart/report; boundary=b{level}\r\n\r\n--b{level}\r\n"
        for level in range(levels)
    )
    return f"From: MAILER-DAEMON@x.example\r\n{heads}".encode()


HOSTILE = {
    "nested": nested(5000),
    "nested as deep as is looked at": nested(55),
    "nested mails": b"Content-Type: message/rfc822\r\n\r\n" * 8000,
    "huge": POSTFIX + b"x" * 30_000_000,
    "long line": b"Subject: " + b"y" * 5_000_000,
    "many headers": b"X-A: 1\r\n" * 30_000,
    "many parts": b"Content-Type: multipart/report; boundary=b\r\n\r\n"
    + b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n" * 5000,
    "many blocks": report("Action: failed\r\n\r\n" * 10_000, original("nobody")),
    "unknown charset": POSTFIX.replace(b"us-ascii", b"no-such-charset"),
    "broken base64": b"Content-Transfer-Encoding: base64\r\n"
    b"From: MAILER-DAEMON@x.example\r\n\r\n=====\xff\xfe",
    "broken words": b"Subject: =?utf-8?B?////?= =?x?Q?=ZZ?= =?utf-8?B?=\r\n"
    b"From: =?nope?B?!!!?= <mailer-daemon@x.example>\r\n\r\n5.1.1",
    "bytes in headers": b"Content-Type: multipart/report; boundary*=\xff''\xfe\r\nDate: \xff\r\n\r\n",
    "no boundary": b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nx",
    "odd parameters": b"Content-Type: multipart/report; a*0*=x'y; a*1=z; boundary*9*=''\r\n\r\n",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_mail_is_read_soon_and_proves_nothing(raw: bytes) -> None:
    started = time.monotonic()

    returned = read_returned(raw, is_ours=lambda _key, _mark: False, now=NOON)

    assert returned.receipts == ()
    assert time.monotonic() - started < 3


def test_what_a_report_says_stands_in_front_of_a_long_letter() -> None:
    long = report(status_of(), original(MARK, body="x" * 70 + "\r\n" * 3 + "y" * 2 * MOST_BYTES))

    assert kind_of(long) == BOUNCED


def test_broken_mails_never_raise(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(5322)  # noqa: S311 -- breaks mails, no secrets
    samples = [POSTFIX, EXIM, EXCHANGE, GMAIL, QMAIL, WRAPPED, complaint(MARK), wish(MARK)]
    for _ in range(1500):
        raw = bytearray(dice.choice(samples))
        for _ in range(dice.randrange(1, 40)):
            at = dice.randrange(len(raw))
            raw[at : at + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
        returned = read(bytes(raw))
        assert {receipt.key for receipt in returned.receipts} <= {KEY}
    assert not caplog.records
