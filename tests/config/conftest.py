"""A machine of one's own: a data folder that the servers' account can enter, and a clean env."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty folder; pytest's own is closed to everybody but us."""
    folder = Path(tempfile.mkdtemp(prefix="liuke-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def plain_environment() -> dict[str, str]:
    """The environment without what this test run has put into it."""
    ours = ("DATABASE_URL", "REDIS_URL", "LIUKE_", "WECOM_", "DJANGO_", "PYTEST_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
