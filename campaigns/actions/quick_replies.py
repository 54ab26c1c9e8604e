"""Words at hand: kept, and put away."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.contents import create_content
from campaigns.models import QuickReply
from contacts.actions.history import record
from contacts.errors import MovedOn
from contacts.models import Staff, Store


def create_quick_reply(
    *, title: str, text: str, store: Store | None, actor: Staff, now: datetime
) -> QuickReply:
    """Keep words at hand for the actor or, with ``store``, for everybody there."""
    with transaction.atomic():
        content = create_content(name=title, text=text, actor=actor, now=now)
        reply = QuickReply.objects.create(
            title=title,
            content=content,
            owner=None if store else actor,
            store=store,
            created_at=now,
        )
        record(reply, "quick_reply.created", actor=actor, at=now)
    return reply


def archive_quick_reply(reply: QuickReply, *, actor: Staff, now: datetime) -> None:
    """Put a quick reply away; raises ``MovedOn`` if that was done before."""
    with transaction.atomic():
        if not QuickReply.objects.filter(pk=reply.pk, archived_at=None).update(archived_at=now):
            raise MovedOn(_("This has been put away already."))
        record(reply, "quick_reply.archived", actor=actor, at=now)
    reply.refresh_from_db()
