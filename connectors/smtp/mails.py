"""A letter as the bytes of an e-mail. Written for speed: a few joins a letter, no object tree."""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Collection
from email.header import Header
from email.utils import formataddr, formatdate, parseaddr
from functools import lru_cache
from urllib.parse import quote

from connectors.base import Letter

LONGEST_LINE = 900
"""Characters; RFC 5321 allows 998 and the end of the line."""

UNSUBSCRIBE = "unsubscribe"
"""The first word in the subject of a mail that ends them."""

ARGUMENT = "liuke"
"""The name under which the events of providers bring the key of a letter."""

_KEY = re.compile(r"\s*<?(liuke-\d{1,18}-\d{1,18})(?=[.@]|$)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:\"@]{1,64}@[A-Za-z0-9.-]{1,250}")


class Mailer:
    """Makes e-mails from one sender. Raises ``ValueError`` if the sender is no address.

    ``return_to`` is where bounces go, the sender's own address if it is empty. With ``reads_mail``
    letters also say that a mail to there ends them; for each name in ``told_by`` they name
    their key in the way that this provider repeats with each of its events.
    """

    def __init__(
        self,
        sender: str,
        *,
        return_to: str = "",
        reads_mail: bool = False,
        told_by: Collection[str] = (),
    ) -> None:
        name, address = parseaddr(sender)
        if not is_address(address):
            raise ValueError("LIUKE_MAIL_FROM must look like Shop <news@example.com>.")
        if return_to and not is_address(return_to):
            raise ValueError("LIUKE_MAIL_RETURN_TO must look like bounces@example.com.")
        self.return_to = return_to or address
        self._reads_mail = reads_mail
        self._naming = [_NAMING[provider] for provider in told_by]
        self._domain = address.rpartition("@")[2]
        self._from = formataddr((str(Header(name, "utf-8")) if name else "", address))
        self._boundary = f"=_{secrets.token_hex(12)}"

    def message_id(self, letter: Letter) -> str:
        """Return the Message-ID of a letter, which bounces and complaints bring back."""
        return f"<{_marked(letter)}@{self._domain}>"

    def mail(self, letter: Letter) -> bytes:
        """Return the whole e-mail, lines ended and dots doubled as SMTP's DATA wants it."""
        head = [
            f"From: {self._from}",
            f"To: {letter.address}",
            f"Subject: {encoded(letter.subject)}",
            f"Date: {_date(int(time.time()))}",
            f"Message-ID: {self.message_id(letter)}",
            "MIME-Version: 1.0",
            *self._extras(letter),
        ]
        if not letter.html:
            return "\r\n".join([*head, _part(letter.text, "plain")]).encode() + b"\r\n"
        mark = self._boundary
        return (
            "\r\n".join(
                [
                    *head,
                    f'Content-Type: multipart/alternative; boundary="{mark}"',
                    "",
                    f"--{mark}",
                    _part(letter.text, "plain"),
                    f"--{mark}",
                    _part(letter.html, "html"),
                    f"--{mark}--",
                ]
            ).encode()
            + b"\r\n"
        )

    def _extras(self, letter: Letter) -> list[str]:
        extras = []
        if letter.unsubscribe_url:
            ways = f"<{letter.unsubscribe_url}>"
            if self._reads_mail and letter.mark:
                subject = f"{UNSUBSCRIBE}%20{_marked(letter)}"
                ways += f",\r\n <mailto:{quote(self.return_to, safe='@')}?subject={subject}>"
            extras += [
                f"List-Unsubscribe: {ways}",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            ]
        for name_to in self._naming:
            extras += name_to(letter.key)
        return extras


def _to_sendgrid(key: str) -> list[str]:
    told = json.dumps({"unique_args": {ARGUMENT: key}})
    return [f"X-SMTPAPI: {told}"]


def _to_postmark(key: str) -> list[str]:
    """Postmark would else put a Message-ID of its own into the letter, and answers name that."""
    return [f"X-PM-Metadata-{ARGUMENT}: {key}", "X-PM-KeepID: true"]


def _to_ses(key: str) -> list[str]:
    return [f"X-SES-MESSAGE-TAGS: {ARGUMENT}={key}"]


_NAMING: dict[str, Callable[[str], list[str]]] = {
    "sendgrid": _to_sendgrid,
    "postmark": _to_postmark,
    "ses": _to_ses,
}


def _marked(letter: Letter) -> str:
    return f"{letter.key}.{letter.mark}" if letter.mark else letter.key


def key_in(text: object) -> str:
    """Return the key in a Message-ID of ours, or in a bare key; nothing if it is none."""
    found = _KEY.match(text) if isinstance(text, str) else None
    return found[1] if found else ""


def is_address(text: str) -> bool:
    """Whether it is an address that plain SMTP can carry: ASCII, one @, nothing that ends a line."""
    return text.isascii() and _ADDRESS.fullmatch(text) is not None


def _part(text: str, kind: str) -> str:
    """A body with its headers: as it is where SMTP allows that, else in base64."""
    if text.isascii() and (lines := _plain_lines(text)) is not None:
        return f"Content-Type: text/{kind}; charset=us-ascii\r\n\r\n{lines}"
    body = base64.encodebytes(text.encode()).decode().rstrip("\n").replace("\n", "\r\n")
    return (
        f"Content-Type: text/{kind}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{body}"
    )


def _plain_lines(text: str) -> str | None:
    if "\0" in text:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        return None
    return "\r\n".join("." + line if line[:1] == "." else line for line in lines)


@lru_cache(maxsize=4096)
def encoded(subject: str) -> str:
    """Return a header's text on one line or folded, in ASCII; line breaks cannot get into it."""
    clean = _CONTROL.sub(" ", subject).strip()
    if clean.isascii() and len(clean) < 900:
        return clean
    return Header(clean, "utf-8", header_name="Subject").encode(linesep="\r\n")


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, localtime=False)
