"""What a notice says: one sentence, made from its kind and data in the reader's language.

Of what customers typed only their name is in it.
"""

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.enums import LossKind, NoticeKind
from contacts.models import Notice

SHOWN = ("customer", "about", "handover__from_staff")
"""What a sentence needs beside the notice itself."""


def sentence(notice: Notice) -> str:
    """Return what the notice says. ``notice`` was read with ``SHOWN``."""
    return _SENTENCES[NoticeKind(notice.kind)](notice)


def _who(notice: Notice) -> str:
    if notice.about:
        return notice.about.name
    return notice.handover.from_staff.name if notice.handover else _("A colleague")


def _customers(notice: Notice) -> int:
    number = notice.data.get("customers", 0)
    return number if isinstance(number, int) else 0


def _lost(notice: Notice) -> str:
    if notice.data.get("kind") == LossKind.ON_HANDOVER:
        return _("Customers of %(name)s were lost on handover.") % {"name": _who(notice)}
    values = {"customer": str(notice.customer or _("A customer")), "name": _who(notice)}
    if notice.data.get("kind") == LossKind.UNKNOWN:
        return (
            _("%(customer)s is not connected with %(name)s in WeCom any more, and lost.") % values
        )
    return _("%(customer)s has removed %(name)s and is lost.") % values


def _removed(notice: Notice) -> str:
    return _("%(name)s has removed customers who are connected with nobody now.") % {
        "name": _who(notice)
    }


def _leaving(notice: Notice) -> str:
    return _("%(name)s is leaving.") % {"name": _who(notice)}


def _departed(notice: Notice) -> str:
    n = _customers(notice)
    if not n:
        return _("%(name)s has departed.") % {"name": _who(notice)}
    said = ngettext(
        "%(name)s has departed; %(n)s customer is to be shared out.",
        "%(name)s has departed; %(n)s customers are to be shared out.",
        n,
    )
    return said % {"name": _who(notice), "n": n}


def _handed_over(notice: Notice) -> str:
    if notice.data.get("what") == "merged":
        return _merged(notice)
    if notice.customer:
        return _("You answer for %(customer)s now.") % {"customer": notice.customer}
    n = _customers(notice)
    if not n:
        return _("Customers of %(name)s have been handed over to you.") % {"name": _who(notice)}
    said = ngettext(
        "%(n)s customer of %(name)s has been handed over to you.",
        "%(n)s customers of %(name)s have been handed over to you.",
        n,
    )
    return said % {"name": _who(notice), "n": n}


def _merged(notice: Notice) -> str:
    """Say to whoever answered for a record that it is one with another, and whose that is."""
    values = {"customer": notice.customer, "name": _who(notice)}
    if notice.about is None:
        return (
            _("%(customer)s is one person with a customer in the pool, where both records are now.")
            % values
        )
    return (
        _(
            "%(customer)s is one person with a customer of %(name)s, who answers for both records now."
        )
        % values
    )


def _decision(notice: Notice) -> str:
    if notice.data.get("what") == "chats":
        name = {"name": _who(notice)}
        return _("Some group chats of %(name)s could not be handed over.") % name
    return _("The handover of %(name)s waits for your decision.") % {"name": _who(notice)}


def _from_pool(notice: Notice) -> str:
    n = _customers(notice)
    if not n:
        return _("You answer for customers from the pool now.")
    said = ngettext(
        "You answer for %(n)s customer from the pool now.",
        "You answer for %(n)s customers from the pool now.",
        n,
    )
    return said % {"n": n}


def _unusual(notice: Notice) -> str:
    if notice.data.get("what") == "webhook":
        host = {"host": notice.data.get("host", "")}
        return _("The webhook to %(host)s has been paused, because it does not work.") % host
    n = _customers(notice)
    values = {"name": _who(notice), "n": n}
    if notice.data.get("what") == "exports":
        return _("%(name)s has exported unusually many customers: %(n)s.") % values
    return _("%(name)s has removed unusually many customers: %(n)s.") % values


def _campaign(notice: Notice) -> str:
    values = {"name": notice.data.get("name", ""), "n": notice.data.get("n", 0)}
    if notice.data.get("what") == "approval":
        return _("“%(name)s” to %(n)s recipients waits for your approval.") % values
    if notice.data.get("what") == "sent_back":
        return _("“%(name)s” was sent back: its page says why.") % values
    if notice.data.get("what") == "held_back":
        return _("“%(name)s” could not go out and is a draft again: its page says why.") % values
    if notice.data.get("what") == "winner":
        return _("“%(name)s” has no clear winner: choose the words for the rest.") % values
    if notice.data.get("what") == "series_paused":
        return (
            _("“%(name)s” is paused: whoever answers for it may no longer reach its customers.")
            % values
        )
    return _("A run of “%(name)s” could not start.") % values


_SENTENCES: dict[NoticeKind, Callable[[Notice], str]] = {
    NoticeKind.CUSTOMER_LOST: _lost,
    NoticeKind.CUSTOMER_REMOVED: _removed,
    NoticeKind.STAFF_LEAVING: _leaving,
    NoticeKind.STAFF_DEPARTED: _departed,
    NoticeKind.HANDED_OVER: _handed_over,
    NoticeKind.NEEDS_DECISION: _decision,
    NoticeKind.FROM_POOL: _from_pool,
    NoticeKind.UNUSUAL: _unusual,
    NoticeKind.CAMPAIGN: _campaign,
}
