"""`manage.py test`: pytest on a real PostgreSQL and Valkey."""

import os
import sys
from typing import NoReturn

from django.core.management.base import BaseCommand

from config.places import ROOT

MOST_WORKERS = 4
"""The whole suite runs on as many processes as there are cores, up to this many."""

MARKS = {"--browser": "browser", "--faults": "faults"}


class Command(BaseCommand):
    """Replaces itself by pytest, which starts the servers through `config.pytest_plugin`."""

    help = (
        "Run the tests; `--browser` or `--faults` run those instead, "
        "and everything else goes to pytest."
    )
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Never returns; pytest's exit status becomes ours."""
        marks = [MARKS[word] for word in argv[2:] if word in MARKS]
        arguments = [word for word in argv[2:] if word not in MARKS]
        if marks:
            arguments += ["-m", " or ".join(marks)]
        if "browser" in marks:
            arguments += ["-p", "pytest_playwright.pytest_playwright"]
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps a loop running
        if not marks and not arguments:
            arguments = ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1))]
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
