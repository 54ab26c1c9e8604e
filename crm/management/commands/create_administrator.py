"""``manage.py create_administrator USERNAME``: somebody who may do everything, to begin with."""

import secrets
import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.actions.staff import hire_administrator
from contacts.errors import RuleBroken
from contacts.models import Staff, User

PASSWORD_BYTES = 15


class Command(BaseCommand):
    """Makes an administrator; a fresh installation needs one before anybody can sign in."""

    help = "Make an administrator of the whole company; the password is asked for, or made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """User name, name, and where the password comes from."""
        parser.add_argument("username", help="With this the administrator signs in.")
        parser.add_argument("--name", help="As colleagues see it. Default: the user name.")
        parser.add_argument(
            "--generate-password",
            action="store_true",
            help="Make a password and print it once, instead of asking for one.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the administrator, and say how to sign in."""
        username, made = options["username"], options["generate_password"]
        name = (options["name"] or username).strip()
        try:
            User(username=username).clean_fields(exclude=["password"])
            Staff(name=name).clean_fields(
                exclude=[field.name for field in Staff._meta.fields if field.name != "name"]
            )
            password = secrets.token_urlsafe(PASSWORD_BYTES) if made else _asked(username)
            hire_administrator(username, name=name, password=password, now=timezone.now())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except RuleBroken as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{username} is an administrator now, and may sign in.")
        if made:
            self.stdout.write(f"Password, shown only now: {password}")


def _asked(username: str) -> str:
    if not sys.stdin.isatty():
        raise CommandError("Run this at a terminal, or with --generate-password.")
    password = getpass("Password: ")
    if getpass("Password (again): ") != password:
        raise CommandError("The two passwords differ.")
    validate_password(password, User(username=username))
    return password
