"""Mails that come back: bounces, complaints, mails that ask for no more, and answers.

Anybody can write such a mail. It counts only if it brings the mark of one of our letters, which
nobody can make but us; then it speaks of that letter and of nobody else, whatever addresses it
names. Bounces are read as RFC 3464 has them, and as servers wrote them before; complaints as
RFC 5965 has them.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from enum import StrEnum
from itertools import islice

from connectors.base import Receipt, ReceiptKind
from connectors.smtp import replies, statuses
from connectors.smtp.fields import blocks_in, header_of, text_of
from connectors.smtp.mails import UNSUBSCRIBE

logger = logging.getLogger(__name__)

IsOurs = Callable[[str, str], bool]
"""Whether a mark was made by us for this key."""

MOST_BYTES = 262_144
"""How much of a mail is looked at; what a report says stands in front of what it returns."""

_MOST_BOUNDARIES = 60
_MOST_PARTS = 20
_MOST_MARKS = 20
_OLDEST = timedelta(days=30)

_MARKED = re.compile(r"(liuke-\d{1,18}-\d{1,18})\.([A-Za-z0-9_-]{16,64})(?![A-Za-z0-9_-])")
_UNSUBSCRIBE = re.compile(rf"\s*{UNSUBSCRIBE}\s+liuke-", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,400}>")
_LATE = re.compile(
    r"\b(delayed|warning:|will be retried|still being retried|not yet been delivered)",
    re.IGNORECASE,
)

_ORIGINALS = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}
)
_STATUSES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_SPEAKING = _ORIGINALS | _STATUSES | {"message/feedback-report"}
"""Parts of a report in which a mark may stand."""

_MACHINES = frozenset({"mailer-daemon", "postmaster"})
_FEEDBACK = {
    "abuse": ReceiptKind.COMPLAINED,
    "fraud": ReceiptKind.COMPLAINED,
    "other": ReceiptKind.COMPLAINED,
    "opt-out": ReceiptKind.UNSUBSCRIBED,
    "opt-out-list": ReceiptKind.UNSUBSCRIBED,
}


class ReturnKind(StrEnum):
    """What a mail in the mailbox is."""

    RECEIPT = "receipt"
    """It tells something of one of our letters."""

    REPLY = "reply"
    """Somebody answers one of our letters; others may want to read it too."""

    NOTHING = "nothing"
    """It speaks of one of our letters and says nothing that changes anything."""

    UNPROVEN = "unproven"
    """It tells something without the mark of a letter of ours."""

    OTHER = "other"
    """It is none of these: it answers no letter, a machine answers, or nobody can read it."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What one mail says."""

    kind: ReturnKind
    receipts: tuple[Receipt, ...] = ()


@dataclass(frozen=True, slots=True)
class _Report:
    """What a report claims, and the texts in which the mark of its letter has to be."""

    kind: ReceiptKind | None
    evidence: str
    why: str = ""


def read_returned(raw: bytes, *, is_ours: IsOurs, now: datetime) -> Returned:
    """Read one mail, whatever it is and whoever wrote it. Never raises for what it contains."""
    raw = raw[:MOST_BYTES]
    if raw.lower().count(b"boundary") > _MOST_BOUNDARIES:
        return Returned(ReturnKind.OTHER)
    try:
        return _read(message_from_bytes(raw), is_ours=is_ours, now=now)
    except (
        Exception
    ):  # strangers write these mails; one that breaks a parser must not stop the rest
        logger.exception("a mail in the mailbox cannot be read")
        return Returned(ReturnKind.OTHER)


def _read(mail: Message, *, is_ours: IsOurs, now: datetime) -> Returned:
    report = _feedback(mail) or _delivery_status(mail) or _wish(mail) or _old_bounce(mail)
    if report is None:
        return _answer(mail, is_ours=is_ours, now=now)
    key = _proven_key(report.evidence, is_ours)
    if not key:
        return Returned(ReturnKind.UNPROVEN)
    if report.kind is None:
        return Returned(ReturnKind.NOTHING)
    receipt = Receipt(report.kind, at=_moment(mail, now), key=key, why=report.why)
    return Returned(ReturnKind.RECEIPT, (receipt,))


def _answer(mail: Message, *, is_ours: IsOurs, now: datetime) -> Returned:
    """Read what somebody wrote, if it answers one of our letters."""
    marks = replies.marks_in(mail)
    if not _MARKED.search(marks) or replies.is_by_machine(mail):
        return Returned(ReturnKind.OTHER)
    key = _proven_key(marks, is_ours)
    if not key:
        return Returned(ReturnKind.UNPROVEN)
    text = replies.answer_in(mail)
    receipt = Receipt(ReceiptKind.REPLIED, at=_moment(mail, now), key=key, text=text)
    return Returned(ReturnKind.REPLY, (receipt,))


def _proven_key(evidence: str, is_ours: IsOurs) -> str:
    for found in islice(_MARKED.finditer(evidence), _MOST_MARKS):
        if is_ours(found[1], found[2]):
            return found[1]
    return ""


# --- reports ------------------------------------------------------------------------------------


def _feedback(mail: Message) -> _Report | None:
    """Read a complaint that a mail service passes on (RFC 5965)."""
    parts = _report_parts(mail)
    told = next((one for one in parts if _type(one) == "message/feedback-report"), None)
    if told is None:
        return None
    fields = next(blocks_in(text_of(told)), {})
    kind = _FEEDBACK.get(fields.get("feedback-type", "").strip().lower())
    return _Report(kind, _evidence(mail, parts))


def _delivery_status(mail: Message) -> _Report | None:
    """Read what a mail server says of a delivery (RFC 3464)."""
    parts = _report_parts(mail)
    told = next((one for one in parts if _type(one) in _STATUSES), None)
    if told is None:
        return None
    kind, why = statuses.judge(blocks_in(text_of(told)))
    return _Report(kind, _evidence(mail, parts), why)


def _wish(mail: Message) -> _Report | None:
    """Read the mail that ``List-Unsubscribe`` has mail programmes write."""
    subject = header_of(mail, "Subject")
    if not _UNSUBSCRIBE.match(subject):
        return None
    return _Report(ReceiptKind.UNSUBSCRIBED, subject)


def _old_bounce(mail: Message) -> _Report | None:
    """Read a bounce in words, as qmail and older servers write them."""
    name = parseaddr(header_of(mail, "From"))[1].partition("@")[0].lower()
    if name not in _MACHINES and "X-Failed-Recipients" not in mail:
        return None
    parts = list(islice(mail.walk(), _MOST_PARTS))
    words = "\n".join(_words_of(one) for one in parts)
    evidence = _evidence(mail, parts) + "\n" + words
    if _LATE.search(header_of(mail, "Subject")):
        return _Report(None, evidence)
    kind, why = statuses.judge_words(words[: _first_mark(words)])
    return _Report(kind, evidence, why)


def _words_of(part: Message) -> str:
    """Return what the part says to people; many services write no plain text."""
    if _type(part) == "text/html":
        return _TAG.sub(" ", text_of(part))
    return text_of(part) if _type(part) == "text/plain" else ""


def _first_mark(words: str) -> int | None:
    """Where the returned letter begins, whose own figures are no status."""
    found = re.search(r"^(Return-Path|Received|Message-ID):", words, re.IGNORECASE | re.MULTILINE)
    return found.start() if found else None


def _report_parts(mail: Message) -> list[Message]:
    """Return the parts of the report that the mail is, or has as one of its own parts."""
    for one in (mail, *_children(mail)):
        if _type(one) == "multipart/report":
            return _children(one)
    return []


def _children(part: Message) -> list[Message]:
    payload = part.get_payload() if part.is_multipart() else []
    return [one for one in payload if isinstance(one, Message)][:_MOST_PARTS]


def _evidence(mail: Message, parts: list[Message]) -> str:
    """Where a mark may stand: the letter that came back, and what the mail itself refers to."""
    own = (header_of(mail, name) for name in ("In-Reply-To", "References"))
    return "\n".join([*(text_of(one) for one in parts if _type(one) in _SPEAKING), *own])


# --- small things -------------------------------------------------------------------------------


def _type(part: Message) -> str:
    return part.get_content_type()


def _moment(mail: Message, now: datetime) -> datetime:
    """When it was written, if that can be true."""
    try:
        at = parsedate_to_datetime(header_of(mail, "Date"))
        return at if now - _OLDEST < at <= now else now
    except (ValueError, TypeError, OverflowError):  # none, or one without a time zone
        return now
