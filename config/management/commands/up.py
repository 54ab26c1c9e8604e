"""`manage.py up`: serve Liuke on this machine until Ctrl-C."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.supervisor import Interrupted, Supervisor, stop_on_signals
from config.wheels import CannotStart


class Command(BaseCommand):
    """A thin shell over `Supervisor`."""

    help = "Serve Liuke: database, broker, web, workers and scheduler, until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Return when the user stops it."""
        began = time.monotonic()
        supervisor = Supervisor(
            settings.PLACES, settings.LIUKE_BIND, say=self._say, stopping=stop_on_signals()
        )
        try:
            with supervisor:
                self._say(f"serving on {supervisor.url} after {time.monotonic() - began:.1f} s")
                supervisor.watch()
                self._say("stopping")
        except CannotStart as error:
            raise CommandError(str(error)) from error
        except Interrupted:
            pass
        self._say("stopped")

    def _say(self, words: str) -> None:
        self.stdout.write(f"liuke: {words}")
        self.stdout.flush()
