"""Saving segments, changing them, and keeping static lists."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from campaigns.models import Segment, SegmentMember
from campaigns.segments import check_rule, customers_in
from contacts.actions.history import record
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Customer, Staff

CHUNK = 10_000

_FREEZE = """
INSERT INTO campaigns_segmentmember (segment_id, customer_id)
SELECT %s, id FROM ({chosen}) AS chosen
"""


def create_segment(
    *,
    name: str,
    rule: Mapping[str, Any],
    actor: Staff | None,
    now: datetime,
    shared: bool = True,
) -> Segment:
    """Save a rule. Raises ``RuleBroken`` if it cannot be run, or the name is taken."""
    check_rule(rule)
    with transaction.atomic():
        segment = _made(name, rule, actor=actor, now=now, shared=shared)
        record(segment, "segment.created", actor=actor, at=now)
    return segment


def create_list(
    *, name: str, customers: Iterable[int], actor: Staff | None, now: datetime, shared: bool = True
) -> Segment:
    """Keep these customers as a static list."""
    with transaction.atomic():
        segment = _made(name, {}, actor=actor, now=now, shared=shared, is_static=True)
        _ask_for_own_members(segment)
        added = _add(segment, customers)
        record(segment, "segment.created", actor=actor, at=now, data={"customers": added})
    return segment


def freeze_segment(
    segment: Segment, *, name: str, actor: Staff | None, now: datetime, rule: object = None
) -> Segment:
    """Keep whom a segment describes at this moment as a static list: one statement for all.

    ``rule`` is the segment's rule as narrowed to somebody's scope.
    """
    found = customers_in(segment.rule if rule is None else rule, now=now)
    sql, values = found.order_by().values("id").query.sql_with_params()
    with transaction.atomic():
        frozen = _made(name, {}, actor=actor, now=now, shared=segment.shared, is_static=True)
        _ask_for_own_members(frozen)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '10min'")
            cursor.execute(
                _FREEZE.format(chosen=sql),
                [frozen.pk, *values],
            )
            count = cursor.rowcount
        record(frozen, "segment.created", actor=actor, at=now, data={"customers": count})
    return frozen


def change_segment(
    segment: Segment,
    *,
    actor: Staff | None,
    now: datetime,
    name: str | None = None,
    rule: Mapping[str, Any] | None = None,
    shared: bool | None = None,
) -> None:
    """Change what is given. Campaigns that are planned already keep the audience they have.

    Raises ``RuleBroken`` if the rule cannot be run, leads back to itself, or the name is taken;
    ``MovedOn`` if somebody else has changed or archived it since ``segment`` was read.
    """
    if segment.is_static and rule is not None:
        raise RuleBroken(_("A static list has no rule: add and remove its customers."))
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = _sound_name(name)
    if shared is not None:
        changes["shared"] = shared
    if rule is not None:
        changes["rule"] = rule
    try:
        with transaction.atomic():
            current = Segment.objects.filter(
                pk=segment.pk, archived_at=None, changed_at=segment.changed_at
            )
            if not current.update(**changes, changed_at=now):
                raise MovedOn(_("Someone else has just changed or archived this segment."))
            if rule is not None:
                # With the new rule in place, a way back to this segment shows as one.
                check_rule({"field": "segment", "op": "in", "value": [segment.pk]})
            record(segment, "segment.changed", actor=actor, at=now, data={"what": sorted(changes)})
    except IntegrityError as error:
        raise _taken(error) from error
    segment.refresh_from_db()


def archive_segment(segment: Segment, *, actor: Staff | None, now: datetime) -> None:
    """Take the segment out of the lists; campaigns and rules that name it go on."""
    with transaction.atomic():
        if not Segment.objects.filter(pk=segment.pk, archived_at=None).update(archived_at=now):
            raise MovedOn(_("Someone else has just archived this segment."))
        record(segment, "segment.archived", actor=actor, at=now)
    segment.refresh_from_db()


def change_members(
    segment: Segment,
    *,
    add: Iterable[int] = (),
    remove: Iterable[int] = (),
    actor: Staff | None,
    now: datetime,
) -> tuple[int, int]:
    """Put customers on a static list, and take some off; returns how many each."""
    if not segment.is_static:
        raise RuleBroken(_("Only static lists have customers of their own."))
    with transaction.atomic():
        removed, _rows = SegmentMember.objects.filter(
            segment=segment, customer__in=list(remove)
        ).delete()
        added = _add(segment, add)
        data = {"added": added, "removed": removed}
        record(segment, "segment.members_changed", actor=actor, at=now, data=data)
    return added, removed


def _made(
    name: str,
    rule: Mapping[str, Any],
    *,
    actor: Staff | None,
    now: datetime,
    shared: bool,
    is_static: bool = False,
) -> Segment:
    try:
        with transaction.atomic():
            return Segment.objects.create(
                name=_sound_name(name),
                rule=dict(rule),
                created_by=actor,
                shared=shared,
                is_static=is_static,
                created_at=now,
            )
    except IntegrityError as error:
        raise _taken(error) from error


def _ask_for_own_members(segment: Segment) -> None:
    segment.rule = {"all": [{"field": "list", "op": "in", "value": [segment.pk]}]}
    segment.save(update_fields=["rule"])


def _add(segment: Segment, customers: Iterable[int]) -> int:
    wanted = sorted(set(customers))
    before = SegmentMember.objects.filter(segment=segment).count()
    known = Customer.objects.active().filter(pk__in=wanted).values_list("pk", flat=True)
    SegmentMember.objects.bulk_create(
        [SegmentMember(segment=segment, customer_id=pk) for pk in known],
        batch_size=CHUNK,
        ignore_conflicts=True,
    )
    return SegmentMember.objects.filter(segment=segment).count() - before


def _sound_name(name: str) -> str:
    if not name.strip():
        raise RuleBroken(_("Give the segment a name."))
    return name.strip()[:120]


def _taken(error: IntegrityError) -> Exception:
    if broken_constraint(error) != "segment_name_unique":
        return error
    return RuleBroken(_("There is a segment of this name already. Choose another."))
