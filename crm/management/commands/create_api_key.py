"""``manage.py create_api_key NAME``: a key for a program, printed once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import Staff
from crm.api.keys import issue_key


class Command(BaseCommand):
    """Makes an API key that acts for one staff member."""

    help = "Make an API key that acts for one staff member, and print it: it is shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name, scopes, staff member, life."""
        parser.add_argument("name", help="What the key is for.")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="RESOURCE:read|write",
            help="What the key opens, like customers:read; may be repeated. Default: everything.",
        )
        parser.add_argument(
            "--staff",
            metavar="USERNAME",
            help="For whom the key acts. Default: the administrator, where there is just one.",
        )
        parser.add_argument("--expires-days", type=int, metavar="DAYS", help="Default: never.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the key and print it, and nothing else, so that a script can take it."""
        now = timezone.now()
        days = options["expires_days"]
        if days is not None and not 1 <= days <= 3650:
            raise CommandError("--expires-days lies between 1 and 3650.")
        try:
            _row, key = issue_key(
                _staff_member(options["staff"]),
                name=options["name"][:80],
                scopes=options["scope"],
                now=now,
                expires_at=now + timedelta(days=days) if days else None,
            )
        except RuleBroken as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)


def _staff_member(username: str | None) -> Staff:
    people = Staff.objects.employed().select_related("user")
    if username:
        found = people.filter(user__username=username).first()
        if found is None:
            raise CommandError(f"Nobody at work here has the account {username}.")
        return found
    administrators = people.filter(roles__role=Role.ADMINISTRATOR, user__isnull=False)[:2]
    if len(administrators) != 1:
        raise CommandError("Say with --staff USERNAME for whom the key acts.")
    return administrators[0]
