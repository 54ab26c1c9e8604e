"""The webhook channel: letters go to an address of the company's own, which brings them on.

Every call is signed after Standard Webhooks, as the calls that tell of events are. The receiver
honours our keys: what it has got once it acknowledges again and does not send again.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from connectors.base import AFTERWARDS, Abilities, Answer, Letter, Outcome, Recovery
from connectors.bursts import Burst, Call, Reply
from connectors.judging import REFUSED_IT, REST_SECONDS, as_reference, fields_in, judge
from connectors.webhook.signing import signed_headers

IN_FLIGHT = 400
IN_FLIGHT_OF_MANY = 20
MOST_PER_CALL = 200

_OUTCOMES = {
    "taken": Outcome.TAKEN,
    "refused": Outcome.REFUSED,
    "busy": Outcome.BUSY,
}


class WebhookChannel:
    """Posts letters as JSON, one or up to 200 in a call. Raises ``ValueError`` for a bad address."""

    kind = "webhook"

    def __init__(self, url: str, *, secret: str = "", per_call: int = 1) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("CAMPAIGN_WEBHOOK_URL must look like https://example.com/messages.")
        if not 1 <= per_call <= MOST_PER_CALL:
            raise ValueError("CAMPAIGN_WEBHOOK_PER_CALL is a number from 1 to 200.")
        if secret:
            signed_headers("id", 0, b"", [secret])  # raises for a secret that is none
        self.abilities = Abilities(
            recovery=Recovery.KEYED,
            max_per_call=per_call,
            one_sender_per_call=False,
            personal_text=True,
            text_bytes=100_000,
            needs_confirmation=False,
            direct=True,
            tells=AFTERWARDS,
            has_subject=True,
            has_html=True,
            attachment_kinds=("link", "image", "video", "file"),
        )
        self._secrets = [secret] if secret else []
        self._per_call = per_call
        in_flight = IN_FLIGHT if per_call == 1 else IN_FLIGHT_OF_MANY
        self._burst = Burst(url, in_flight=in_flight)

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        """Send the letters; one answer each."""
        one = self._per_call == 1
        calls = map(self._call_of_one, letters) if one else self._calls_of_many(letters)
        for call, reply in self._burst.run(calls):
            if one:
                yield judge(call.keys[0], reply, keyed=True)
            else:
                yield from _judge_many(call.keys, reply)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Nothing to ask: the same key may go again."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""
        self._burst.close()

    def _call_of_one(self, letter: Letter | None) -> Call | None:
        if letter is None:
            return None
        body = orjson.dumps(_fields(letter))
        return Call((letter.key,), body, self._headers(letter.key, body))

    def _calls_of_many(self, letters: Iterable[Letter | None]) -> Iterator[Call | None]:
        """Fill calls; one that is not full goes out when there is no letter just now, or no more."""
        waiting: list[Letter] = []
        for letter in letters:
            if letter is not None:
                waiting.append(letter)
                if len(waiting) < self._per_call:
                    continue
            elif not waiting:
                yield None
                continue
            yield self._call_of_many(waiting)
            waiting = []
        if waiting:
            yield self._call_of_many(waiting)

    def _call_of_many(self, letters: Sequence[Letter]) -> Call:
        keys = tuple(letter.key for letter in letters)
        body = orjson.dumps({"messages": [_fields(letter) for letter in letters]})
        together = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:40]
        return Call(keys, body, self._headers(f"liuke-many-{together}", body))

    def _headers(self, key: str, body: bytes) -> list[str]:
        headers = ["Content-Type: application/json", f"Idempotency-Key: {key}"]
        if self._secrets:
            signed = signed_headers(key, int(time.time()), body, self._secrets)
            headers += [f"{name}: {value}" for name, value in signed.items()]
        return headers


def _fields(letter: Letter) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": letter.key, "to": letter.address, "text": letter.text}
    if letter.subject:
        fields["subject"] = letter.subject
    if letter.html:
        fields["html"] = letter.html
    if letter.unsubscribe_url:
        fields["unsubscribe_url"] = letter.unsubscribe_url
    if letter.attachments:
        fields["attachments"] = [dict(item) for item in letter.attachments]
    return fields


def _judge_many(keys: Sequence[str], reply: Reply) -> Iterator[Answer]:
    """One answer a key: as the reply says of it, else as it says of the whole call."""
    told = _told(reply) if 200 <= reply.status < 300 else {}
    for key in keys:
        yield told.get(key) or judge(key, reply, keyed=True)


def _told(reply: Reply) -> dict[str, Answer]:
    rows = fields_in(reply.body).get("results")
    answers = {}
    for row in rows if isinstance(rows, list) else ():
        outcome = str(row.get("outcome")) if isinstance(row, dict) else ""
        if outcome not in _OUTCOMES:
            continue
        key = str(row.get("key"))
        answers[key] = Answer(
            key,
            _OUTCOMES[outcome],
            reference=as_reference(row.get("id")),
            why=REFUSED_IT if outcome == "refused" else "",
            retry_after=REST_SECONDS if outcome == "busy" else 0.0,
            is_address=row.get("is_address") is True,
        )
    return answers
