"""A company, its sandbox, and processes to kill."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection

from config import embedded
from config.places import Places, find_places
from config.processes import end_group
from tests.faults.crew import Crew
from tests.faults.letters import FarSides
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
    hired = Crew(places, port, configured.REDIS_URL)
    yield hired
    hired.stop()


@pytest.fixture
def far(tmp_path: Path, settings: Any) -> Iterator[FarSides]:
    """A gateway and a mail server that break now and then, set up as channels."""
    sides = FarSides(tmp_path)
    settings.CAMPAIGN_WEBHOOK_URL = f"http://127.0.0.1:{sides.port('http')}/"
    settings.EMAIL_URL = f"smtp://127.0.0.1:{sides.port('smtp')}"
    settings.MAIL_FROM = "Shop <news@shop.example>"
    yield sides
    sides.close()


@pytest.fixture
def durable(transactional_db: None) -> Iterator[None]:
    """A commit is a commit, as in production; other tests do without for speed."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    connection.close()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} RESET synchronous_commit")
    connection.close()


@pytest.fixture
def lonely(crew: Crew, places: Places) -> Iterator[Crew]:
    """A crew with a broker of its own, which the test may kill."""
    process = embedded.valkey_program(places).start()
    embedded.wait_for_valkey(places, lambda: process.poll() is None)
    crew.redis_url = places.redis_url
    crew.broker = process
    yield crew
    end_group(process.pid, signal.SIGKILL)
    process.wait()
