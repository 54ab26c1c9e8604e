"""Writing messages, and keeping the good ones in the library, version after version."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from campaigns.attachments import check_attachments
from campaigns.models import Content, Folder
from contacts.actions.history import record
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Staff

LONGEST_TEXT = 10_000
"""Characters; each channel has its own limit, in bytes, and says so when a campaign is made."""


def create_content(
    *,
    name: str,
    text: str,
    actor: Staff | None,
    now: datetime,
    attachments: Sequence[Mapping[str, Any]] = (),
    folder: str = "",
) -> Content:
    """Write a message; with a folder, which is made if there is none yet, it is in the library.

    Raises ``RuleBroken`` without a name, or without both text and attachments, or for attachments
    that could be sent through no channel.
    """
    _check(name, text, attachments)
    with transaction.atomic():
        content = Content.objects.create(
            name=name.strip(),
            text=text,
            attachments=list(attachments),
            folder=_folder(folder),
            created_at=now,
        )
        record(content, "content.created", actor=actor, at=now)
    return content


def revise_content(
    content: Content,
    *,
    name: str,
    text: str,
    attachments: Sequence[Mapping[str, Any]],
    folder: str,
    actor: Staff,
    now: datetime,
) -> Content:
    """Write the next version of a message in the library; campaigns keep the one they have.

    Raises ``MovedOn`` if somebody else has written one since, else like ``create_content``.
    """
    _check(name, text, attachments)
    if not folder.strip():
        raise RuleBroken(_("Choose a folder, or name a new one."))
    if content.folder_id is None or content.archived_at:
        raise MovedOn(_("This message is not in the library any more."))
    try:
        with transaction.atomic():
            written = Content.objects.create(
                name=name.strip(),
                text=text,
                attachments=list(attachments),
                folder=_folder(folder),
                replaces=content,
                version=content.version + 1,
                created_at=now,
            )
            record(written, "content.revised", actor=actor, at=now)
    except IntegrityError as error:
        if broken_constraint(error) != "campaigns_content_replaces_id_key":
            raise
        raise MovedOn(_("Somebody else has changed this message since you opened it.")) from error
    return written


def archive_content(content: Content, *, actor: Staff, now: datetime) -> None:
    """Put a message of the library away. What was sent with it stays as it is."""
    with transaction.atomic():
        current = Content.objects.filter(
            pk=content.pk, archived_at=None, folder__isnull=False, replaced_by=None
        )
        if not current.update(archived_at=now):
            raise MovedOn(_("This has been put away already."))
        record(content, "content.archived", actor=actor, at=now)
    content.refresh_from_db()


def _check(name: str, text: str, attachments: Sequence[Mapping[str, Any]]) -> None:
    if not name.strip() or not (text.strip() or attachments):
        raise RuleBroken(_("A message needs a name, and a text or an attachment."))
    if len(text) > LONGEST_TEXT:
        raise RuleBroken(
            _("The text has more than %(most)s characters. Shorten it.") % {"most": LONGEST_TEXT}
        )
    check_attachments(attachments)


def _folder(name: str) -> Folder | None:
    name = " ".join(name.split())[:80]
    return Folder.objects.get_or_create(name=name)[0] if name else None
