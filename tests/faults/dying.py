"""A process that does one verb of a handover, or reads the mailbox, and dies at a named point of it.

``python -m tests.faults.dying VERB POINT ID``. Exits with 137 there, and with 0 if it never came
by. A point is a piece of SQL, the how-manieth time it is run, and whether the process dies right
after it, with nothing committed, or right after the commit that follows.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import django

DEAD = 137


class Point(NamedTuple):
    """Where to die."""

    sql: str
    time: int
    committed: bool


MOVED = "UPDATE contacts_customer AS customer SET owner_id"
POINTS: dict[str, dict[str, Point]] = {
    "depart": {
        "in_custody": Point("INSERT INTO contacts_handoveritem", 1, committed=False),
        "after_access": Point('UPDATE "contacts_user"', 1, committed=False),
        "before_commit": Point('INSERT INTO "contacts_historyentry"', 1, committed=False),
        "after_commit": Point('INSERT INTO "contacts_historyentry"', 1, committed=True),
    },
    "start": {
        "in_start": Point('UPDATE "contacts_handover" SET "state"', 1, committed=False),
        "in_first_part": Point(MOVED, 1, committed=False),
        "after_first_part": Point(MOVED, 1, committed=True),
    },
    "move": {
        "in_part": Point(MOVED, 1, committed=False),
        "in_requests": Point("INSERT INTO contacts_handoverrequest", 1, committed=False),
        "after_part": Point(MOVED, 1, committed=True),
        "in_next_part": Point(MOVED, 2, committed=False),
    },
    "settle": {
        "in_part": Point('INSERT INTO "contacts_follow"', 1, committed=False),
        "after_part": Point('INSERT INTO "contacts_follow"', 1, committed=True),
        "in_next_part": Point('INSERT INTO "contacts_follow"', 2, committed=False),
        "after_next_part": Point('INSERT INTO "contacts_follow"', 2, committed=True),
    },
    "undo": {
        "in_asking": Point('SET "undo_asked_at"', 1, committed=False),
        "after_asking": Point('INSERT INTO "contacts_historyentry"', 1, committed=True),
        "in_part": Point(MOVED, 1, committed=False),
        "after_part": Point(MOVED, 1, committed=True),
    },
    "read_mailbox": {
        "in_storing": Point('INSERT INTO "contacts_callback"', 1, committed=False),
        "after_storing": Point('INSERT INTO "contacts_callback"', 1, committed=True),
        "after_marking": Point('SET "last_uid"', 1, committed=True),
        "in_next_storing": Point('INSERT INTO "contacts_callback"', 2, committed=False),
    },
    "finish_undo": {
        "in_part": Point(MOVED, 1, committed=False),
        "after_part": Point(MOVED, 1, committed=True),
    },
}


def die_at(point: Point) -> None:
    """End without a word when the point is reached."""
    from django.db import connection, transaction  # noqa: PLC0415

    seen = 0

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        result = execute(sql, params, many, context)
        if point.sql in sql:
            seen += 1
            if seen == point.time and point.committed:
                transaction.on_commit(lambda: os._exit(DEAD))
            elif seen == point.time:
                os._exit(DEAD)
        return result

    connection.execute_wrappers.append(watch)


def do(verb: str, row: int) -> None:
    """Do the verb as the product does it."""
    from django.utils import timezone  # noqa: PLC0415

    from contacts.actions.handovers import start_handover  # noqa: PLC0415
    from contacts.actions.moving import move_planned  # noqa: PLC0415
    from contacts.actions.settlement import check_handover  # noqa: PLC0415
    from contacts.actions.undo import undo_asked, undo_handover  # noqa: PLC0415
    from contacts.models import Handover  # noqa: PLC0415
    from crm.actions.departures import let_go  # noqa: PLC0415
    from crm.actions.mailbox import read_mailbox  # noqa: PLC0415 -- after django.setup()

    now = timezone.now()
    if verb == "read_mailbox":
        read_mailbox(row, now=now)
    elif verb == "depart":
        let_go(row, actor=None, now=now)
    elif verb == "start":
        start_handover(Handover.objects.get(pk=row), actor=None, now=now)
    elif verb == "move":
        move_planned(row, now=now)
    elif verb == "settle":
        check_handover(row, now=now, early=True)
    elif verb == "undo":
        undo_handover(Handover.objects.get(pk=row), actor=None, now=now)
    else:
        undo_asked(row, now=now)


def main(verb: str, point: str, row: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config.celery import app  # noqa: PLC0415

    app.loader.import_default_modules()
    die_at(POINTS[verb][point])
    do(verb, int(row))


if __name__ == "__main__":
    main(*sys.argv[1:])
