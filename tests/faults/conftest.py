"""A company, its sandbox, and processes to kill."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from config import embedded
from config.places import Places, find_places
from tests.faults.crew import Crew
from tests.sandboxed import AES_KEY, TOKEN, Shop, open_shop


@pytest.fixture
def places() -> Iterator[Places]:
    """A data folder that the servers' account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="liuke-faults-"))
    folder.chmod(0o711)
    found = find_places(folder)
    embedded.prepare(found)
    yield found
    shutil.rmtree(folder)


@pytest.fixture
def port() -> int:
    """Where the web of this test will listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def shop(redis: object, port: int) -> Iterator[Shop]:
    """A sandbox that sends its callbacks to the web of this test."""
    address = f"http://127.0.0.1:{port}/callbacks/wecom/"
    with open_shop(callback_url=address, callback_token=TOKEN, callback_aes_key=AES_KEY) as opened:
        yield opened


@pytest.fixture
def crew(transactional_db: None, shop: Shop, places: Places, port: int) -> Iterator[Crew]:
    """The processes of this test; dead before its rows are cleared away."""
    hired = Crew(places, port, settings.REDIS_URL)
    yield hired
    hired.stop()
