"""What new contacts are greeted with: the rules, and their files, which wait at the channel.

A welcome has 20 seconds and no time for an upload. So the files of every rule are brought to
WeCom when the rule is made, and anew half a day before WeCom forgets them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from campaigns.actions.contents import create_content
from campaigns.actions.media import FRESH_FOR, Needed, bring_media
from campaigns.attachments import check_for_channel, needed_in_channel
from campaigns.models import ChannelMedia, Content, WelcomeRule
from campaigns.tasks import bring_welcome_files
from connectors.base import ChannelBusy, ChannelMisconfigured, ChannelRefused
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from connectors.wecom.connector import WeComConnector
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.enums import StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import ContactCode, Staff, Store
from contacts.wecom import wecom

RENEWED_AFTER = FRESH_FOR - timedelta(hours=12)
"""Files are brought anew before a welcome could find them too old."""

IN_HAND = timedelta(minutes=10)
SHORTEST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=1)


def set_welcome(
    *,
    contact_code: ContactCode | None = None,
    staff: Staff | None = None,
    store: Store | None = None,
    text: str,
    attachments: Sequence[Mapping[str, Any]] = (),
    seen: Content | None = None,
    actor: Staff | None,
    now: datetime,
) -> WelcomeRule:
    """Say what people are greeted with: at a code, by somebody, in a store, or by the company.

    At most one of the three is given. ``seen`` is the message that the person saw before they
    changed it. Raises ``MovedOn`` if somebody else has written another one since, and
    ``RuleBroken`` for what WeCom would not take, or files without words.
    """
    check_welcome(text, attachments)
    level = {"contact_code": contact_code, "staff": staff, "store": store}
    name = str(contact_code or staff or store or _("Welcome of the company"))
    with transaction.atomic():
        content = create_content(
            name=name[:120], text=text, attachments=attachments, actor=actor, now=now
        )
        rule = WelcomeRule.objects.select_for_update().filter(**level).first()
        if (rule.content_id if rule else None) != (seen.pk if seen else None):
            raise MovedOn(_("Somebody else has changed this welcome since you opened it."))
        rule = rule or WelcomeRule(**level)
        rule.content, rule.files_error = content, ""
        rule.files_due_at = now if needed_in_channel(attachments) else None
        rule.save()
        record(rule, "welcome_rule.set", actor=actor, at=now)
        if rule.files_due_at:
            ring(bring_welcome_files, rule.pk)
    return rule


def check_welcome(text: str, attachments: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``RuleBroken``, saying what to change, for what could not be sent as a welcome."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise RuleBroken(_("WeCom takes at most %(most)s bytes.") % {"most": MAX_TEXT_BYTES})
    check_for_channel(attachments, WeComConnector.abilities)
    if not text.strip() and needed_in_channel(attachments):
        raise RuleBroken(_("Write a text too: it goes alone when the files are not ready in time."))
    if not text.strip() and not attachments:
        raise RuleBroken(_("Write what is said to new contacts."))


def drop_welcome(rule: WelcomeRule, *, actor: Staff | None, now: datetime) -> None:
    """Greet no more by this rule; the next wider one takes its place. Raises ``MovedOn``."""
    with transaction.atomic():
        found = WelcomeRule.objects.select_for_update().filter(pk=rule.pk).first()
        if found is None:
            raise MovedOn(_("This has been put away already."))
        record(found, "welcome_rule.dropped", actor=actor, at=now)
        found.delete()


def rules_with_files_due(now: datetime) -> list[int]:
    """Return the rules whose files are to be brought to WeCom, for the sweeper."""
    due = WelcomeRule.objects.filter(files_due_at__lte=now).exclude(
        Q(contact_code__closed_at__isnull=False) | Q(staff__state=StaffState.DEPARTED)
    )
    return list(due.order_by("files_due_at").values_list("pk", flat=True)[:50])


def bring_files(rule_id: int, *, now: datetime) -> bool:
    """Upload what a welcome needs; returns whether all of it is at WeCom now. Not in a transaction.

    While WeCom is busy, or will not have a file, it is tried again later, and the rule says why.
    """
    mine = WelcomeRule.objects.filter(pk=rule_id)
    if not mine.filter(files_due_at__lte=now).update(files_due_at=now + IN_HAND):
        return False
    rule = mine.select_related("content").get()
    needed = needed_in_channel(rule.content.attachments)
    due: datetime | None
    try:
        bring_media(needed, _connected(), now=now, fresh_for=RENEWED_AFTER)
    except ChannelBusy as busy:
        rest = min(max(timedelta(seconds=busy.retry_after), SHORTEST_REST), LONGEST_REST)
        error, due = str(busy), now + rest
    except ChannelRefused as refused:
        error, due = str(refused), now + LONGEST_REST
    else:
        error, due = "", _renewal(needed)
    mine.filter(content=rule.content_id, files_due_at=now + IN_HAND).update(
        files_due_at=due, files_error=error[:300]
    )
    return not error


def _connected() -> WeComConnector:
    client = wecom()
    if client is None:
        raise ChannelMisconfigured(
            gettext_noop("WeCom is not set up."), retry_after=LONGEST_REST.total_seconds()
        )
    return WeComConnector(client)


def _renewal(needed: Collection[Needed]) -> datetime | None:
    """Return when the first of these files is to be brought anew."""
    kept = ChannelMedia.objects.filter(media__in={media for media, _use in needed})
    times = [
        uploaded_at + RENEWED_AFTER
        for media, use, uploaded_at in kept.values_list("media", "use", "uploaded_at")
        if (media, use) in needed and uploaded_at
    ]
    return min(times, default=None)
