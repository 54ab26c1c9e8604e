"""How the folder of a channel of letters says what it is, and which folders do.

A folder declares itself by ``CHANNEL`` in its ``__init__.py``. Settings, forms, filters and rates
all come from there, so nothing else has to know its name.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import connectors
from connectors.base import DirectConnector

RESERVED = "wecom"
"""The channel in which staff send is none of letters."""

_KIND = re.compile(r"[a-z][a-z0-9]{0,11}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment: a whole number of at least ``least`` if its default is one.

    ``setting`` is what the value is called among the settings, if not as the variable is.
    """

    name: str
    default: str | int = ""
    least: int = 0
    setting: str = ""

    @property
    def called(self) -> str:
        """What the value is called among the settings."""
        return self.setting or self.name


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of letters. Raises ``ValueError`` for a ``kind`` that cannot be stored.

    It is there when the setting ``needs`` says something; ``connect`` then gets the values of its
    variables and of ``looks_at``, settings that are not its own, by their names, and raises
    ``ValueError`` for one that makes no sense.
    """

    kind: str
    label: str
    """In English, marked for the catalogues unless ``label_in`` has it in the other languages."""

    needs: str
    connect: Callable[[Mapping[str, Any]], DirectConnector]
    variables: Sequence[Variable] = ()
    looks_at: Sequence[str] = ()
    address_kinds: Sequence[str] = ()
    """As its ``Abilities`` say, known also while it is not set up."""

    label_in: Mapping[str, str] = field(default_factory=dict)
    rate: int = 0
    """Letters a second unless ``LIUKE_RATE_<KIND>`` says otherwise; 0: as many as it takes."""

    reaches_people: bool = True

    def __post_init__(self) -> None:
        """Check what the tables and the variable of the rate take."""
        if not _KIND.fullmatch(self.kind) or self.kind == RESERVED:
            raise ValueError(f"A channel cannot be called {self.kind!r}: a to z and digits, 12.")

    @property
    def rate_variable(self) -> str:
        """The variable that holds it to so many letters a second."""
        return f"LIUKE_RATE_{self.kind.upper()}"

    @property
    def settings(self) -> list[str]:
        """The names of all settings that make a difference to it."""
        return [self.needs, *(variable.called for variable in self.variables), *self.looks_at]


def find_channels() -> dict[str, Channel]:
    """Return every channel of letters that has a folder, by its kind; those for trying come last.

    Raises ``ValueError`` if two are of the same kind.
    """
    found: dict[str, Channel] = {}
    for folder in folders():
        channel = getattr(importlib.import_module(f"connectors.{folder}"), "CHANNEL", None)
        if not isinstance(channel, Channel):
            continue
        if channel.kind in found:
            raise ValueError(f"Two folders in connectors/ are the channel {channel.kind!r}.")
        found[channel.kind] = channel
    ordered = sorted(found.values(), key=lambda one: (not one.reaches_people, one.kind))
    return {channel.kind: channel for channel in ordered}


def folders() -> list[str]:
    """Return the names of all folders of connectors, of letters or not."""
    return sorted(one.name for one in pkgutil.iter_modules(connectors.__path__) if one.ispkg)
