"""``manage.py erasures``: the list of who was erased, and erasing them again after a restored backup."""

from argparse import FileType
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crm.actions.erasing import erase_again
from crm.erasures import erasures_since


class Command(BaseCommand):
    """Prints number and moment of every erasure; with ``--again`` it erases those of such a list."""

    help = (
        "Lists the numbers of erased customers; --again FILE erases them after a restored backup."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, help="only from this moment on (ISO 8601)")
        parser.add_argument(
            "--again", type=FileType("r"), metavar="FILE", help="a list to erase again; - for input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["again"] is None:
            for pk, at in erasures_since(options["since"]):
                self.stdout.write(f"{pk}\t{at.isoformat()}")
            return
        with options["again"] as lines:
            done, passed_over = erase_again(_read(lines), now=timezone.now())
        self.stdout.write(f"{done} erased again, {passed_over} were erased or not there")


def _read(lines: Iterable[str]) -> Iterator[tuple[int, datetime]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        pk, _tab, at = line.strip().partition("\t")
        try:
            yield int(pk), _moment(at)
        except (TypeError, ValueError) as error:
            raise CommandError(f"line {number} is not of a list of erasures") from error


def _moment(text: str) -> datetime:
    at = parse_datetime(text)
    if at is None:
        raise ValueError(text)
    return at if timezone.is_aware(at) else timezone.make_aware(at)
