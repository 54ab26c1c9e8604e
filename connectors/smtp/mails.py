"""A letter as the bytes of an e-mail. Written for speed: a few joins a letter, no object tree."""

import base64
import re
import secrets
import time
from email.header import Header
from email.utils import formataddr, formatdate, parseaddr
from functools import lru_cache

from connectors.base import Letter

LONGEST_LINE = 900
"""Characters; RFC 5321 allows 998 and the end of the line."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_ADDRESS = re.compile(r"[^\s<>()\[\]\\,;:\"@]{1,64}@[A-Za-z0-9.-]{1,250}")


class Mailer:
    """Makes e-mails from one sender. Raises ``ValueError`` if the sender is no address."""

    def __init__(self, sender: str) -> None:
        name, address = parseaddr(sender)
        if not is_address(address):
            raise ValueError("LIUKE_MAIL_FROM must look like Shop <news@example.com>.")
        self.address = address
        self._domain = address.rpartition("@")[2]
        self._from = formataddr((str(Header(name, "utf-8")) if name else "", address))
        self._boundary = f"=_{secrets.token_hex(12)}"

    def message_id(self, key: str) -> str:
        """Return the Message-ID of a letter, which bounces and replies bring back."""
        return f"<{key}@{self._domain}>"

    def mail(self, letter: Letter) -> bytes:
        """Return the whole e-mail, lines ended and dots doubled as SMTP's DATA wants it."""
        head = [
            f"From: {self._from}",
            f"To: {letter.address}",
            f"Subject: {encoded(letter.subject)}",
            f"Date: {_date(int(time.time()))}",
            f"Message-ID: {self.message_id(letter.key)}",
            "MIME-Version: 1.0",
        ]
        if letter.unsubscribe_url:
            head += [
                f"List-Unsubscribe: <{letter.unsubscribe_url}>",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
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
