"""Writing messages."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import Content
from contacts.actions.history import record
from contacts.errors import RuleBroken
from contacts.models import Staff


def create_content(*, name: str, text: str, actor: Staff | None, now: datetime) -> Content:
    """Write a message. Raises ``RuleBroken`` without a name or a text."""
    if not name.strip() or not text.strip():
        raise RuleBroken(_("A message needs a name and a text."))
    with transaction.atomic():
        content = Content.objects.create(name=name.strip(), text=text, created_at=now)
        record(content, "content.created", actor=actor, at=now)
    return content
