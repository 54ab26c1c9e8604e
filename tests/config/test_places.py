"""Where state lies, and how paths that servers cannot use are replaced."""

import os
import pwd
import stat
from pathlib import Path

from config.places import SOCKET_PATH_LIMIT, can_enter, find_places


def test_data_goes_where_it_is_asked_to(data_dir):
    places = find_places(data_dir / "liuke")
    places.make()

    assert places.data == data_dir / "liuke"
    assert places.sockets == data_dir / "liuke" / "run"
    assert places.moved_because == ""


def test_sockets_of_a_deep_folder_get_a_short_path(data_dir):
    places = find_places(data_dir / ("deep" * 30))

    assert len(os.fsencode(places.sockets / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT
    assert places.data == data_dir / ("deep" * 30)
    assert places.sockets == find_places(data_dir / ("deep" * 30)).sockets


def test_making_the_folder_leaves_what_exists_alone(data_dir):
    data_dir.chmod(0o750)

    find_places(data_dir).make()

    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o750


def test_a_closed_home_stays_closed(data_dir):
    home = data_dir / "home"
    home.mkdir(mode=0o700)

    places = find_places(home / "var")

    servers_run_as_another = os.geteuid() == 0
    assert places.data.is_relative_to(home) is not servers_run_as_another
    assert (str(home / "var") in places.moved_because) is servers_run_as_another
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_an_account_enters_only_open_folders(data_dir):
    us = {0, os.geteuid()}
    stranger = next(account for account in pwd.getpwall() if account.pw_uid not in us)
    (data_dir / "open").mkdir(mode=0o755)
    (data_dir / "closed").mkdir(mode=0o700)

    assert can_enter(data_dir / "open" / "not yet there", stranger)
    assert not can_enter(data_dir / "closed" / "deeper", stranger)
    assert can_enter(Path("/"), stranger)
