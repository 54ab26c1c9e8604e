"""`manage.py messages`: bring the catalogues of `locale/` up to date and compile them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Translations stay; what they lack is named, and the exit status is 1 until it is there."""

    help = "Collect the texts to translate, update and compile the catalogues; --check only looks."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Only `--check`."""
        parser.add_argument("--check", action="store_true", help="change nothing; fail when stale")

    def handle(self, *args: Any, check: bool = False, **options: Any) -> None:
        """Raise `CommandError` when a text is missing, left over, wrong or not compiled."""
        # Babel is a developer's package, and Django imports every command to list it.
        from config.messages import main  # noqa: PLC0415

        if main(["--check"] if check else []):
            raise CommandError("The catalogues are not complete.")
