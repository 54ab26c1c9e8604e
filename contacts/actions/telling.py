"""Sending notices through the channel: all that is new for one person in one message.

A notice stands on the person's screens whatever becomes of the message. So it is claimed before
the call and never sent twice: when the answer is lost nobody knows whether it arrived, and
nobody is told again.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from connectors.wecom.api.app_messages import MAX_TEXT_BYTES, send_app_message, text_message
from connectors.wecom.errors import Busy, WeComError
from contacts.enums import NoticeRhythm, StaffState
from contacts.models import Notice, Staff
from contacts.notice_words import SHOWN, sentence
from contacts.wecom import wecom

DIGEST_AT = time(9)
APART = timedelta(minutes=1)
"""One message a minute to a person at most; WeCom allows thirty."""

MOST = 200
"""Notices of one message; it has room for some thirty, and counts the others."""

_ROOM_FOR_COUNT = 120
"""Bytes kept for the line that counts what does not fit."""


def choose_rhythm(staff: Staff, rhythm: NoticeRhythm) -> None:
    """Set when this person is told through the channel."""
    Staff.objects.filter(pk=staff.pk).update(notice_rhythm=rhythm)
    staff.notice_rhythm = rhythm


def people_to_tell(now: datetime) -> list[int]:
    """Those for whom notices are due to be sent, or not to be sent at all, for the sweeper."""
    untold = Notice.objects.filter(told_at=None)
    daily = Q(staff__notice_rhythm=NoticeRhythm.DAILY)
    due = untold.filter(~daily | Q(created_at__lt=_last_digest(now)))
    just_told = Notice.objects.filter(told_at__gt=now - APART, staff__in=due.values("staff"))
    found = due.exclude(staff__in=just_told.values("staff"))
    return sorted(set(found.values_list("staff", flat=True).order_by().distinct()[:200]))


def _last_digest(now: datetime) -> datetime:
    today = timezone.make_aware(datetime.combine(timezone.localdate(now), DIGEST_AT))
    return today if today <= now else today - timedelta(days=1)


def tell(staff_id: int, *, now: datetime) -> int:
    """Send a person what they have not been told; returns how many notices the message holds.

    What was read already, and what nobody wants to be sent, only stops waiting.
    """
    person = Staff.objects.get(pk=staff_id)
    client = wecom()
    waiting = Notice.objects.filter(staff=person, told_at=None)
    if client is None or not _wants(person):
        waiting.update(told_at=now)
        return 0
    notices = _claim(waiting, now)
    if not notices:
        return 0
    try:
        send_app_message(client, [person.wecom_userid or ""], text_message(words_of(notices)))
    except Busy as busy:
        if busy.surely_nothing_done:
            _give_back(notices, now)
        return 0
    except WeComError:
        return 0
    return len(notices)


def _wants(person: Staff) -> bool:
    works = person.state in {StaffState.ACTIVE, StaffState.LEAVING} and not person.left_channel_at
    return works and bool(person.wecom_userid) and person.notice_rhythm != NoticeRhythm.NEVER


def _claim(waiting: QuerySet[Notice], now: datetime) -> list[Notice]:
    """Take the notices that this worker sends, and no other."""
    waiting.filter(read_at__isnull=False).update(told_at=now)
    with transaction.atomic():
        free = waiting.select_for_update(skip_locked=True).order_by("pk")
        taken = list(free.values_list("pk", flat=True)[:MOST])
        Notice.objects.filter(pk__in=taken).update(told_at=now)
    return list(Notice.objects.select_related(*SHOWN).filter(pk__in=taken).order_by("-pk"))


def _give_back(notices: Sequence[Notice], now: datetime) -> None:
    taken = Notice.objects.filter(pk__in=[one.pk for one in notices], told_at=now)
    taken.update(told_at=None)


def words_of(notices: Sequence[Notice]) -> str:
    """Return the message for these notices, newest first, within WeCom's size.

    WeCom does not say which language a member reads: all get that of the installation.
    """
    with translation.override(settings.NOTICE_LANGUAGE):
        lines: list[str] = []
        size = 0
        for notice in notices:
            line = f"· {sentence(notice)}"
            size += len(line.encode()) + 1
            if size > MAX_TEXT_BYTES - _ROOM_FOR_COUNT:
                break
            lines.append(line)
        if more := len(notices) - len(lines):
            said = ngettext("… and %(n)s more.", "… and %(n)s more.", more)
            lines.append(said % {"n": more})
        lines.append(_("You find them all under Notices."))
    return "\n".join(lines)
