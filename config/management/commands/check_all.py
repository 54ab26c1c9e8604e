"""`manage.py check_all`: everything that CI checks besides the tests; changes nothing."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.places import ROOT

SCRIPTS = Path(sys.executable).parent
PYTHON_FOLDERS = (
    "bench", "campaigns", "config", "connectors", "contacts", "crm", "manage.py", "tests",
)  # fmt: skip
# A made-up installation that strangers reach, to see whether it would be safe.
PRODUCTION = {
    "ALLOWED_HOSTS": "crm.example.com",
    "SECRET_KEY": "check-all-9d2f4b8c6e1a7053-check-all-9d2f4b8c6e1a7053-check-all",
}


class Command(BaseCommand):
    """Runs every check even when an earlier one failed, and names the failed ones at the end."""

    help = "Lint, types, imports, migrations, templates, vendored files, message catalogues."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Raise `CommandError` naming the checks that failed."""
        failed = [name for name, run in _checks().items() if not self._passes(name, *run)]
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")
        self.stdout.write("all checks passed")

    def _passes(self, name: str, command: list[str], extra: dict[str, str]) -> bool:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"LIUKE_NO_BOOTSTRAP": "1"} | extra,
            capture_output=True,
            text=True,
            check=False,
        )
        passed = done.returncode == 0
        self.stdout.write(f"{'ok    ' if passed else 'FAILED'} {name}")
        if not passed:
            self.stdout.write(done.stdout + done.stderr)
        return passed


def _checks() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Name to command and environment, the quick ones first."""
    code = [name for name in PYTHON_FOLDERS if (ROOT / name).exists()]
    manage = [sys.executable, "manage.py"]
    checks: dict[str, tuple[list[str], dict[str, str]]] = {
        "ruff": ([str(SCRIPTS / "ruff"), "check", "--quiet", *code], {}),
        "format": ([str(SCRIPTS / "ruff"), "format", "--check", "--quiet", *code], {}),
        "imports": ([str(SCRIPTS / "lint-imports"), "--no-cache"], {}),
        "vendored files": ([sys.executable, "-m", "config.vendor", "--check"], {}),
        "system checks": ([*manage, "check"], {}),
        "deployment": ([*manage, "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
        "migrations": ([*manage, "makemigrations", "--check", "--dry-run"], {}),
        "templates": ([str(SCRIPTS / "djlint"), "--lint", "--quiet", "templates"], {}),
    }
    if find_spec("config.messages"):
        checks["messages"] = ([sys.executable, "-m", "config.messages", "--check"], {})
    checks["types"] = ([str(SCRIPTS / "mypy"), *code], {})
    return checks
