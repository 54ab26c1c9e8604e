"""The SMS channel: one call a letter, in the format that ``SMS_URL`` names."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from connectors.base import AFTERWARDS, Abilities, Answer, Letter
from connectors.bursts import Burst
from connectors.sms.aliyun import Aliyun
from connectors.sms.formats import Format
from connectors.sms.plain import Plain
from connectors.sms.twilio import Twilio

IN_FLIGHT = 200
LONGEST = 3_000
"""Bytes: more is more than ten parts, which no provider takes as one message."""

FORMATS: dict[str, Callable[[SplitResult], Format]] = {
    "json": Plain,
    "twilio": Twilio,
    "aliyun": Aliyun,
}


class SmsChannel:
    """Sends SMS. Raises ``ValueError`` for an address that names no format that there is."""

    kind = "sms"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        name, _, scheme = parts.scheme.partition("+")
        if name not in FORMATS or scheme not in {"http", "https"} or not parts.hostname:
            known = ", ".join(FORMATS)
            raise ValueError(
                f"SMS_URL must look like FORMAT+https://user:password@host/…; formats: {known}."
            )
        self._format = FORMATS[name](parts)
        self.abilities = Abilities(
            recovery=self._format.recovery,
            max_per_call=1,
            one_sender_per_call=False,
            personal_text=True,
            text_bytes=LONGEST,
            needs_confirmation=False,
            direct=True,
            tells=AFTERWARDS,
            address_kinds=("phone",),
        )
        self._burst = Burst(self._format.url, in_flight=IN_FLIGHT)

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        """Send the letters; one answer each."""
        form = self._format
        calls = (form.call(letter) if letter else None for letter in letters)
        for call, reply in self._burst.run(calls):
            yield form.answer(call.keys[0], reply)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Ask the provider, where it can be asked."""
        return self._format.look_up(letter, since=since, until=until, known=known)

    def close(self) -> None:
        """Close the connections."""
        self._burst.close()
