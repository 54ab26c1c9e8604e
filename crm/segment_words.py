"""A segment's rule in plain language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns.segments.values import Kind
from crm.access import Viewer
from crm.forms.rule_tree import JOINS, Node, tree_of
from crm.forms.rule_values import PICKED
from crm.segment_choices import Choices

GAP = "…"
NAMED = 12
"""So many names are said of one condition; of more it is said how many."""


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence, and what belongs below it."""

    text: str
    members: "list[Line]" = field(default_factory=list)


def words_of(rule: Mapping[str, Any], viewer: Viewer) -> Line:
    """Say what the rule asks; names the person does not see stay unsaid."""
    root = tree_of(rule)
    choices = Choices(viewer)
    choices.learn(root)
    if not root.members:
        return Line(_("All customers"))
    return _line(root, choices)


def _line(node: Node, choices: Choices) -> Line:
    if node.is_group:
        text = str(JOINS.get(node.kind, node.kind))
        return Line(text, [_line(member, choices) for member in node.members])
    said = _condition(node, choices)
    return Line(_("not: %(condition)s") % {"condition": said} if node.negated else said)


def _condition(node: Node, choices: Choices) -> str:
    if node.asked is None or node.operator is None:
        return _("something that cannot be asked any more")
    label, kind = str(node.operator.label), node.operator.kind
    name = str(node.asked.label)
    if kind in {Kind.KEYED_TEXT, Kind.KEYED_NUMBER}:
        name, values = f"{name} “{node.typed}”", [node.second]
    elif kind in PICKED:
        values = [_names(node, choices)]
    elif kind == Kind.AGES:
        values = [f"{node.typed}-{node.second}"]
    elif node.second:
        values = [node.typed, node.second]
    else:
        values = [_single(node)]
    return _("%(field)s: %(said)s") % {"field": name, "said": _filled(label, values)}


def _filled(label: str, values: list[str]) -> str:
    """Put the values where the label leaves a gap for them, else behind it."""
    parts = label.split(GAP)
    if len(parts) != len(values) + 1:
        return f"{label} {' · '.join(values)}"
    said = parts[0]
    for value, part in zip(values, parts[1:], strict=True):
        said += value + part
    return said


def _single(node: Node) -> str:
    if node.kind_of_value == Kind.YES_NO:
        return _("yes") if node.typed == "yes" else _("no")
    choices = dict(node.operator.choices) if node.operator else {}
    return str(choices.get(node.typed, node.typed))


def _names(node: Node, choices: Choices) -> str:
    said = [choices.name(node.kind_of_value, text) for text in node.first[:NAMED]]
    if len(node.first) > NAMED:
        said.append(_("%(n)s more") % {"n": len(node.first) - NAMED})
    return pgettext("between words", ", ").join(dict.fromkeys(said))
