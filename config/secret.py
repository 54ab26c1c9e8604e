"""Secrets that an installation makes for itself, once."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def make_key() -> str:
    """A key of 384 random bits."""
    return secrets.token_urlsafe(48)


def read_or_make(path: Path, make: Callable[[], str] = make_key) -> str:
    """The secret in `path`, made on the first call and readable by its owner only.

    Safe when several processes start at once: exactly one of their secrets is kept.
    """
    if path.exists():
        return path.read_text(encoding="ascii")
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(make())
        with contextlib.suppress(FileExistsError):  # another process was first: its secret holds
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
