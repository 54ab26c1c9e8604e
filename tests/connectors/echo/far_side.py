"""Echo has no far side."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.base import Recovery
from connectors.echo import EchoConnector
from tests.connectors.contract import Case, FarSide, Scene


@contextmanager
def open_far_side() -> Iterator[FarSide]:
    yield FarSide(connect=EchoConnector)


CASES = [
    Case(
        "echo",
        open_far_side,
        Recovery.KEYED,
        "customer-{}".format,
        1,
        scenes=frozenset({Scene.TAKE}),
        has_connections=False,
        carries_keys=False,
    )
]
