"""A process that does one task and dies at a named point of it, as ``kill -9`` would end it.

``python -m tests.faults.crashing POINT PATH TASK ID``: TASK is one of the product's own, PATH the
call to the channel around which it happens. Exits with 137 there, and with 0 if it never came by.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import django

from connectors.wecom import client, transport

DEAD = 137
POINTS = ("before_call", "after_call", "in_write_down", "after_write_down")


def die() -> None:
    """End at once: no handler, no rollback, no word to the database."""
    os._exit(DEAD)


def crash_at(point: str, path: str) -> None:
    """Wrap the one call to ``path``, and what is written down after it."""
    plain = transport.exchange

    def exchange(http: Any, api_url: str, request: Any, *, seconds: float) -> Any:
        if request.path != path:
            return plain(http, api_url, request, seconds=seconds)
        if point == "before_call":
            die()
        outcome = plain(http, api_url, request, seconds=seconds)
        if point == "after_call":
            die()
        _crash_in_write_down(committed=point == "after_write_down")
        return outcome

    vars(client)["exchange"] = exchange  # the name by which the client calls it


def _crash_in_write_down(*, committed: bool) -> None:
    """Die after the first row is written, before the commit or right after it."""
    from django.db import connection, transaction  # noqa: PLC0415

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE"):
            if committed:
                transaction.on_commit(die)
            else:
                die()
        return result

    connection.execute_wrappers.append(watch)


def main(point: str, path: str, task: str, row: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config.celery import app  # noqa: PLC0415

    crash_at(point, path)
    app.loader.import_default_modules()
    app.tasks[task].run(int(row))


if __name__ == "__main__":
    main(*sys.argv[1:])
