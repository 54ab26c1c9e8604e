"""Writing messages and saving segments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from campaigns.models import Content, Segment
from campaigns.segments import check_rule
from contacts.actions.history import record
from contacts.errors import RuleBroken, broken_constraint
from contacts.models import Staff


def create_content(*, name: str, text: str, actor: Staff | None, now: datetime) -> Content:
    """Write a message. Raises ``RuleBroken`` without a name or a text."""
    if not name.strip() or not text.strip():
        raise RuleBroken(_("A message needs a name and a text."))
    with transaction.atomic():
        content = Content.objects.create(name=name.strip(), text=text, created_at=now)
        record(content, "content.created", actor=actor, at=now)
    return content


def create_segment(
    *, name: str, rule: Mapping[str, Any], actor: Staff | None, now: datetime
) -> Segment:
    """Save a rule. Raises ``RuleBroken`` if it cannot be run, or the name is taken."""
    if not name.strip():
        raise RuleBroken(_("Give the segment a name."))
    check_rule(rule)
    try:
        with transaction.atomic():
            segment = Segment.objects.create(name=name.strip(), rule=rule, created_at=now)
            record(segment, "segment.created", actor=actor, at=now)
    except IntegrityError as error:
        if broken_constraint(error) != "segment_name_unique":
            raise
        raise RuleBroken(_("There is a segment of this name already. Choose another.")) from error
    return segment
