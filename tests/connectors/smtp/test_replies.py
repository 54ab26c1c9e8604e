"""Answers by mail: what people wrote, what machines wrote in their place, and who proves it."""

import time
from email.message import EmailMessage

import pytest

from connectors.base import ReceiptKind
from connectors.smtp.bounces import Returned, ReturnKind, read_returned
from tests.builders import NOON
from tests.returned import answer, note

KEY = "liuke-17-4211"
WORD = "ER7zIAbcdefghijklmnopq12"
MARK = f"{KEY}.{WORD}"


def read(raw: bytes) -> Returned:
    return read_returned(raw, is_ours=lambda key, mark: (key, mark) == (KEY, WORD), now=NOON)


def text_of(raw: bytes) -> str:
    """The words of the one receipt, which names the letter and nobody's address."""
    returned = read(raw)
    assert returned.kind == ReturnKind.REPLY
    [receipt] = returned.receipts
    assert (receipt.kind, receipt.key, receipt.address) == (ReceiptKind.REPLIED, KEY, "")
    assert receipt.at is not None
    assert receipt.at <= NOON
    return receipt.text


# --- words --------------------------------------------------------------------------------------

QUOTED = "On Mon, 2 Mar 2026 at 11:00, Shop <news@shop.example> wrote:\n> Our coats are here.\n"
FOLDED = "On Mon, 2 Mar 2026 at 11:00, Shop\n<news@shop.example> wrote:\n> Our coats are here.\n"
OUTLOOK = "-----Original Message-----\nFrom: Shop\nSubject: Spring\n\nOur coats are here.\n"
OUTLOOK_NOW = "________________________________\nFrom: Shop\nSent: Monday\n\nOur coats are here.\n"
QQ = "------------------ 原始邮件 ------------------\n发件人: Shop\n\nOur coats are here.\n"
NETEASE = "在 2026-03-02 11:00:00,Shop <news@shop.example> 写道:\n>Our coats are here.\n"
GERMAN = "Am 02.03.26 um 11:00 schrieb Shop:\n> Our coats are here.\n"


@pytest.mark.parametrize(
    "quoted", ["", QUOTED, FOLDED, OUTLOOK, OUTLOOK_NOW, QQ, NETEASE, GERMAN]
)  # fmt: skip
def test_what_is_quoted_is_nobodys_answer(quoted: str) -> None:
    assert text_of(answer(MARK, f"In blue?\n\nChen\n\n{quoted}")) == "In blue?\n\nChen"


@pytest.mark.parametrize("quoted", [QUOTED, FOLDED, NETEASE])
def test_words_below_the_quoted_ones_are_found(quoted: str) -> None:
    assert text_of(answer(MARK, f"{quoted}\nIn blue?\n")) == "In blue?"


def test_words_in_chinese_charsets_are_read() -> None:
    for charset in ("gb2312", "gbk", "big5", "utf-8", "gb18030"):
        mail = EmailMessage()
        mail["In-Reply-To"] = f"<{MARK}@shop.example>"
        mail.set_content("有" if charset == "big5" else "有蓝色吗", charset=charset)

        assert text_of(mail.as_bytes()).startswith("有")


@pytest.mark.parametrize("charset", ["x-unknown", "rot13", "punycode", "zip", "iso-8859-99", "ü"])
def test_strange_charsets_are_read_as_well_as_can_be(charset: str) -> None:
    raw = answer(MARK, "In blue?").replace(b'charset="utf-8"', f"charset={charset}".encode())

    assert text_of(raw) == "In blue?"


HTML = """\
<html><head><title>No</title><style>p {color: red}</style></head><body>
<!-- <p>hidden</p> --><p>In <b>blue</b>&nbsp;&amp; green?</p><script>alert(1)</script>
<div>Chen</div><blockquote type="cite"><p>Our coats <blockquote>are</blockquote> here.</p>
</blockquote><img src=x onerror=alert(1)></body></html>
"""


def test_html_becomes_plain_words() -> None:
    assert text_of(answer(MARK, "", html=HTML)) == "In blue & green?\nChen"


def test_plain_words_are_preferred() -> None:
    assert text_of(answer(MARK, "Plain", html="<p>Other</p>")) == "Plain"


def test_attachments_and_mails_within_are_no_words() -> None:
    mail = EmailMessage()
    mail["In-Reply-To"], mail["Subject"] = f"<{MARK}@shop.example>", "Re: Spring"
    mail.set_content("\n")
    mail.add_attachment("TD", filename="a.txt")
    inner = EmailMessage()
    inner.set_content("TD")
    mail.add_attachment(inner)

    assert text_of(mail.as_bytes()) == "Re: Spring"


def test_long_answers_are_cut_and_controls_left_out() -> None:
    assert len(text_of(answer(MARK, "x" * 10_000))) == 4000
    assert text_of(answer(MARK, "a\x07b\u202ec\n")) == "abc"


HOSTILE = [
    "<" * 60_000,
    "<!--" * 15_000,
    "<blockquote>" * 5000,
    "<script " * 8000,
    " " * 60_000 + "x",
    "On " + "wrote " * 10_000,
    "写道" * 20_000,
    "\n" * 60_000,
    "> " * 30_000,
]


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_words_take_no_time(body: str) -> None:
    head = f"In-Reply-To: <{MARK}@x>\r\nContent-Type: text/%s; charset=utf-8\r\n\r\n"
    began = time.process_time()

    for kind in ("plain", "html"):
        assert read((head % kind + body).encode()).kind == ReturnKind.REPLY

    assert time.process_time() - began < 2


# --- machines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=a@b.example"},
        {"Auto_Submitted": "auto-notified"},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "yes"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"Precedence": "LIST"},
        {"List_Id": "<coats.lists.example>"},
        {"Return_Path": "<>"},
        {"From": "no-reply@mail.example"},
        {"subject": "Out of Office: Re: Spring"},
        {"subject": "Automatic reply: Spring"},
        {"subject": "自动回复: Spring"},
        {"subject": "自动回复:Spring"},
        {"subject": "Re: out of office"},
    ],
)
def test_machines_do_not_answer(headers: dict[str, str]) -> None:
    returned = read(answer(MARK, "TD", **headers))

    assert (returned.kind, returned.receipts) == (ReturnKind.OTHER, ())


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "no"},
        {"Precedence": "normal"},
        {"subject": "Automatic doors"},
        {"subject": "Re: Outside"},
        {"From": "norepinephrine@mail.example"},
    ],
)
def test_people_do(headers: dict[str, str]) -> None:
    assert text_of(answer(MARK, "In blue?", **headers)) == "In blue?"


def test_receipt_of_reading_is_no_answer() -> None:
    raw = answer(MARK, "read").replace(
        b"Content-Type: text/plain",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x; a",
    )

    assert read(raw).kind == ReturnKind.OTHER


# --- marks --------------------------------------------------------------------------------------


def test_mark_may_stand_among_other_references() -> None:
    raw = answer(
        "liuke-1-1.AAAAAAAAAAAAAAAAAAAAAAAA",
        References="".join(f"<{n}@mail.example> " for n in range(500)) + f"<{MARK}@shop.example>",
    )

    assert text_of(raw) == "Do you have it in blue?"


@pytest.mark.parametrize(
    "mark", [f"{KEY}.{'A' * 24}", f"liuke-17-4212.{WORD}", f"{KEY}.{WORD}x", f"{KEY}.{WORD[:-1]}"]
)
def test_mark_that_is_not_ours_proves_nothing(mark: str) -> None:
    assert read(answer(mark, "TD")) == Returned(ReturnKind.UNPROVEN)


def test_mark_in_the_words_proves_nothing() -> None:
    quoting = note(text=f"TD\n> Message-ID: <{MARK}@shop.example>\n", subject=MARK)

    assert read(quoting) == Returned(ReturnKind.OTHER)
    assert read(answer(KEY, f"TD {MARK}")) == Returned(ReturnKind.OTHER)
