"""The mailbox to which bounces and complaints come, read over IMAP."""

import imaplib
import ipaddress
import re
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.smtp.bounces import MOST_BYTES

SECONDS = 15.0
"""How long the server may be silent."""

PORTS = {"imap": 143, "imap+tls": 143, "imaps": 993}
LOGIN_REST = 900.0
OTHER_REST = 60.0

_LONGEST_LITERAL = MOST_BYTES + 65_536
_WHOLE = re.compile(rb"\bUID (\d+)\b")


class MailboxError(Exception):
    """The mailbox cannot be read now; the text says why and names no secret."""

    def __init__(self, message: str, *, retry_after: float = OTHER_REST) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MailRefused(MailboxError):
    """The server would not do this one thing; the next may go well."""


class MailboxAddress:
    """Where a mailbox is: ``imaps://user:password@host/INBOX?done=Processed``, or ``imap+tls://``.

    ``imap://`` is not encrypted and therefore only for this machine. Raises ``ValueError``.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname or not parts.username:
            raise ValueError("MAILBOX_URL must look like imaps://user:password@host/INBOX.")
        if parts.scheme == "imap" and not _is_here(parts.hostname):
            raise ValueError("MAILBOX_URL must be imaps:// or imap+tls:// for another machine.")
        self.scheme, self.host = parts.scheme, parts.hostname
        self.port = parts.port or PORTS[parts.scheme]
        self.user, self.password = unquote(parts.username), unquote(parts.password or "")
        self.folder = unquote(parts.path.strip("/")) or "INBOX"
        self.done = dict(parse_qsl(parts.query)).get("done", "")
        if not all(map(_is_plain, (self.user, self.password, self.folder, self.done))):
            raise ValueError("User, password and folders in MAILBOX_URL are plain ASCII.")

    @property
    def name(self) -> str:
        """What the mailbox is called where people see it; the password is not in it."""
        return f"{self.user}@{self.host}/{self.folder}"


class Mailbox:
    """An open mailbox. Raises ``MailboxError`` from everything that speaks to the server."""

    def __init__(self, address: MailboxAddress) -> None:
        self._address = address
        self._imap = _connect(address)
        try:
            self._log_in()
            self._select()
        except BaseException:
            self._hang_up()
            raise

    def __enter__(self) -> "Mailbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with suppress(OSError, imaplib.IMAP4.error):
                self._imap.logout()
        self._hang_up()

    def unseen(self, *, after: int) -> list[int]:
        """Return the numbers of the mails behind this one that nobody has read, in order."""
        found = self._uid("SEARCH", "UNSEEN", "UID", f"{after + 1}:*")
        words = b" ".join(row for row in found if isinstance(row, bytes)).split()
        numbers = sorted({int(word) for word in words if word.isdigit()})
        return [number for number in numbers if number > after]  # N:* also means the last one

    def fetch(self, uid: int) -> bytes | None:
        """Return the first ``MOST_BYTES`` of a mail and leave it unread; nothing if it is gone."""
        for row in self._uid("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{MOST_BYTES}>)"):
            if isinstance(row, tuple) and len(row) == 2 and _is_of(uid, row[0]):
                return bytes(row[1][:MOST_BYTES])
        return None

    def put_aside(self, uid: int) -> None:
        """Mark a mail as read, and move it where those that are done go; twice is harmless."""
        self._uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)")
        if not self._address.done or "MOVE" not in self._imap.capabilities:
            return
        folder = _quoted(self._address.done)
        try:
            self._uid("MOVE", str(uid), folder)
        except MailRefused:
            with suppress(OSError, imaplib.IMAP4.error):  # there may be no such folder yet
                self._imap.create(folder)
            self._uid("MOVE", str(uid), folder)

    def _log_in(self) -> None:
        address = self._address
        try:
            self._imap.login(_quoted(address.user), address.password)
        except imaplib.IMAP4.abort as error:
            raise MailboxError("the mail server hung up") from error
        except imaplib.IMAP4.error as error:
            raise MailboxError(
                "the mail server does not let us in", retry_after=LOGIN_REST
            ) from error
        except OSError as error:
            raise MailboxError("the mail server did not answer") from error
        with suppress(OSError, imaplib.IMAP4.error):  # many say only now what they can do
            _kind, said = self._imap.capability()
            words = said[0].decode("ascii", "replace").upper() if said and said[0] else ""
            self._imap.capabilities = tuple(words.split())

    def _select(self) -> None:
        try:
            kind, _said = self._imap.select(_quoted(self._address.folder))
            _kind, validity = self._imap.response("UIDVALIDITY")
        except (OSError, imaplib.IMAP4.error) as error:
            raise MailboxError("the mail server hung up") from error
        if kind != "OK":
            raise MailboxError("there is no such folder in the mailbox", retry_after=LOGIN_REST)
        word = validity[0] if validity else None
        self.validity = int(word) if isinstance(word, bytes) and word.isdigit() else 0
        """Numbers of mails mean nothing once this is another one."""

    def _uid(self, command: str, *words: str) -> list[Any]:
        try:
            kind, said = self._imap.uid(command, *words)
        except (OSError, imaplib.IMAP4.error, ValueError) as error:
            raise MailboxError("the mail server hung up or does not speak IMAP") from error
        if kind != "OK":
            raise MailRefused(f"the mail server refused {command}")
        return said

    def _hang_up(self) -> None:
        with suppress(OSError, imaplib.IMAP4.error):
            self._imap.shutdown()


class _Plain(imaplib.IMAP4):
    """Takes no more at once than a mail may have, whatever the server says it will send."""

    def read(self, size: int) -> bytes:
        if size > _LONGEST_LITERAL:
            raise self.abort("the mail server sends too much")
        return super().read(size)


class _Secure(imaplib.IMAP4_SSL):
    """The same, encrypted from the first byte."""

    def read(self, size: int) -> bytes:
        if size > _LONGEST_LITERAL:
            raise self.abort("the mail server sends too much")
        return super().read(size)


def _connect(address: MailboxAddress) -> imaplib.IMAP4:
    tls = ssl.create_default_context()
    try:
        if address.scheme == "imaps":
            return _Secure(address.host, address.port, ssl_context=tls, timeout=SECONDS)
        imap = _Plain(address.host, address.port, timeout=SECONDS)
        if address.scheme == "imap+tls":
            try:
                imap.starttls(ssl_context=tls)
            except BaseException:
                with suppress(OSError):
                    imap.shutdown()
                raise
    except ssl.SSLCertVerificationError as error:
        raise MailboxError(
            "the mail server's certificate is not good", retry_after=LOGIN_REST
        ) from error
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxError("no connection to the mail server came about") from error
    return imap


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_of(uid: int, head: bytes) -> bool:
    found = _WHOLE.search(head)
    return b"BODY[]" in head.upper() and (found is None or int(found[1]) == uid)


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
