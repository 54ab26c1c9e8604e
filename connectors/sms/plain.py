"""A plain gateway: JSON with a key of ours, for providers of one's own and for in-between servers.

``json+https://TOKEN@host/path`` posts ``{"key", "to", "text"}`` with the token as a bearer, and an
``Idempotency-Key`` that the gateway has to honour.
"""

import json
from collections.abc import Collection
from datetime import datetime
from urllib.parse import SplitResult

from connectors.base import Answer, Letter, Outcome, Recovery
from connectors.bursts import Call, Reply
from connectors.judging import fields_in, judge
from connectors.sms.formats import NOT_A_NUMBER, address_of, login_of
from connectors.words import gettext_noop

REFUSED_IT = gettext_noop("the gateway refused it")


class Plain:
    """Our own format."""

    recovery = Recovery.KEYED

    def __init__(self, parts: SplitResult) -> None:
        self.url = address_of(parts)
        token = login_of(parts)[0]
        self._headers = ["Content-Type: application/json"]
        if token:
            self._headers.append(f"Authorization: Bearer {token}")

    def call(self, letter: Letter) -> Call:
        """Post the letter."""
        fields = {"key": letter.key, "to": letter.address, "text": letter.text}
        body = json.dumps(fields, ensure_ascii=False).encode()
        return Call((letter.key,), body, [*self._headers, f"Idempotency-Key: {letter.key}"])

    def answer(self, key: str, reply: Reply) -> Answer:
        """By the HTTP status; 422 says that the number is none."""
        if reply.status == 422:
            return Answer(key, Outcome.REFUSED, why=NOT_A_NUMBER, is_address=True)
        if reply.status == 200 and fields_in(reply.body).get("refused") is True:
            return Answer(key, Outcome.REFUSED, why=REFUSED_IT)
        return judge(key, reply, keyed=True)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Nothing to ask: the same key may go again."""
        raise NotImplementedError
