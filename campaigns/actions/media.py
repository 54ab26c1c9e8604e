"""Files: kept once, and brought to a channel that wants them before they are needed there."""

import hashlib
import math
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from campaigns.attachments import Attachment, needed_in_channel, with_references
from campaigns.enums import MediaUse
from campaigns.media import cover_of, examined
from campaigns.models import ChannelMedia, MediaBody, MediaFile
from connectors.base import (
    AttachmentGone,
    ChannelBusy,
    ChannelRefused,
    Connector,
    Handed,
    Parcel,
    Upload,
)
from contacts.actions.history import record
from contacts.errors import MovedOn
from contacts.models import Staff

FRESH_FOR = timedelta(days=2.5)
"""WeCom forgets files after three days (docs 90253)."""

IN_HAND = timedelta(minutes=2)
"""How long one worker may take to upload a file before another tries."""

ASK_AGAIN = 3.0

UPLOADING = 20.0
"""So many seconds uploads may go on under one lease; the last of them takes its time on top."""

NOT_GONE_YET = timedelta(minutes=5)
"""A file that a channel does not know so soon after its upload is none that it takes."""

Needed = tuple[int, MediaUse]
"""The id of a file, and what it is for."""


def keep_media(name: str, content: bytes, *, actor: Staff | None, now: datetime) -> MediaFile:
    """Keep an uploaded file; one that is here already is found, and brought back if put away.

    Raises ``RuleBroken`` if it is nothing that can be sent.
    """
    digest = hashlib.sha256(content).hexdigest()
    known = MediaFile.objects.filter(digest=digest).first()
    if known is None:
        file = examined(name, content)
        with transaction.atomic():
            known, created = MediaFile.objects.get_or_create(
                digest=digest,
                defaults={
                    "kind": file.kind,
                    "name": file.name,
                    "media_type": file.media_type,
                    "size": len(file.content),
                    "width": file.width,
                    "height": file.height,
                    "token": secrets.token_urlsafe(16),
                    "uploaded_by": actor,
                    "created_at": now,
                },
            )
            if created:
                MediaBody.objects.create(media=known, content=file.content)
                record(known, "media.uploaded", actor=actor, at=now)
    elif known.archived_at:
        _bring_back(known, actor=actor, now=now)
    return known


def _bring_back(media: MediaFile, *, actor: Staff | None, now: datetime) -> None:
    """Offer a file again; of two who upload it at once, one has brought it back."""
    with transaction.atomic():
        put_away = MediaFile.objects.filter(pk=media.pk, archived_at__isnull=False)
        if put_away.update(archived_at=None):
            record(media, "media.brought_back", actor=actor, at=now)
    media.archived_at = None


def archive_media(media: MediaFile, *, actor: Staff | None, now: datetime) -> None:
    """Offer a file no more. What it goes with keeps it, and its public address stays."""
    with transaction.atomic():
        if not MediaFile.objects.filter(pk=media.pk, archived_at=None).update(archived_at=now):
            raise MovedOn(_("This has been put away already."))
        record(media, "media.archived", actor=actor, at=now)
    media.refresh_from_db()


def references_of(
    needed: Collection[Needed], *, now: datetime, fresh_for: timedelta = FRESH_FOR
) -> dict[Needed, str]:
    """Return what the channel calls these files, as far as it surely still has them: one query."""
    if not needed:
        return {}
    fresh = ChannelMedia.objects.filter(
        media__in={media for media, _use in needed}, uploaded_at__gt=now - fresh_for
    ).exclude(reference="")
    return {
        (media, MediaUse(use)): reference
        for media, use, reference in fresh.values_list("media", "use", "reference")
        if (media, use) in needed
    }


def bring_media(
    needed: Collection[Needed],
    connector: Connector,
    *,
    now: datetime,
    fresh_for: timedelta = FRESH_FOR,
    seconds: float = math.inf,
) -> bool:
    """Upload what the channel does not have any more; return whether anything was uploaded.

    What was uploaded longer than ``fresh_for`` ago goes again; until then the old one serves. One worker uploads a file at a time. Raises ``ChannelBusy`` while another one is at it, and
    what the connector raises. No upload begins after so many ``seconds``: the rest is still missing.
    """
    missing = set(needed) - references_of(needed, now=now, fresh_for=fresh_for).keys()
    until = time.monotonic() + seconds
    for media_id, use in sorted(missing):
        _bring(media_id, MediaUse(use), connector, now=now, fresh_for=fresh_for)
        if time.monotonic() >= until:
            break
    return bool(missing)


def _bring(
    media_id: int, use: MediaUse, connector: Connector, *, now: datetime, fresh_for: timedelta
) -> None:
    """Upload a file, unless another worker has done so since it was found missing."""
    row, _created = ChannelMedia.objects.get_or_create(media_id=media_id, use=use)
    until = now + IN_HAND
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    stale = Q(reference="") | Q(uploaded_at=None) | Q(uploaded_at__lte=now - fresh_for)
    mine = ChannelMedia.objects.filter(pk=row.pk)
    if not mine.filter(free, stale).update(claimed_until=until):
        if not mine.filter(stale).exists():
            return
        raise ChannelBusy(gettext_noop("A file is just being uploaded."), retry_after=ASK_AGAIN)
    held = mine.filter(claimed_until=until)
    try:
        reference = connector.upload(_upload(media_id, use))
    except BaseException:
        held.update(claimed_until=None)
        raise
    held.update(reference=reference, uploaded_at=now, claimed_until=None)


def _upload(media_id: int, use: MediaUse) -> Upload:
    file = MediaFile.objects.select_related("body").get(pk=media_id)
    content, media_type = bytes(file.body.content), file.media_type
    if use == MediaUse.COVER:
        content, media_type = cover_of(content), "image/jpeg"
    return Upload(file.kind, file.name, content, media_type, for_moments=use == MediaUse.MOMENT)


def send_with_files(
    connector: Connector,
    parcel: Parcel,
    attachments: Sequence[Attachment],
    *,
    now: datetime,
    use: MediaUse = MediaUse.MESSAGE,
) -> Handed:
    """Send a parcel with its attachments, each file under the channel's own name for it.

    What the channel lacks is uploaded first, as much as a lease has time for, and then
    ``ChannelBusy`` raised at once: the rest, or the parcel, goes under a fresh lease. Files that the channel has forgotten before
    its time are uploaded anew; raises ``ChannelRefused`` if it has just got all of them.
    """
    needed = needed_in_channel(attachments, use)
    if needed and bring_media(needed, connector, now=now, seconds=UPLOADING):
        raise ChannelBusy("", retry_after=0)
    names = references_of(needed, now=now)
    parcel = replace(parcel, attachments=with_references(attachments, names, use))
    try:
        return connector.send(parcel)
    except AttachmentGone as gone:
        if not forget_references(names.values(), now=now):
            raise ChannelRefused(str(gone)) from gone
        raise  # which of the files is gone the channel does not say


def forget_references(references: Collection[str], *, now: datetime) -> bool:
    """Note that the channel has forgotten these files, so that they are uploaded anew.

    ``False`` if all of them were uploaded just now: the channel would forget them again.
    """
    known = ChannelMedia.objects.filter(reference__in=list(references))
    old = known.filter(uploaded_at__lte=now - NOT_GONE_YET)
    return bool(old.update(reference="")) or not known.exists()
