"""Counting whom a rule describes by nothing but sets: who is in these, and in none of those.

Asked of the customers, a million of them are looked up in each set. The sets are smaller, and their
indexes have them in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from campaigns.segments.joining import Among
from contacts.enums import CustomerState
from contacts.models import Customer
from contacts.models.customers import CustomerQuerySet

Rows = QuerySet[Any]

_COUNT = "SELECT count(DISTINCT who) FROM ({rows}) AS wanted (who) WHERE true"
_IN = " AND EXISTS (SELECT FROM ({rows}) AS among (other) WHERE other = who)"
_NOT_IN = _IN.replace("EXISTS", "NOT EXISTS")


@dataclass(frozen=True, slots=True)
class Sets:
    """Rows that name customers: active ones who are in all of the wanted and none of the unwanted."""

    wanted: Sequence[Rows]
    unwanted: Sequence[Rows]

    def count(self) -> int:
        """Count the customers. Raises ``EmptyResultSet`` where Django knows a set to be empty."""
        gone = Customer.objects.exclude(state=CustomerState.ACTIVE).values("pk")
        first, *others = self.wanted
        parts = [(_COUNT, first), *((_IN, rows) for rows in others)]
        parts += [(_NOT_IN, rows) for rows in (*self.unwanted, gone)]
        sql, values = "", list[Any]()
        for form, rows in parts:
            inner, its_values = rows.query.sql_with_params()
            sql += form.format(rows=inner)
            values += its_values
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return int(cursor.fetchone()[0])


def as_sets(condition: Q) -> Sets | None:
    """Return the sets of a condition made of joins; ``None`` if it asks for anything else."""
    if condition.negated or condition.connector != Q.AND:
        return None
    wanted, unwanted = list[Rows](), list[Rows]()
    for part in condition.children:
        match part:
            case ("pk__isnull", False):
                pass
            case ("pk__in", QuerySet() as rows):
                wanted.append(rows)
            case Q(negated=True, children=[Among(rows=rows)]):
                unwanted.append(rows)
            case _:
                return None
    return Sets(wanted, unwanted) if wanted else None


class Described(CustomerQuerySet):
    """Whom a rule describes. What is derived from it, a page of it or a part, knows no sets."""

    sets: Sets | None = None
