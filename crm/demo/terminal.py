"""What the demo shows in the terminal: calm lines, and tables that line up with Chinese in them."""

import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import TextIO

PAUSE = 3.0  # seconds between two progress lines where a line cannot be written over


class Terminal:
    """Writes to one stream; a progress line is written over only on a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is written yet."""
        self._stream = stream
        self._clock = clock
        self._over = stream.isatty()
        self._open = ""
        self._shown = ""
        self._shown_at = 0.0

    def say(self, words: str = "") -> None:
        """Write one line."""
        self.settle()
        self._write(f"{words}\n")

    def progress(self, words: str, *, last: bool = False) -> None:
        """Show how far something is; what says nothing new, or comes too soon, is left out.

        The last line of a wait is never too soon.
        """
        if not words or words == self._shown:
            return
        if self._over:
            padding = " " * max(0, width(self._open) - width(words))
            self._write(f"\r{words}{padding}")
            self._open = self._shown = words
        elif last or self._clock() - self._shown_at >= PAUSE:
            self._write(f"{words}\n")
            self._shown, self._shown_at = words, self._clock()

    def settle(self) -> None:
        """End the progress line, so that it stays."""
        if self._open:
            self._write("\n")
            self._open = ""

    def table(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Write a title and two columns."""
        first = max((width(name) for name, _ in rows), default=0)
        self.say()
        self.say(title)
        self.say("-" * max(width(title), 24))
        for name, value in rows:
            self.say(f"  {name}{' ' * (first - width(name))}  {value}")

    def _write(self, words: str) -> None:
        self._stream.write(words)
        self._stream.flush()


def width(words: str) -> int:
    """The columns that words take: Chinese letters take two, marks on other letters none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if _is_wide(letter) else 1 for letter in words
    )


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in {"F", "W"}
