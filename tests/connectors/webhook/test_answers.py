"""What a far side answers, however odd."""

import json

from connectors.base import Letter, Outcome
from connectors.webhook.channel import WebhookChannel
from tests.connectors.http_far_side import Said, open_http
from tests.connectors.webhook.far_side import SECRET, read


def test_an_id_with_what_no_database_stores_is_taken_without_it():
    def say(letters):
        rows = [{"key": got.key, "outcome": "taken", "id": "r\0-1"} for got, _scene in letters]
        return Said(200, json.dumps({"results": rows}).encode())

    def connect(host):
        return WebhookChannel(f"http://{host}/in", secret=SECRET, per_call=2)

    with open_http(connect, read, say) as far:
        channel = far.connect()
        (answer,) = channel.send([Letter("liuke-1-1", "a", "Hi")])
        channel.close()

    assert (answer.outcome, answer.reference) == (Outcome.TAKEN, "r-1")
