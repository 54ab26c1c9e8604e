"""What goes for a pool, as its managers want it."""

from collections.abc import Mapping
from datetime import date, time
from datetime import datetime as moment
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.errors import RuleBroken
from contacts.models import PoolRule, Staff, Store


def save_rule(
    store: Store | None, values: Mapping[str, Any], *, actor: Staff | None, now: moment
) -> PoolRule:
    """Let these values go for the pool of a store or, without one, for stores without a rule.

    What is not among them stays as it is. Raises ``RuleBroken`` if they do not go together.
    """
    with transaction.atomic():
        rule, _created = PoolRule.objects.select_for_update().get_or_create(store=store)
        before = {name: getattr(rule, name) for name in values}
        for name, value in values.items():
            setattr(rule, name, value)
        _check(rule)
        rule.save(update_fields=list(values))
        changes = {
            name: [_plain(before[name]), _plain(value)]
            for name, value in values.items()
            if value != before[name]
        }
        subject = store or rule
        record(subject, "pool.rule_changed", actor=actor, at=now, data=changes)
    return rule


def drop_rule(store: Store, *, actor: Staff | None, now: moment) -> None:
    """Let what goes for all stores go for this one again."""
    with transaction.atomic():
        gone, _rows = PoolRule.objects.filter(store=store).delete()
        if gone:
            record(store, "pool.rule_dropped", actor=actor, at=now)


def _check(rule: PoolRule) -> None:
    if rule.opens_at >= rule.closes_at:
        raise RuleBroken(_("The working day must end after it begins."))
    if rule.only_in_hours and not rule.weekdays:
        raise RuleBroken(_("Choose at least one working day."))
    if rule.recycle_after_days and rule.warn_days >= rule.recycle_after_days:
        raise RuleBroken(_("Guides must be told fewer days before than customers may wait."))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value
