"""The append-only file that a sandbox comes back from, one JSON object per line."""

import json
from collections.abc import Iterator
from pathlib import Path

from connectors.wecom.sandbox.state import Json


class JournalDamaged(Exception):
    """A line in the middle of the journal is not JSON: the file was edited or mixed up."""


class Journal:
    """Lines appended and handed to the operating system before the caller goes on.

    That survives kill -9 of this process, not a power cut; half a last line is cut off
    when the journal is opened again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def entries(self) -> Iterator[Json]:
        """All whole entries, oldest first. Raises ``JournalDamaged``."""
        lines = self._path.read_bytes().split(b"\n")
        rest = lines.pop()
        if rest:
            self._file.truncate(self._path.stat().st_size - len(rest))
        for number, line in enumerate(lines, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise JournalDamaged(f"{self._path} line {number} is not an entry") from error

    def append(self, entry: Json) -> None:
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def restart(self) -> None:
        """Forget everything written so far."""
        self._file.truncate(0)

    def close(self) -> None:
        self._file.close()
