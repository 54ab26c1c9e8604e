"""Far sides of channels of letters, over real sockets: an HTTP gateway and a mail server that obey."""

import json
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[[dict[str, Any]], int | str]
"""What a gateway does with a call: an HTTP status, or "cut" before or "lose" after taking it."""


@dataclass
class Gateway:
    """An HTTP gateway that honours keys, and its ledger."""

    url: str = ""
    taken: Counter[str] = field(default_factory=Counter)
    calls: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    act: Act = lambda _message: 200
    retry_after: str = ""
    answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda _message: {}
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, message: dict[str, Any]) -> None:
        """Note a message, once a key."""
        with self.lock:
            if not self.taken[message["key"]]:
                self.taken[message["key"]] = 1
            else:
                self.repeats[message["key"]] += 1

    repeats: Counter[str] = field(default_factory=Counter)


class _GatewayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_GatewayServer"

    def setup(self) -> None:
        super().setup()
        self.server.gateway.connections += 1

    def do_POST(self) -> None:
        gateway = self.server.gateway
        body = self.rfile.read(int(self.headers["Content-Length"]))
        called = json.loads(body)
        with gateway.lock:
            gateway.calls.append(called)
            gateway.headers.append({k.lower(): v for k, v in self.headers.items()})
        act = gateway.act(called)
        if act in (200, "lose"):
            for message in called.get("messages") or [called]:
                gateway.take(message)
        if act in ("cut", "lose"):
            self.close_connection = True
            return
        self._say(int(act), called)

    def _say(self, status: int, called: dict[str, Any]) -> None:
        gateway = self.server.gateway
        said = json.dumps(gateway.answer(called)).encode()
        self.send_response(status)
        if gateway.retry_after:
            self.send_header("Retry-After", gateway.retry_after)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _GatewayServer(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    gateway: Gateway

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to report."""


@contextmanager
def open_gateway() -> Iterator[Gateway]:
    """Run a gateway for the length of a test."""
    gateway = Gateway()
    server = _GatewayServer(("127.0.0.1", 0), _GatewayHandler)
    server.gateway = gateway
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}/messages"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class MailServer:
    """A mail server and what it got: one row a mail."""

    port: int = 0
    mails: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    pipelining: bool = True
    reply_to: Callable[[str], str] = lambda _line: ""
    """What to answer to a line instead of the usual; "cut" hangs up."""
    amid_mail: Callable[[str], str] = lambda _recipient: ""
    """What to say at once of a mail of which the first line has come; the rest is read in vain."""
    in_pieces: bool = False
    """Whether each reply comes in two packets."""
    after_mail: Callable[[str], str] = lambda _recipient: "250 2.0.0 taken"
    wait: float = 0.0
    take: Callable[[str, str], str] | None = None
    """Gets recipient and mail in place of all this, and says the answer; "half" breaks off in it."""

    @property
    def url(self) -> str:
        """What ``EMAIL_URL`` says of it."""
        return f"smtp://127.0.0.1:{self.port}?connections=4"


class _MailHandler(socketserver.StreamRequestHandler):
    recipient = ""
    server: "_MailFarSide"

    def setup(self) -> None:
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        self.server.mail_server.connections += 1
        self.say("220 mail.test")
        while line := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            said = self.server.mail_server.reply_to(line) or self.usual(line)
            if said == "cut":
                return
            self.say(said)
            if line.upper().startswith("QUIT") or said.split("\r\n")[-1].startswith("421"):
                return

    def finish(self) -> None:
        super().finish()
        self.request.close()
        self.server.mail_server.ended += 1

    def usual(self, line: str) -> str:
        verb = line[:4].upper()
        if verb == "EHLO":
            extras = "250-PIPELINING\r\n" if self.server.mail_server.pipelining else ""
            return f"250-mail.test\r\n{extras}250 8BITMIME"
        if verb == "RCPT":
            self.recipient = line[line.index("<") + 1 : line.rindex(">")]
        if verb == "DATA":
            return self.data()
        if verb in {"RSET", "MAIL"}:
            self.recipient = ""
        return "250 2.0.0 fine" if verb != "QUIT" else "221 goodbye"

    def data(self) -> str:
        if not self.recipient:
            return "554 5.5.1 no valid recipients"
        self.say("354 go on")
        return self.mail()

    def mail(self) -> str:
        server = self.server.mail_server
        lines = [self.rfile.readline()]
        if early := server.amid_mail(self.recipient):
            self.say(early)
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return "cut"  # a mail without its end is none
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if early:
            return ""
        if server.take is not None:
            return self.cut_short(server.take(self.recipient, b"".join(lines).decode()))
        time.sleep(server.wait)
        said = server.after_mail(self.recipient)
        if said == "drop":
            return "cut"
        if said.startswith("2") or said == "lose":
            server.mails.append((self.recipient, b"".join(lines).decode("utf-8")))
        return "cut" if said == "lose" else said

    def cut_short(self, said: str) -> str:
        if said == "half":
            self.wfile.write(b"25")
            return "cut"
        return said

    def say(self, words: str) -> None:
        reply = f"{words}\r\n".encode() if words else b""
        if self.server.mail_server.in_pieces:
            self.wfile.write(reply[:2])
            time.sleep(0.05)
            reply = reply[2:]
        self.wfile.write(reply)


class _MailFarSide(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    mail_server: MailServer
    tls: ssl.SSLContext | None

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to report."""


@contextmanager
def open_mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Run a mail server for the length of a test, encrypted if it has a certificate."""
    server = MailServer()
    far = _MailFarSide(("127.0.0.1", 0), _MailHandler)
    far.mail_server, far.tls = server, tls
    threading.Thread(target=far.serve_forever, args=(0.05,), daemon=True).start()
    server.port = far.server_address[1]
    try:
        yield server
    finally:
        far.shutdown()
        far.server_close()
