"""`manage.py bench`: measure what Liuke reaches here, beside the bare work."""

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bench.servers import bench_servers, fresh_company
from config.places import ROOT, find_places
from config.wheels import CannotStart

BENCHES = ("retention", "campaigns")


class Command(BaseCommand):
    """Starts servers of its own and runs each bench on a fresh copy of a large company."""

    help = "Measure; prints ours beside a reference of the same run. Fails if a goal is missed."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which benches, and where to save the figures."""
        parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME")
        parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures as JSON")

    def handle(self, *args: Any, names: list[str], json: Path | None, **options: Any) -> None:
        """Raise `CommandError` if a bench fails or misses a goal."""
        places = find_places(settings.LIUKE_DATA_DIR / "bench")
        try:
            with bench_servers(places):
                failed = [name for name in names or BENCHES if not self._run(name, places, json)]
        except CannotStart as error:
            raise CommandError(str(error)) from error
        if failed:
            raise CommandError(f"goals missed in: {', '.join(failed)}")

    def _run(self, name: str, places: Any, json: Path | None) -> bool:
        environment = fresh_company(places, self._say)
        command = [sys.executable, "-m", f"bench.{name}"]
        if json:
            command += ["--json", str(json.absolute())]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0

    def _say(self, words: str) -> None:
        self.stdout.write(f"bench: {words}")
        self.stdout.flush()
