"""Checking what always holds (``invariant_rules``), and counting what waits for people."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from contacts.enums import Role, Scope
from crm.invariant_rules import RULES, Rule

EXAMPLES = 5
"""How many broken rows are named; the count is exact."""

PATIENCE = "30min"
"""How long one query may take: the ledger of a large company is long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What checking a rule found: how many rows, and the first few of them."""

    rule: Rule
    rows: int
    examples: tuple[str, ...]


MIGRATED_GUARDS = (
    "staff_owning_id_once",
    "customer_owner_is_employed",
    "ownership_one_open",
    "ownership_open_owner",
    "customer_has_open_ownership",
    "task_holder_is_employed",
    "chat_owner_is_employed",
)
"""The constraints of migrations 0002, 0005 and 0012, which no model names."""

ALL = frozenset(rule.number for rule in RULES)

FOR_PEOPLE = (
    (_("unclear batches"), "SELECT count(*) FROM campaigns_batch WHERE state = 'unclear'"),
    (
        _("unclear handover requests"),
        "SELECT count(*) FROM contacts_handoverrequest WHERE state = 'unclear'",
    ),
    (_("unclear welcomes"), "SELECT count(*) FROM campaigns_welcome WHERE state = 'unclear'"),
    (_("dead callbacks"), "SELECT count(*) FROM contacts_callback WHERE state = 'dead'"),
    (
        _("mailboxes that cannot be read"),
        "SELECT count(*) FROM crm_mailboxreading"
        " WHERE failures > 2 AND next_turn_at > now() - interval '1 day'",
    ),
)
"""Not broken, but waiting for a person to decide."""

_COUNTED = """
SELECT count(*), (array_agg(broken.what ORDER BY broken.what))[:%(examples)s]
FROM ({}) AS broken (what)
"""


def check_rules(*, now: datetime, only: Container[int] = ALL) -> Iterator[Finding]:
    """Check every rule, or those with these numbers, against the rows there are: a query each."""
    values: dict[str, Any] = {
        "now": now,
        "examples": EXAMPLES,
        "guards": guards(),
        "roles": Role.values,
        "scopes": Scope.values,
    }
    for rule in RULES:
        if rule.number not in only:
            continue
        counted = _COUNTED.format(rule.broken)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [PATIENCE])
            cursor.execute(counted, values)
            rows, examples = cursor.fetchone()
        yield Finding(rule, rows, tuple(examples or ()))


def waiting_for_people() -> Iterator[tuple[str | Promise, int]]:
    """Count what the machine cannot decide, under the words of ``FOR_PEOPLE``."""
    for words, counting in FOR_PEOPLE:
        with connection.cursor() as cursor:
            cursor.execute(counting)
            yield words, cursor.fetchone()[0]


def guards() -> list[str]:
    """Return the names of all constraints that our apps rely on."""
    named = {
        constraint.name
        for app in ("contacts", "campaigns", "crm")
        for model in apps.get_app_config(app).get_models()
        for constraint in model._meta.constraints
    }
    return sorted(named.union(MIGRATED_GUARDS))
