"""What conditions name (tags, stores, people, campaigns …), as far as the person sees it."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.db.models import QuerySet
from django.utils.dates import MONTHS
from django.utils.translation import gettext as _

from campaigns.segments.values import Kind
from contacts.enums import Role, StaffState
from contacts.models import ContactCode, Tag
from crm.access import Viewer, campaigns_of, colleagues_of, segments_of, stores_of
from crm.forms.rule_tree import Node

OFFERED = 500

Group = tuple[str, list[tuple[str, str]]]


class Choices:
    """The things to choose from and their names: one query a kind, however many conditions."""

    def __init__(self, viewer: Viewer, *, but: int | None = None) -> None:
        """``but`` is the segment that is being changed: it cannot be in itself."""
        self._viewer = viewer
        self._but = but
        self._offered: dict[tuple[str, bool], list[Group]] = {}
        self._named: dict[str, dict[int, str]] = {}

    def dress(self, root: Node) -> None:
        """Give every condition its options, with those ticked that are chosen."""
        self.learn(root)
        for node in root.walk():
            operator = node.operator
            if operator is None:
                continue
            if operator.choices:
                node.options = [
                    (value, label, value in node.first) for value, label in operator.choices
                ]
            else:
                node.options = self._options(node)

    def learn(self, root: Node) -> None:
        """Look up the names of everything that the tree names, as far as the person sees it."""
        wanted: dict[str, set[int]] = {}
        for node in root.walk():
            if node.kind_of_value in _ROWS:
                wanted.setdefault(node.kind_of_value, set()).update(_numbers(node.first))
        for kind, pks in wanted.items():
            known = self._named.setdefault(kind, {})
            rows = self._rows(Kind(kind)).filter(pk__in=pks - known.keys())
            known.update(rows.values_list("pk", "name"))

    def name(self, kind: str, text: str) -> str:
        """Return the name of one thing; what is gone or out of sight is said to be so."""
        if kind == Kind.MONTHS:
            return str(MONTHS.get(min(_numbers([text]), default=0), text))
        pk = min(_numbers([text]), default=0)
        return self._named.get(kind, {}).get(pk) or _("one that you do not see")

    def _options(self, node: Node) -> list[Any]:
        kind = node.kind_of_value
        if kind == Kind.MONTHS:
            groups: list[Group] = [("", [(str(n), str(name)) for n, name in MONTHS.items()])]
        elif kind in _ROWS:
            groups = self._groups(Kind(kind), lists_only=node.field == "list")
        else:
            return []
        ticked = set(node.first)
        shown = {value for _group, members in groups for value, _label in members}
        others = [(text, self.name(kind, text)) for text in node.first if text not in shown]
        if others:
            groups = [("", others), *groups]
        return [
            (group, [(value, label, value in ticked) for value, label in members])
            for group, members in groups
        ]

    def _groups(self, kind: Kind, *, lists_only: bool) -> list[Group]:
        if (kind, lists_only) not in self._offered:
            self._offered[kind, lists_only] = self._look_up(kind, lists_only=lists_only)
        return self._offered[kind, lists_only]

    def _look_up(self, kind: Kind, *, lists_only: bool) -> list[Group]:
        if kind == Kind.TAGS:
            order = ("group__position", "group_id", "position", "pk")
            tags = Tag.objects.select_related("group").order_by(*order)
            return [
                (group.name, [(str(tag.pk), tag.name) for tag in members])
                for group, members in groupby(tags, key=lambda tag: tag.group)
            ]
        rows = self._rows(kind)
        if kind == Kind.STAFF:
            rows = rows.exclude(state=StaffState.DEPARTED)
        if lists_only:
            rows = rows.filter(is_static=True)
        if kind == Kind.SEGMENTS:
            rows = rows.exclude(pk=self._but)
        rows = rows.order_by(*(["name", "pk"] if kind in {Kind.STORES, Kind.STAFF} else ["-pk"]))
        found = rows.values_list("pk", "name")[:OFFERED]
        return [("", [(str(pk), name) for pk, name in found])]

    def _rows(self, kind: Kind) -> QuerySet[Any]:
        rows: QuerySet[Any] = _ROWS[kind](self._viewer)
        return rows


def _codes(viewer: Viewer) -> QuerySet[ContactCode]:
    return ContactCode.objects.filter(store__in=stores_of(viewer, Role.MARKETER))


_ROWS: dict[str, Any] = {
    Kind.TAGS: lambda _viewer: Tag.objects.all(),
    Kind.STORES: lambda viewer: stores_of(viewer, Role.MARKETER),
    Kind.STAFF: colleagues_of,
    Kind.CODES: _codes,
    Kind.CAMPAIGNS: campaigns_of,
    Kind.SEGMENTS: segments_of,
}


def _numbers(texts: Iterable[str]) -> set[int]:
    return {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19}
