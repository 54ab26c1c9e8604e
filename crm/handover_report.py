"""The report of a handover, row by row: its customers, then its group chats."""

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.models import ChatItem, Handover, HandoverItem
from crm.handover_queries import items_of
from crm.templatetags.liuke import channel_words

CHUNK = 2000

Row = tuple[object, ...]


def report_of(handover: Handover) -> Iterator[Row]:
    """Yield the heads, then a row for each customer and each group chat; flat in memory.

    The rows that say *customer* add up to the size of the handover.
    """
    yield (
        _("Name"),
        _("From"),
        _("To"),
        _("State"),
        _("Reason"),
        _("Since"),
        _("Tries"),
        _("Given back"),
        _("Id"),
        _("Kind"),
    )
    kind = _("customer")
    for item in items_of(handover, "", None).iterator(chunk_size=CHUNK):
        row = _row(handover, item, str(item.customer), _fate_of_undo(item))
        yield (*row, item.customer_id, kind)
    kind = _("group chat")
    chats = handover.chats.select_related("chat", "to_staff").order_by("pk")
    for chat in chats.iterator(chunk_size=CHUNK):
        row = _row(handover, chat, str(chat.chat), _moment(chat.undone_at))
        yield (*row, chat.chat.chat_id, kind)


def _row(handover: Handover, item: HandoverItem | ChatItem, name: str, undone: str) -> Row:
    return (
        name,
        handover.from_staff.name,
        item.to_staff.name if item.to_staff else "",
        item.get_state_display(),
        channel_words(item.reason),
        _moment(item.state_at),
        item.tries if isinstance(item, HandoverItem) else item.attempts,
        undone,
    )


def _fate_of_undo(item: HandoverItem) -> str:
    return _moment(item.undone_at) or (item.get_undo_note_display() if item.undo_note else "")


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).isoformat(sep=" ", timespec="seconds") if at else ""
