"""Serving a sandbox without a server of one's own: for tests and for a laptop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from connectors.wecom.sandbox.clock import Clock
from connectors.wecom.sandbox.sender import Sender
from connectors.wecom.sandbox.service import Sandbox
from connectors.wecom.sandbox.settings import SandboxSettings
from connectors.wecom.sandbox.wsgi import Application


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing per request; the ledger counts them."""

    def address_string(self) -> str:
        return str(self.client_address[0])


@dataclass(frozen=True)
class Running:
    base_url: str
    sandbox: Sandbox


@contextmanager
def running_sandbox(
    settings: SandboxSettings, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
) -> Iterator[Running]:
    """Serve one sandbox in the background until the block ends; port 0 picks a free one."""
    sandbox = Sandbox(settings, clock)
    sender = Sender(sandbox)
    with ThreadingServer((host, port), QuietHandler) as server:
        server.set_app(Application(sandbox))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        sender.start()
        try:
            yield Running(f"http://{host}:{server.server_port}", sandbox)
        finally:
            server.shutdown()
            thread.join()
            sender.stop()
            sandbox.close()
