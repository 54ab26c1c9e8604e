"""Echo: a channel that takes every letter and sends none, for trying things out."""

import logging
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from connectors.base import AFTERWARDS, Abilities, Answer, Letter, Outcome, Recovery
from connectors.channels import Channel
from connectors.words import gettext_noop

logger = logging.getLogger(__name__)


class EchoConnector:
    """Takes everything; says in the log how many letters that were, and nothing of what they say."""

    kind = "echo"
    abilities = Abilities(
        recovery=Recovery.KEYED,
        max_per_call=200,
        one_sender_per_call=False,
        personal_text=True,
        text_bytes=100_000,
        needs_confirmation=False,
        direct=True,
        tells=AFTERWARDS,
        attachment_kinds=("link", "image", "video", "file"),
    )

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        """Take every letter at once."""
        taken = 0
        try:
            for letter in letters:
                if letter is not None:
                    taken += 1
                    yield Answer(letter.key, Outcome.TAKEN, reference=letter.key)
        finally:
            logger.info("echo took %d letters", taken)

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Say that it has it: it would take it again and send none either way."""
        return Answer(letter.key, Outcome.TAKEN, reference=letter.key)

    def close(self) -> None:
        """Nothing is kept."""


CHANNEL = Channel(
    kind="echo",
    label=gettext_noop("Echo, sends nothing"),
    needs="LOCAL",
    connect=lambda _settings: EchoConnector(),
    reaches_people=False,
)
