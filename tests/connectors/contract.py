"""What the tests of the contract need of a channel of letters: how to open it a far side that obeys.

A channel joins by ``CASES`` in ``far_side.py``, in its own folder or ``tests/connectors/<folder>/``.
"""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from importlib.util import find_spec

from connectors.base import DirectConnector, Outcome, Recovery
from connectors.channels import folders


class Scene(Enum):
    """What a far side does with a letter."""

    TAKE = "take"
    BUSY = "busy"
    REFUSE = "refuse"
    """Refuse it, for its address, and repeat the address in the words."""

    BREAK = "break"
    """Fail in a way that says nothing of the letter."""

    LOSE = "lose"
    """Take it and hang up without a word."""

    HALF = "half"
    """Take it and hang up in the middle of saying so."""

    HALF_HEAD = "half a head"
    """Take it and hang up before what the answer begins with has ended."""

    GARBAGE = "garbage"
    HUGE = "huge"
    ENDLESS = "endless"
    """Go on answering, without having said for how long."""


@dataclass(frozen=True, slots=True)
class Got:
    """A letter as it came in at the far side."""

    key: str
    to: str
    text: str


@dataclass
class FarSide:
    """What the tests tell a far side, and what it tells them."""

    connect: Callable[[], DirectConnector]
    scene: Scene = Scene.TAKE
    by_address: dict[str, Scene] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    wait: float = 0.0

    def scene_of(self, address: str) -> Scene:
        """What to do with a letter to this address."""
        return self.by_address.get(address, self.scene)

    def connections(self) -> int:
        """How many connections there have been."""
        return 0

    def still_open(self) -> int:
        """How many of them are open."""
        return 0


@dataclass(frozen=True)
class Case:
    """A channel under test. ``expected`` holds where it may be surer than its recovery says."""

    name: str
    open: Callable[[], AbstractContextManager[FarSide]]
    recovery: Recovery
    address: Callable[[int], str]
    in_flight: int
    scenes: frozenset[Scene] = frozenset(Scene)
    expected: Mapping[Scene, frozenset[Outcome]] = field(default_factory=dict)
    has_connections: bool = True
    carries_keys: bool = True

    def outcomes(self, scene: Scene) -> frozenset[Outcome]:
        """What a letter may be said to be after a scene, and nothing else."""
        not_known = Outcome.UNCLEAR
        usual = {
            Scene.TAKE: {Outcome.TAKEN},
            Scene.BUSY: {Outcome.BUSY},
            Scene.REFUSE: {Outcome.REFUSED},
            Scene.BREAK: {not_known},
            Scene.LOSE: {not_known},
            Scene.HALF: {not_known},
            Scene.HALF_HEAD: {not_known},
            Scene.GARBAGE: {not_known, Outcome.TAKEN},
            Scene.HUGE: {not_known, Outcome.TAKEN},
            Scene.ENDLESS: {not_known, Outcome.TAKEN},
        }
        return self.expected.get(scene, frozenset(usual[scene]))


def all_cases() -> list[Case]:
    """Every channel that there is a far side for."""
    packages = [
        f"{place}.{name}" for name in folders() for place in ("connectors", "tests.connectors")
    ]
    return [
        case
        for package in packages
        if find_spec(package) and find_spec(f"{package}.far_side")
        for case in importlib.import_module(f"{package}.far_side").CASES
    ]
