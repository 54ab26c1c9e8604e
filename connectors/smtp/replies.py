"""Answers that people write to our letters, as plain mails.

An answer counts only if it refers to a letter of ours (``In-Reply-To``, ``References``) by the
mark that nobody else can make, and if no machine wrote it: programmes that answer for people say
so in their headers (RFC 3834), or in words that everybody knows.
"""

import re
from collections.abc import Iterator
from email.message import Message
from html import unescape
from itertools import islice

from connectors.smtp.fields import header_of, words_of

LONGEST = 4000
"""Characters of an answer that are kept."""

_MOST_PARTS = 20
_MOST_DEEP = 5
_MOST_LINES = 2000

_BULK = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
_MACHINES_SAY = (
    "X-Auto-Response-Suppress",
    "X-Autoreply",
    "X-Autorespond",
    "X-Auto-Reply-From",
    "X-Mail-Autoreply",
    "X-Failed-Recipients",
    "List-Id",
    "List-Unsubscribe",
)
_AWAY = re.compile(
    r"\s*((re|aw|回复|答复)\s*[:\uff1a]\s*)?"
    r"(out of (the )?office|ooo\b|auto(matic)?[ -]?(reply|response)\b|auto:|autoreply"
    r"|abwesenheit|automatische antwort|r[ée]ponse automatique"
    r"|自动回复|自動回覆|自动答复|外出|不在办公室)",
    re.IGNORECASE,
)
_MACHINES = re.compile(r"<?(mailer-daemon|postmaster|no-?reply|do-?not-?reply)@", re.IGNORECASE)

_ENDS = re.compile(
    r"\s*(-{2,} ?(Original|Forwarded|原始|转发)|_{10,}\s*$|(From|发件人|寄件者) ?[:\uff1a])",
    re.IGNORECASE,
)
"""Where everything behind it is the letter that is answered."""

_INTRODUCES = re.compile(
    r"\s*(On .{4,300} wrote ?:|.{0,300}(写道|寫道) ?[:\uff1a]|Am .{4,300} schrieb .{1,200}:)\s*$",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]{0,15})\b[^<>]{0,2000}>|<[^<>]{0,2000}>", re.IGNORECASE)
_HIDDEN = frozenset({"script", "style", "head", "title", "template", "blockquote"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "blockquote", "h1", "h2", "h3", "hr", "table"})
_TURNS = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and marks that turn the writing round."""


def marks_in(mail: Message) -> str:
    """Return where the mark of the letter that is answered stands, the nearest letter first."""
    earlier = str(mail.get("References", ""))[-LONGEST:].split()
    return "\n".join([header_of(mail, "In-Reply-To"), *reversed(earlier)])


def is_by_machine(mail: Message) -> bool:
    """Whether a programme wrote it, in somebody's place or for many."""
    submitted = header_of(mail, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no") or header_of(mail, "Precedence").strip().lower() in _BULK:
        return True
    if any(name in mail for name in _MACHINES_SAY) or mail.get("Return-Path", "").strip() == "<>":
        return True
    if mail.get_content_type() == "multipart/report":
        return True
    return bool(
        _AWAY.match(header_of(mail, "Subject"))
        or _MACHINES.search(header_of(mail, "From"))
        or _AWAY.match(header_of(mail, "X-Auto-Reply-Subject"))
    )


def answer_in(mail: Message) -> str:
    """Return what somebody wrote, in plain words and without what it answers.

    Of a mail with other words than a quoted letter, or none at all, the subject is the answer.
    """
    own = "\n".join(_own_lines(_words_in(mail))).strip()
    return (own or _TURNS.sub("", header_of(mail, "Subject")).strip())[:LONGEST].rstrip()


def _words_in(mail: Message) -> str:
    """Return the words of the first plain part, else of the first in HTML."""
    parts = list(islice(_shown_parts(mail), _MOST_PARTS))
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == kind and (words := words_of(part)).strip():
                return words if kind == "text/plain" else _plain(words)
    return ""


def _shown_parts(part: Message, depth: int = 0) -> Iterator[Message]:
    """Yield the parts that are shown as the mail itself: no attachments, no mails within it."""
    if part.get_content_disposition() == "attachment":
        return
    if not part.is_multipart():
        yield part
    elif part.get_content_maintype() == "multipart" and depth < _MOST_DEEP:
        payload = part.get_payload()
        for one in payload[:_MOST_PARTS] if isinstance(payload, list) else ():
            if isinstance(one, Message):
                yield from _shown_parts(one, depth + 1)


def _plain(html: str) -> str:
    """Return the words of HTML; no tag, nothing hidden and nothing quoted is left of it."""
    html = _without_comments(html)
    words: list[str] = []
    hidden: list[str] = []
    at = 0
    for tag in _TAG.finditer(html):
        if not hidden:
            words.append(html[at : tag.start()])
        at = tag.end()
        name = (tag[2] or "").lower()
        if name in _BREAKS and not hidden:
            words.append("\n")
        if name in _HIDDEN and not tag[1]:
            hidden.append(name)
        elif name in hidden and tag[1]:
            del hidden[len(hidden) - 1 - hidden[::-1].index(name) :]
    if not hidden:
        words.append(html[at:])
    lines = unescape("".join(words)).replace("\xa0", " ").splitlines()
    return "\n".join(filter(None, map(str.strip, lines)))


def _without_comments(html: str) -> str:
    first, *others = html.split("<!--")
    return first + "".join(one.partition("-->")[2] for one in others)


def _own_lines(words: str) -> Iterator[str]:
    """Yield the lines that are not quoted, wherever among the quoted ones they stand."""
    lines = [_TURNS.sub("", line) for line in words.splitlines()[:_MOST_LINES]]
    introduced = False
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if introduced:
            introduced = False
        elif _ENDS.match(line):
            return
        elif _INTRODUCES.match(line):
            continue
        elif line.lstrip()[:3].lower() == "on " and _INTRODUCES.match(f"{line} {following}"):
            introduced = True  # programmes fold the line that says whose words follow
        elif not line.lstrip().startswith(">"):
            yield line.rstrip()
