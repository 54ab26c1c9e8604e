"""Changing what the company allows itself in messages to its customers."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.channels import LABELS
from campaigns.enums import BatchState
from campaigns.models import Batch, MessagingRules
from campaigns.restraint import quiet_end
from contacts.actions.history import record
from contacts.enums import Purpose
from contacts.errors import RuleBroken
from contacts.models import Staff

MOST_DAYS = 366
MOST_MESSAGES = 1000
MOST_RECIPIENTS = 100_000_000
FIELDS = frozenset(
    {
        "cap_messages",
        "cap_days",
        "channel_caps",
        "quiet_from",
        "quiet_to",
        "consent_required",
        "skip_over_quota",
        "approval_above",
    }
)


def change_messaging_rules(
    changes: Mapping[str, Any], *, actor: Staff | None, now: datetime
) -> MessagingRules:
    """Let these rules go from now on, for campaigns under way as well; others stay as they are.

    Raises ``RuleBroken`` if they do not go together.
    """
    if set(changes) - FIELDS:
        raise RuleBroken(_("There is no such messaging rule."))
    with transaction.atomic():
        rules, _created = MessagingRules.objects.select_for_update().get_or_create(pk=1)
        before = {name: getattr(rules, name) for name in changes}
        quiet = rules.quiet_from, rules.quiet_to
        for name, value in changes.items():
            setattr(rules, name, value)
        _check(rules)
        rules.save(update_fields=list(changes))
        data = {
            name: [_plain(before[name]), _plain(value)]
            for name, value in changes.items()
            if value != before[name]
        }
        if quiet != (rules.quiet_from, rules.quiet_to):
            _wake_batches(*quiet, now=now)
        if data:
            record(rules, "messaging_rules.changed", actor=actor, at=now, data=data)
    return rules


def _wake_batches(begin: time | None, end: time | None, *, now: datetime) -> None:
    """Have what waits for the end of these quiet hours, which hold no more, ask anew when that is."""
    if begin is None or end is None:
        return
    waiting = Batch.objects.filter(state=BatchState.WAITING, next_attempt_at__gt=now)
    for zone in waiting.order_by().values_list("time_zone", flat=True).distinct():
        if ends := quiet_end((begin, end), zone, now):
            waiting.filter(time_zone=zone, next_attempt_at=ends).update(next_attempt_at=now)


def _check(rules: MessagingRules) -> None:
    _check_quiet_hours(rules)
    if rules.approval_above is not None and not 0 <= rules.approval_above <= MOST_RECIPIENTS:
        raise RuleBroken(_("This number of recipients is out of range."))
    _check_cap(1 if rules.cap_messages is None else rules.cap_messages, rules.cap_days)
    for channel, cap in rules.channel_caps.items():
        _check_channel(channel)
        if not isinstance(cap, dict) or set(cap) != {"messages", "days"}:
            raise RuleBroken(_("A limit of a channel has messages and days."))
        _check_cap(cap["messages"], cap["days"])
    for pair in rules.consent_required:
        channel, _colon, purpose = str(pair).partition(":")
        _check_channel(channel)
        if purpose not in Purpose.values:
            raise RuleBroken(_("There is no purpose “%(name)s”.") % {"name": purpose})


def _check_quiet_hours(rules: MessagingRules) -> None:
    if (rules.quiet_from is None) != (rules.quiet_to is None):
        raise RuleBroken(_("Quiet hours need a beginning and an end."))
    if rules.quiet_from is not None and rules.quiet_from == rules.quiet_to:
        raise RuleBroken(_("Quiet hours must end at another time than they begin."))


def _check_channel(channel: str) -> None:
    if channel not in LABELS:
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})


def _check_cap(messages: object, days: object) -> None:
    if not _is_count(messages, MOST_MESSAGES):
        raise RuleBroken(_("A limit lies between 1 and %(n)s messages.") % {"n": MOST_MESSAGES})
    if not _is_count(days, MOST_DAYS):
        raise RuleBroken(_("A number of days lies between 1 and %(n)s.") % {"n": MOST_DAYS})


def _is_count(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, time) else value
