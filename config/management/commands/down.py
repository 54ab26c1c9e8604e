"""`manage.py down`: stop what runs on this data folder, and with `--purge` forget it."""

import fcntl
import os
import shutil
import signal
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.places import Places
from config.processes import Register

# What Liuke itself lays into its data folder. The folder may hold other things: never touch them.
OURS = (
    "bin-*", "children.*", "demo-*", "log", "media", "pg[0-9]*", "run", "sandbox*", "scheduler.*",
    "secret_key", "static", "test[0-9]*", "up.lock", "valkey",
)  # fmt: skip
PATIENCE = 10.0  # seconds; the supervisor promises five


class Command(BaseCommand):
    """Works while `up` or `demo` runs elsewhere, after a crash, and when nothing runs."""

    help = "Stop Liuke on this machine; --purge also deletes all its data."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Only `--purge`."""
        parser.add_argument("--purge", action="store_true", help="delete all data as well")

    def handle(self, *args: Any, purge: bool = False, **options: Any) -> None:
        """Raise `CommandError` when the running supervisor does not end."""
        places: Places = settings.PLACES
        with (places.data / "up.lock").open("a+", encoding="utf-8") as lock:
            _end_holder(lock.fileno(), places)
            Register(places.data / "children.json").end_leftovers()
            if purge:
                _purge(places)
        self.stdout.write(f"liuke: stopped{f'; {places.data} is empty now' if purge else ''}")


def _end_holder(lock: int, places: Places) -> None:
    """Take the lock, asking its holder to end first."""
    deadline = time.monotonic() + PATIENCE
    asked = False
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not asked:
                words = (places.data / "up.lock").read_text(encoding="utf-8").split()
                os.kill(int(words[1].strip(",")), signal.SIGTERM)
                asked = True
            time.sleep(0.05)
        else:
            return
    raise CommandError(f"The running Liuke has not ended after {PATIENCE:.0f} seconds.")


def _purge(places: Places) -> None:
    found = [place for pattern in OURS for place in places.data.glob(pattern)]
    for place in [*found, places.sockets]:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
