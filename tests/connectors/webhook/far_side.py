"""A receiver of letters, as docs/channels.md asks for it."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

from connectors.base import Recovery
from connectors.webhook.channel import IN_FLIGHT, IN_FLIGHT_OF_MANY, WebhookChannel
from connectors.webhook.signing import make_secret
from tests.connectors.contract import Case, FarSide, Got, Scene
from tests.connectors.http_far_side import Said, open_http

SECRET = make_secret()
PER_CALL = 50
BUSY = (("Retry-After", "7"),)
OUTCOMES = {Scene.TAKE: "taken", Scene.BUSY: "busy", Scene.REFUSE: "refused"}


def read(body: bytes) -> list[Got]:
    called = json.loads(body)
    rows = called.get("messages") or [called]
    return [Got(row["key"], row["to"], row["text"]) for row in rows]


def say_to_one(letters: Sequence[tuple[Got, Scene]]) -> Said:
    [(got, scene)] = letters
    if scene is Scene.BUSY:
        return Said(503, headers=BUSY)
    if scene is Scene.BREAK:
        return Said(500)
    if scene is Scene.REFUSE:
        return Said(400, json.dumps({"error": f"{got.to} {got.text}"}).encode())
    return Said(200, json.dumps({"id": f"r-{got.key}"}).encode())


def say_to_many(letters: Sequence[tuple[Got, Scene]]) -> Said:
    if letters[0][1] is Scene.BREAK:
        return Said(500)
    rows = [
        {"key": got.key, "outcome": OUTCOMES[scene], "id": f"r-{got.key}", "error": got.to}
        for got, scene in letters
    ]
    return Said(200, json.dumps({"results": rows}).encode())


def open_far_side(per_call: int) -> AbstractContextManager[FarSide]:
    say = say_to_one if per_call == 1 else say_to_many
    return open_http(
        lambda host: WebhookChannel(f"http://{host}/in", secret=SECRET, per_call=per_call),
        read,
        say,
    )


CASES = [
    Case(
        "webhook",
        partial(open_far_side, 1),
        Recovery.KEYED,
        "customer-{}".format,
        IN_FLIGHT,
    ),
    Case(
        "webhook, many a call",
        partial(open_far_side, PER_CALL),
        Recovery.KEYED,
        "customer-{}".format,
        # what fills a call while all others are under way
        (IN_FLIGHT_OF_MANY + 1) * PER_CALL,
    ),
]
