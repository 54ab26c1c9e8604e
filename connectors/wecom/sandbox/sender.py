"""The background threads that let time pass and deliver callbacks.

Eight at a time, five seconds each, three attempts in all, the same bytes at every
attempt. Order is not promised, as it is not by WeCom.
"""

import logging
import secrets
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from connectors.wecom.callback import Envelope, seal_envelope
from connectors.wecom.config import WeComConfig
from connectors.wecom.sandbox.service import Sandbox
from connectors.wecom.sandbox.settings import SandboxSettings
from connectors.wecom.sandbox.state import Callback

ATTEMPTS = 3
AT_ONCE = 8
TICK_SECONDS = 0.05
SHUFFLE_PATIENCE = 1.0

logger = logging.getLogger(__name__)


class Sender:
    """Runs from ``start`` to ``stop``; without a callback address it only lets time pass."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stopping = threading.Event()
        self._taken: dict[int, Callback] = {}
        self._held_since = 0.0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sandbox-callback")
        self._http = _http(sandbox.settings)
        self._thread = threading.Thread(target=self._run, name="sandbox-clock", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the attempts under way; what is not delivered stays waiting in the journal."""
        self._stopping.set()
        self._sandbox.changed.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._sandbox.changed.wait(TICK_SECONDS)
            self._sandbox.changed.clear()
            try:
                self._send_waiting()
            except Exception:  # the clock must go on, whatever one callback does
                logger.exception("Callbacks could not be looked at")

    def _send_waiting(self) -> None:
        waiting, shuffle = self._sandbox.waiting_callbacks()
        if not self._sandbox.settings.callback_url:
            return
        fresh = [callback for callback in waiting if id(callback) not in self._taken]
        if shuffle > 1 and self._still_holding(len(fresh), shuffle):
            return
        self._taken.update((id(callback), callback) for callback in fresh)
        if shuffle > 1:
            self._pool.submit(self._deliver_in_turn, fresh[::-1])
            return
        for callback in fresh:
            self._pool.submit(self._deliver, callback)

    def _still_holding(self, held: int, shuffle: int) -> bool:
        """Whether to wait for more events to mix; never longer than a second."""
        if not held:
            self._held_since = time.monotonic()
        elapsed = time.monotonic() - self._held_since
        return held < shuffle and elapsed < SHUFFLE_PATIENCE

    def _deliver_in_turn(self, callbacks: list[Callback]) -> None:
        for callback in callbacks:
            self._deliver(callback)

    def _deliver(self, callback: Callback) -> None:
        try:
            attempts, delivered = self._attempt(callback)
            if delivered or not self._stopping.is_set():
                self._sandbox.settle(callback, "sent" if delivered else "failed", attempts)
                self._taken.pop(id(callback))
        except Exception:  # a pool would swallow it; the callback waits for the next start
            logger.exception("Callback %s could not be sent", callback.seq)

    def _attempt(self, callback: Callback) -> tuple[int, bool]:
        """Post until it was taken ``copies`` times or was refused three times in a row."""
        envelope = self._seal(callback)
        attempts, taken = 0, False
        for _ in range(callback.copies):
            for attempt in range(ATTEMPTS):
                if attempt and self._stopping.wait(self._sandbox.settings.callback_retry_after):
                    return attempts, taken
                attempts += 1
                if self._post(envelope):
                    taken = True
                    break
        return attempts, taken

    def _seal(self, callback: Callback) -> Envelope:
        settings = self._sandbox.settings
        config = WeComConfig(
            api_url="",
            corp_id=settings.corp_id,
            agent_id=settings.agent_id,
            secret=settings.secret,
            callback_token=settings.callback_token + ("-wrong" if callback.wrong_key else ""),
            callback_aes_key=settings.callback_aes_key,
        )
        nonce = secrets.token_hex(8)
        return seal_envelope(config, callback.xml, timestamp=int(time.time()), nonce=nonce)

    def _post(self, envelope: Envelope) -> bool:
        try:
            answer = self._http.post(
                self._sandbox.settings.callback_url,
                params=envelope.query,
                content=envelope.body,
                headers={"Content-Type": "text/xml"},
            )
        except httpx.HTTPError as error:
            logger.info("Callback not taken: %s", error)
            return False
        return answer.status_code == httpx.codes.OK


def _http(settings: SandboxSettings) -> httpx.Client:
    """A client for the callback address; the authorities are read (20 ms) only for https."""
    secure = settings.callback_url.startswith("https")
    verify = ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(timeout=settings.callback_timeout, trust_env=False, verify=verify)
