"""A mail server with one mailbox, over real sockets: as much IMAP as a reader of mail needs."""

import re
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Mail:
    """A mail in the mailbox."""

    raw: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class MailboxServer:
    """The mailbox ``INBOX`` of ``bounces`` and what was asked of it."""

    port: int = 0
    password: str = "se cret"
    validity: int = 7
    mails: dict[int, Mail] = field(default_factory=dict)
    moved: dict[str, list[bytes]] = field(default_factory=lambda: {'"Done"': []})
    asked: list[str] = field(default_factory=list)
    capabilities: str = "IMAP4rev1 MOVE"
    act: Callable[[str], str] = lambda _line: ""
    """What to do with a command instead of the usual: "drop" hangs up, "drop after" does it first,
    "no" refuses, "huge" announces more than anybody can take; other words are the answer."""
    sessions: int = 0
    most_sessions: int = 0

    def put(self, *raws: bytes) -> None:
        """Deliver mails."""
        for raw in raws:
            self.mails[max(self.mails, default=0) + 1] = Mail(raw)

    def url(self, scheme: str = "imap", password: str = "se%20cret", query: str = "") -> str:
        """What ``MAILBOX_URL`` says of it."""
        return f"{scheme}://bounces:{password}@127.0.0.1:{self.port}/INBOX{query}"

    @property
    def unread(self) -> list[int]:
        """The numbers of mails that nobody has read."""
        return [uid for uid, mail in self.mails.items() if "\\Seen" not in mail.flags]


class _Handler(socketserver.StreamRequestHandler):
    server: "_FarSide"

    def setup(self) -> None:
        if self.server.tls is not None and not self.server.starts_plain:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        box = self.server.mailbox
        box.sessions += 1
        box.most_sessions = max(box.sessions, box.most_sessions)

    def finish(self) -> None:
        self.server.mailbox.sessions -= 1
        super().finish()
        self.request.close()  # the encrypted one, of which the server knows nothing

    def handle(self) -> None:
        self.say("* OK IMAP4rev1 ready")
        while line := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            tag, _, command = line.partition(" ")
            box = self.server.mailbox
            box.asked.append(command)
            act = box.act(command)
            if act == "drop":
                return
            if act in ("", "drop after"):
                self.answer(tag, command)
            elif act == "no":
                self.say(f"{tag} NO not now")
            elif act == "huge":
                self.say("* 1 FETCH (UID 1 BODY[]<0> {999999999}")
            else:
                self.say(act.replace("TAG", tag))
            if command == "STARTTLS" and self.server.tls is not None:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
                super().setup()
            if act == "drop after" or command.upper() == "LOGOUT":
                return

    def answer(self, tag: str, command: str) -> None:
        words = command.upper().split()
        name = "_".join(words[: 2 if words[0] == "UID" else 1]).lower()
        said = getattr(self, name, lambda _command: "OK")(command)
        self.say(f"{tag} {said} {name}")

    def capability(self, _command: str) -> str:
        self.say(f"* CAPABILITY {self.server.mailbox.capabilities}")
        return "OK"

    def login(self, command: str) -> str:
        return "OK" if command.endswith(f'"{self.server.mailbox.password}"') else "NO"

    def select(self, command: str) -> str:
        if command != 'SELECT "INBOX"':
            return "NO"
        self.say(f"* {len(self.server.mailbox.mails)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.server.mailbox.validity}] fine")
        return "OK [READ-WRITE]"

    def uid_search(self, command: str) -> str:
        box = self.server.mailbox
        low = int(re.search(r"UID (\d+):\*", command)[1])  # type: ignore[index]  # imaplib says it so
        last = max(box.mails, default=0)
        found = [uid for uid in box.unread if uid >= min(low, last)]
        self.say(f"* SEARCH {' '.join(map(str, found))}")
        return "OK"

    def uid_fetch(self, command: str) -> str:
        uid, size = map(int, re.findall(r"FETCH (\d+) .*<0\.(\d+)>", command)[0])
        mail = self.server.mailbox.mails.get(uid)
        if mail is not None:
            raw = mail.raw[:size]
            self.wfile.write(b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n" % (uid, len(raw)))
            self.wfile.write(raw + b")\r\n")
        return "OK"

    def uid_store(self, command: str) -> str:
        uid = int(command.split()[2])
        if uid in self.server.mailbox.mails:
            self.server.mailbox.mails[uid].flags.add("\\Seen")
        return "OK"

    def uid_move(self, command: str) -> str:
        box = self.server.mailbox
        uid, folder = command.split()[2:4]
        if folder not in box.moved:
            return "NO [TRYCREATE]"
        if int(uid) in box.mails:
            box.moved[folder].append(box.mails.pop(int(uid)).raw)
        return "OK"

    def create(self, command: str) -> str:
        self.server.mailbox.moved[command.split()[1]] = []
        return "OK"

    def logout(self, _command: str) -> str:
        self.say("* BYE")
        return "OK"

    def say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode("latin-1"))


class _FarSide(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    mailbox: MailboxServer
    tls: ssl.SSLContext | None
    starts_plain: bool

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to report."""


@contextmanager
def open_mailbox_server(
    tls: ssl.SSLContext | None = None, *, starts_plain: bool = False
) -> Iterator[MailboxServer]:
    """Run a mail server for the length of a test, encrypted if it has a certificate.

    One that ``starts_plain`` does so when it is asked to.
    """
    mailbox = MailboxServer()
    far = _FarSide(("127.0.0.1", 0), _Handler)
    far.mailbox, far.tls, far.starts_plain = mailbox, tls, starts_plain
    if starts_plain:
        mailbox.capabilities += " STARTTLS"
    threading.Thread(target=far.serve_forever, args=(0.05,), daemon=True).start()
    mailbox.port = far.server_address[1]
    try:
        yield mailbox
    finally:
        far.shutdown()
        far.server_close()
