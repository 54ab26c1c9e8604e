"""The texts in parts of mails, however they are wrapped up."""

import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from itertools import islice

_LONGEST = 65_536
_MOST_BLOCKS = 50
_MOST_LINES = 200
_WRAPPED = frozenset({"base64", "quoted-printable"})
_CHARSETS = {"gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs"}
_MORE_CHARSETS = re.compile(
    r"iso-8859-\d{1,2}|windows-12\d\d|koi8-[ru]|shift_jis|euc-(jp|kr)|iso-2022-jp"
)


def text_of(part: Message) -> str:
    """Return a part as text: of a message in it the headers, and the words if it is a plain one."""
    payload = part.get_payload()
    if isinstance(payload, list):
        text = "\n\n".join(
            _as_text(one) for one in payload[:_MOST_BLOCKS] if isinstance(one, Message)
        )
        return _unwrapped(part, text[:_LONGEST])
    decoded = part.get_payload(decode=True)
    return decoded[:_LONGEST].decode("utf-8", "replace") if isinstance(decoded, bytes) else ""


def header_of(mail: Message, name: str) -> str:
    """Return a header as people read it, at most 4000 characters of it."""
    value = str(mail.get(name, ""))[:4000]
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, MessageError):  # a charset that is none, base64 that is none
        return value


def words_of(part: Message) -> str:
    """Return what a person wrote in a part, in the charset that it names if that is a known one."""
    decoded = part.get_payload(decode=True)
    if not isinstance(decoded, bytes):
        return ""
    named = str(part.get_content_charset() or "").lower()
    charset = _CHARSETS.get(named) or (named if _MORE_CHARSETS.fullmatch(named) else "utf-8")
    try:
        return decoded[:_LONGEST].decode(charset, "replace")
    except LookupError:
        return decoded[:_LONGEST].decode("utf-8", "replace")


def blocks_in(text: str) -> Iterator[dict[str, str]]:
    """Yield the groups of fields in a text, names in small letters; the first of a name counts."""
    for block in islice(filter(None, _parted(text)), _MOST_BLOCKS):
        fields: dict[str, str] = {}
        for line in block:
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
        if fields:
            yield fields


def _parted(text: str) -> Iterator[list[str]]:
    """Yield the lines between empty ones, with folded lines joined."""
    block: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            yield block
            block = []
        elif line[0] in " \t" and block:
            block[-1] += " " + line.strip()
        elif len(block) < _MOST_LINES:
            block.append(line)
    yield block


def _as_text(message: Message) -> str:
    head = "\n".join(f"{name}: {value}" for name, value in message.items())
    body = message.get_payload()
    return f"{head}\n\n{body}" if isinstance(body, str) else head


def _unwrapped(part: Message, text: str) -> str:
    """Undo an encoding that such a part must not have, and sometimes has."""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in _WRAPPED:
        return text
    plain = Message()
    plain["Content-Transfer-Encoding"] = str(part["Content-Transfer-Encoding"])
    plain.set_payload(text.strip())
    decoded = plain.get_payload(decode=True)
    return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else text
