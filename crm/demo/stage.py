"""Where the story plays: the company, the terminal, and the world outside if it can be moved."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import OperationalError
from psycopg.errors import LockNotAvailable

from connectors.wecom.sandbox.client import SandboxControl
from crm.demo.company import DemoCompany
from crm.demo.terminal import Terminal

LOOK_EVERY = 0.25  # seconds between two looks at the database

CLOCK_STAYS = "its clock and its people cannot be moved from here"
"""Why a figure is not judged against a stand-in that is not our own sandbox."""


class Stopped(Exception):
    """The user has stopped the demo; the next start goes on from here."""


@dataclass(frozen=True)
class Stage:
    """``control`` moves the sandbox; without one the channel is somebody else's stand-in.

    ``pause`` waits for so many seconds and returns whether the user wants to stop meanwhile.
    """

    company: DemoCompany
    terminal: Terminal
    control: SandboxControl | None
    pause: Callable[[float], bool]

    def wait(self, look: Callable[[], tuple[bool, str]], *, at_most: timedelta) -> bool:
        """Look until it is done, showing what is seen; returns whether it was done in time.

        A look says whether it is done and, if it is worth a line, how far it is. One that meets
        a lock for too long is made again: workers hold the rows that it is about. Raises
        ``Stopped`` when the user wants to stop.
        """
        deadline = time.monotonic() + at_most.total_seconds()
        while True:
            done, words = _seen(look)
            self.terminal.progress(words, last=done)
            if done or time.monotonic() > deadline:
                self.terminal.settle()
                return done
            if self.pause(LOOK_EVERY):
                raise Stopped

    @property
    def why_not(self) -> str:
        """Why figures that depend on the world outside are not judged; empty if they are."""
        return "" if self.control else CLOCK_STAYS


def _seen(look: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    try:
        return look()
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        return False, ""
