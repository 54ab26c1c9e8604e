#!/usr/bin/env python3
"""The one door to Liuke: `python3 manage.py demo`, `test`, `up`, `check_all` and every Django command.

This file must parse on any Python 3, so that an old one gets a sentence and not a SyntaxError.
"""

import os
import runpy
import sys


def main() -> None:
    """Prepare `.venv` when it is missing or out of date, then hand over to Django."""
    if sys.version_info < (3, 11):
        sys.exit(
            "Liuke needs Python 3.11 or newer, and this is Python %d.%d: install a newer one "
            "and run the same command with it, for example `python3.12 manage.py demo`."
            % sys.version_info[:2]
        )
    root = os.path.dirname(os.path.abspath(__file__))
    # By path: importing the package `config` would need Celery, which may not be installed yet.
    runpy.run_path(os.path.join(root, "config", "bootstrap.py"))["ensure"](sys.argv[1:])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
