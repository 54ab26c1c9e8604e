"""``manage.py work``: do what is due without a broker."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from crm.actions.sweeping import do_what_is_due


class Command(BaseCommand):
    """Finish campaigns, handovers, welcomes and callbacks with the broker switched off."""

    help = "Do what is due, again and again, without a broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--every", type=float, default=2.0, help="seconds between two sweeps")
        parser.add_argument("--once", action="store_true", help="sweep once and stop")

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            done = do_what_is_due(now=timezone.now())
            if options["once"]:
                self.stdout.write(f"{done} done")
                return
            if not done:
                time.sleep(options["every"])
