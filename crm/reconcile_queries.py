"""What the page of comparisons with WeCom shows: what was found, in words, and what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from contacts.enums import FindingKind, FindingState
from contacts.models import Finding, Reconciliation
from crm.access import (
    Viewer,
    colleagues_of,
    customers_of,
    findings_of,
    not_in_your_stores,
    staff_of,
)
from crm.actions.findings import can_repair
from crm.queries import COUNT_CAP

MINUTE = 60

_WHAT: dict[FindingKind, str | Promise] = {
    FindingKind.FOLLOW_NEW: gettext_lazy(
        "%(customer)s and %(name)s are connected in WeCom; it had not been known here."
    ),
    FindingKind.FOLLOW_GONE: gettext_lazy(
        "%(customer)s and %(name)s are not connected in WeCom any more."
    ),
    FindingKind.STAFF_NEW: gettext_lazy("%(name)s is in WeCom and had not been known here."),
    FindingKind.STAFF_GONE: gettext_lazy("%(name)s is at work here, and not in WeCom any more."),
    FindingKind.STAFF_BACK: gettext_lazy("%(name)s has departed here, and is still in WeCom."),
    FindingKind.RETURNED: gettext_lazy(
        "%(name)s is back at work; customers of before still wait in WeCom for somebody."
    ),
    FindingKind.UNREADABLE: gettext_lazy("WeCom does not show the connections of %(name)s."),
    FindingKind.LEFT_BEHIND: gettext_lazy(
        "%(customer)s was left behind by %(name)s, and was in no handover."
    ),
    FindingKind.NOT_MOVED: gettext_lazy(
        "%(customer)s was taken over from %(name)s here, and WeCom still has them with %(name)s."
    ),
    FindingKind.NOT_CONNECTED: gettext_lazy(
        "%(customer)s was taken over by %(name)s, and the two are not connected in WeCom."
    ),
    FindingKind.OWNER_APART: gettext_lazy(
        "%(name)s answers for %(customer)s without being connected. Connected is: %(others)s."
    ),
}
_ADVICE: dict[FindingKind, str | Promise] = {
    FindingKind.STAFF_GONE: gettext_lazy(
        "If they have left, record the departure: their customers stay safe. Else look at the"
        " account in WeCom."
    ),
    FindingKind.STAFF_BACK: gettext_lazy("Remove the member in WeCom, or take them back here."),
    FindingKind.RETURNED: gettext_lazy("Give these customers to somebody in WeCom's console."),
    FindingKind.UNREADABLE: gettext_lazy(
        "See in WeCom that they may use customer contact and that the app may see them."
    ),
    FindingKind.NOT_MOVED: gettext_lazy(
        "Ask the new owner whether they can write to the customer. If not, hand over again."
    ),
    FindingKind.NOT_CONNECTED: gettext_lazy(
        "Ask the new owner to add the customer, or choose somebody who is connected."
    ),
    FindingKind.OVERDUE: gettext_lazy(
        "WeCom has been asked again. If it stays so, offer these customers to somebody else."
    ),
    FindingKind.OWNER_APART: gettext_lazy(
        "Let the connected colleague answer for the customer, or ask the owner to add them."
    ),
}
_REPAIR: dict[FindingKind, str | Promise] = {
    FindingKind.OWNER_APART: gettext_lazy("Change the owner"),
    FindingKind.OVERDUE: gettext_lazy("Ask WeCom now"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding of the list: what it says, what to do about it, and where to go."""

    finding: Finding
    what: str
    advice: str | Promise
    repair: str | Promise
    sees_staff: bool
    sees_customer: bool

    @property
    def may_depart(self) -> bool:
        """Whether the next step is to record a departure."""
        return self.sees_staff and self.finding.kind == FindingKind.STAFF_GONE


def finding_rows(viewer: Viewer, findings: Sequence[Finding]) -> list[FindingRow]:
    """Put findings into words: three queries, whatever their number."""
    people = {pk for row in findings for pk in (row.staff_id, *_followers(row)) if pk}
    names = dict(colleagues_of(viewer).filter(pk__in=people).values_list("pk", "name"))
    managed = set(staff_of(viewer).filter(pk__in=people).values_list("pk", flat=True))
    about = [row.customer_id for row in findings if row.customer_id]
    customers = set(customers_of(viewer).filter(pk__in=about).values_list("pk", flat=True))
    return [_row(finding, names, managed, customers) for finding in findings]


def _followers(finding: Finding) -> list[int]:
    followers: list[int] = finding.detail.get("followers", [])
    return followers


def _row(
    finding: Finding, names: dict[int, str], managed: set[int], customers: set[int]
) -> FindingRow:
    kind = FindingKind(finding.kind)
    is_open = finding.state == FindingState.OPEN
    in_reach = managed.issuperset(_followers(finding))
    repairs = is_open and can_repair(finding) and in_reach
    advice = _ADVICE.get(kind, "") if in_reach else not_in_your_stores()
    return FindingRow(
        finding,
        what=_what(finding, names),
        advice=advice if is_open else "",
        repair=_REPAIR.get(kind, "") if repairs else "",
        sees_staff=finding.staff_id in managed,
        sees_customer=finding.customer_id in customers,
    )


def _what(finding: Finding, names: dict[int, str]) -> str:
    somebody = _("somebody of another store")
    words: dict[str, Any] = {
        "name": names.get(finding.staff_id or 0, somebody),
        "customer": str(finding.customer or ""),
        "others": pgettext("between words", ", ").join(
            names.get(pk, somebody) for pk in _followers(finding)
        ),
    }
    if finding.kind == FindingKind.OVERDUE:
        number = finding.detail.get("customers", 0)
        said = ngettext(
            "%(n)s customer of %(name)s has waited for WeCom's answer for over a day.",
            "%(n)s customers of %(name)s have waited for WeCom's answer for over a day.",
            number,
        )
        return said % (words | {"n": number})
    return str(_WHAT[FindingKind(finding.kind)]) % words


def open_by_kind(viewer: Viewer) -> dict[FindingKind, int]:
    """Count what is open by kind, up to a limit in all."""
    rows = findings_of(viewer).filter(state=FindingState.OPEN).order_by()
    counts = Counter(rows.values_list("kind", flat=True)[: COUNT_CAP + 1])
    return {kind: counts[kind] for kind in FindingKind if counts[kind]}


def listed_findings(viewer: Viewer, state: str, kind: str) -> QuerySet[Finding]:
    """Return the findings in this state and, if given, of this kind, newest first."""
    rows = findings_of(viewer).filter(state=state).select_related("staff", "customer", "handover")
    if kind in FindingKind.values:
        rows = rows.filter(kind=kind)
    return rows.order_by("-pk")


@dataclass(frozen=True, slots=True)
class RunRow:
    """A comparison of the list, with its sums."""

    run: Reconciliation

    @property
    def repaired(self) -> int:
        """Differences that were put right."""
        return sum(self.run.repaired.values())

    @property
    def listed(self) -> int:
        """Differences that were left to people."""
        return sum(self.run.listed.values())

    @property
    def follows(self) -> int:
        """Connections that WeCom showed."""
        return int(self.run.seen.get("follows", 0))

    @property
    def follows_shown(self) -> str:
        """The same as people read it."""
        return f"{self.follows:,}"

    @property
    def lasted(self) -> str:
        """How long it took, in words."""
        if self.run.finished_at is None:
            return ""
        seconds = int((self.run.finished_at - self.run.started_at).total_seconds())
        if seconds < MINUTE:
            return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
        minutes = round(seconds / MINUTE)
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
