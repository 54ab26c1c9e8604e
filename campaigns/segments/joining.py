"""Making a condition one that PostgreSQL can answer by joining, whichever way round it is asked."""

from collections.abc import Sequence
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Q, QuerySet
from django.db.models.expressions import BaseExpression, Combinable, Expression, Subquery
from django.db.models.sql.compiler import SQLCompiler


class Among(Subquery):
    """Whether the customer is in these rows, as ``EXISTS`` over rows chosen apart from them.

    ``NOT id IN (SELECT …)`` is answered from a hash of the rows, or, where that outgrows the
    memory of a query (some 250,000 rows), by reading them all again for each customer. This form
    says the same, and its opposite is a join.
    """

    template = "EXISTS (SELECT FROM (%(subquery)s) AS among (who) WHERE among.who = %(whom)s)"
    output_field = BooleanField()

    def __init__(self, rows: QuerySet[Any]) -> None:
        super().__init__(rows)
        self.rows = rows
        self._whom: Combinable | Expression = F("pk")

    def get_source_expressions(self) -> list[Any]:
        return [*super().get_source_expressions(), self._whom]

    def set_source_expressions(self, exprs: Sequence[Combinable | Expression]) -> None:
        *rows, self._whom = exprs
        super().set_source_expressions(rows)

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        template: str | None = None,
        **extra: Any,
    ) -> tuple[str, Any]:
        whom, _no_values = compiler.compile(cast(BaseExpression, self._whom))
        return super().as_sql(compiler, connection, template, whom=whom, **extra)


def as_joins(condition: Q) -> Q:
    """Return the same condition; wherever all depends on a "not among", that can be joined."""
    if not condition.negated and condition.connector == Q.AND:
        joined = Q()
        for part in condition.children:
            joined &= as_joins(part) if isinstance(part, Q) else Q(part)
        return joined
    if condition.negated and (condition.connector == Q.OR or len(condition.children) == 1):
        joined = Q()
        for part in condition.children:
            joined &= _not(part)
        return joined
    return condition


def asks_elsewhere(condition: Q) -> bool:
    """Whether it takes more than the customer's own row to answer."""
    for part in condition.children:
        match part:
            case Q() if asks_elsewhere(part):
                return True
            case Among() | (_, QuerySet()):
                return True
    return False


def _not(part: Any) -> Q:
    match part:
        case ("pk__in", QuerySet() as rows):
            return ~Q(Among(rows))
        case Q():
            return ~part
    return ~Q(part)
