"""Secrets that an installation makes for itself."""

import stat
from concurrent.futures import ThreadPoolExecutor

from config.secret import read_or_make


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path):
    first = read_or_make(tmp_path / "key")

    assert len(first) == 64
    assert read_or_make(tmp_path / "key") == first
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_one_secret(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(read_or_make, [tmp_path / "key"] * 32))

    assert len(found) == 1
    assert [place.name for place in tmp_path.iterdir()] == ["key"]
