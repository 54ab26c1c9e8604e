"""Counting customers while somebody waits: exactly if that is quick, else by the planner's guess."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.utils import OperationalError

from campaigns.segments.sets import Described
from contacts.models import Customer

PATIENCE_MS = 1_500
Answer = TypeVar("Answer")

_ALLOW = "SELECT set_config('statement_timeout', %s, true)"


@dataclass(frozen=True, slots=True)
class Count:
    """A number of customers; an estimate says that it is one."""

    customers: int
    is_exact: bool = True


def count_customers(found: QuerySet[Customer]) -> Count:
    """Count these customers, for at most a second and a half."""
    counted = within_patience(lambda: _exactly(found))
    if counted is not None:
        return Count(counted)
    return Count(_guess(found), is_exact=False)


def within_patience(ask: Callable[[], Answer], *, milliseconds: int = PATIENCE_MS) -> Answer | None:
    """Ask the database, each time for at most so long; ``None`` if that was not enough.

    What else the transaction does has the time that it had before.
    """
    before = _time_allowed() if connection.in_atomic_block else None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_ALLOW, [f"{milliseconds:d}"])
            answer = ask()
            if before is not None:
                cursor.execute(_ALLOW, [before])
            return answer
    except OperationalError as error:
        if "statement timeout" not in str(error):
            raise
    return None


def _time_allowed() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        return str(cursor.fetchone()[0])


def _exactly(found: QuerySet[Customer]) -> int:
    if isinstance(found, Described) and found.sets is not None:
        return found.sets.count()
    return found.order_by().count()


def _guess(found: QuerySet[Customer]) -> int:
    sql, values = found.order_by().values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
        told = cursor.fetchone()[0]
    plan = json.loads(told) if isinstance(told, str) else told
    return int(plan[0]["Plan"]["Plan Rows"])
