"""A segment's rule as a form: groups of conditions, read off flat inputs and shown again.

Each part of the rule has a key. ``node`` lists the parts as ``key:parent:g`` (a group) or
``key:parent:c`` (a condition), parents first; ``j<key>`` says how a group joins its members, and
``f``, ``o``, ``v``, ``w`` and ``n`` with the key are field, operator, value, its second part and
the tick for *not*; ``k`` is the kind of the value shown, for a value of another kind is not taken
over. Nothing else that was typed is lost when a part comes or goes.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from campaigns.segments import FIELDS, MOST_CONDITIONS, Field, Operator, check_rule
from campaigns.segments.rules import DEEPEST
from contacts.errors import RuleBroken
from crm.forms.rule_values import typed_for, value_typed

JOINS: dict[str, str | Promise] = {
    "all": gettext_lazy("All of these hold"),
    "any": gettext_lazy("At least one of these holds"),
    "none": gettext_lazy("None of these holds"),
    "not_all": gettext_lazy("Not all of these hold"),
}
IS = "is"
"""The kind of a condition; the kinds of groups are those of ``JOINS``."""

MOST_NODES = 2 * MOST_CONDITIONS
INNERMOST = 3
"""The level of the groups within which no more are offered."""


@dataclasses.dataclass(slots=True)
class Node:
    """A condition or a group, with everything typed into it and what is wrong with it."""

    key: int
    kind: str = "all"
    level: int = 0
    parent: int = 0
    members: "list[Node]" = dataclasses.field(default_factory=list)
    field: str = ""
    op: str = ""
    negated: bool = False
    first: list[str] = dataclasses.field(default_factory=list)
    second: str = ""
    error: str = ""
    options: list[Any] = dataclasses.field(default_factory=list)

    @property
    def id(self) -> str:
        """The key, as names of inputs end."""
        return str(self.key)

    @property
    def is_group(self) -> bool:
        """Whether it has members."""
        return self.kind != IS

    @property
    def takes_groups(self) -> bool:
        """Whether a group within it is offered."""
        return self.level < INNERMOST

    @property
    def asked(self) -> Field | None:
        """The field, if it is one of the closed list."""
        return FIELDS.get(self.field)

    @property
    def operator(self) -> Operator | None:
        """The operator, if the field has it; else its first."""
        known = self.asked
        if known is None:
            return None
        return next((one for one in known.operators if one.name == self.op), known.operators[0])

    @property
    def kind_of_value(self) -> str:
        """What kind of value it takes; empty while nothing is asked."""
        return self.operator.kind.value if self.operator else ""

    @property
    def typed(self) -> str:
        """The single value as typed."""
        return self.first[-1] if self.first else ""

    def walk(self) -> "Iterator[Node]":
        """Yield this and everything within."""
        yield self
        for member in self.members:
            yield from member.walk()

    def condition(self) -> dict[str, Any]:
        """Return the condition as typed; the engine judges it."""
        operator = self.operator
        if operator is None:
            raise RuleBroken(gettext("Choose what to ask for, or take this condition away."))
        value = value_typed(operator.kind, self.first, self.second)
        return {"field": self.field, "op": operator.name, "value": value}


def read_tree(data: QueryDict) -> Node:
    """Read the tree off the inputs; parts that hang on nothing are left out."""
    root = Node(0, kind=_join(data, 0))
    groups = {0: root}
    keys = {0}
    for text in data.getlist("node")[:MOST_NODES]:
        key, parent, sort = _entry(text)
        if key in keys or parent not in groups:
            continue
        keys.add(key)
        above = groups[parent]
        if sort == "g":
            node = Node(key, kind=_join(data, key))
            groups[key] = node
        else:
            node = _typed_condition(data, key)
        node.level, node.parent = above.level + 1, parent
        above.members.append(node)
    return root


def _entry(text: str) -> tuple[int, int, str]:
    key, _colon, rest = text.partition(":")
    parent, _colon, sort = rest.partition(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in (key, parent)):
        return 0, 0, ""  # the root is known already: left out
    return int(key), int(parent), sort


def _join(data: QueryDict, key: int) -> str:
    join = data.get(f"j{key}", "all")
    return join if join in JOINS else "all"


def _typed_condition(data: QueryDict, key: int) -> Node:
    node = Node(
        key,
        kind=IS,
        field=data.get(f"f{key}", ""),
        op=data.get(f"o{key}", ""),
        negated=bool(data.get(f"n{key}")),
    )
    if data.get(f"k{key}", node.kind_of_value) == node.kind_of_value:
        node.first, node.second = data.getlist(f"v{key}"), data.get(f"w{key}", "")
    return node


def change_tree(root: Node, go: str) -> str:
    """Do what a button asks: ``add:<key>``, ``group:<key>``, ``drop:<key>``; returns the id of
    the input that has the focus then."""
    verb, _colon, text = go.partition(":")
    node = next((one for one in root.walk() if one.id == text), None)
    if node is None:
        return ""
    if verb == "drop" and node is not root:
        above = next(one for one in root.walk() if node in one.members)
        above.members = [member for member in above.members if member is not node]
        return f"add{above.key}"
    size = sum(1 for _node in root.walk())
    if verb not in {"add", "group"} or not node.is_group or size >= MOST_NODES:
        return ""
    if verb == "group" and not node.takes_groups:
        return ""
    return _add(root, node, group=verb == "group")


def _add(root: Node, above: Node, *, group: bool) -> str:
    new = max(one.key for one in root.walk()) + 1
    if group:
        inner = Node(new, kind="any", level=above.level + 1, parent=above.key)
        above.members.append(inner)
        above, new = inner, new + 1
    above.members.append(Node(new, kind=IS, level=above.level + 1, parent=above.key))
    return f"f{new}"


def tree_of(rule: Mapping[str, Any]) -> Node:
    """Return a saved rule as a tree whose outermost part is a group."""
    keys = count(1)
    grown = _grown(rule or {"all": []}, keys)
    root = grown if grown.is_group else Node(0, members=[grown])
    root.key = 0
    _settle(root)
    return root


def new_tree() -> Node:
    """Return a tree with one condition to fill in."""
    root = Node(0)
    root.members.append(Node(1, kind=IS, level=1))
    return root


def _settle(node: Node) -> None:
    for member in node.members:
        member.level, member.parent = node.level + 1, node.key
        _settle(member)


def _grown(rule: Mapping[str, Any], keys: Iterator[int]) -> Node:
    if "field" in rule:
        return _saved_condition(rule, next(keys))
    kind = next(iter(rule), "all")
    inner: Any = rule.get(kind, [])
    key = next(keys)
    if kind != "not":
        return Node(key, kind=kind, members=[_grown(one, keys) for one in inner])
    if "field" in inner:
        condition = _saved_condition(inner, key)
        condition.negated = True
        return condition
    joined = next(iter(inner), "")
    if joined in {"all", "any"}:
        members = [_grown(one, keys) for one in inner[joined]]
        return Node(key, kind="none" if joined == "any" else "not_all", members=members)
    return Node(key, kind="not_all", members=[_grown(inner, keys)])


def _saved_condition(condition: Mapping[str, Any], key: int) -> Node:
    node = Node(key, kind=IS, field=str(condition["field"]), op=str(condition.get("op", "")))
    if node.operator:
        node.first, node.second = typed_for(node.operator.kind, condition.get("value"))
    return node


def rule_of(root: Node) -> dict[str, Any]:
    """Return the rule that the tree says; what is wrong is noted at the part that it concerns.

    Look at ``is_sound`` before the rule is used.
    """
    for node in root.walk():
        node.error = ""
    rule = _judged(root, 0)
    conditions = [node for node in root.walk() if not node.is_group]
    for node in conditions[MOST_CONDITIONS:]:
        node.error = gettext("A segment holds at most %(n)s conditions.") % {"n": MOST_CONDITIONS}
    return rule


def is_sound(root: Node) -> bool:
    """Whether ``rule_of`` found nothing wrong."""
    return not any(node.error for node in root.walk())


def finished_part(root: Node) -> tuple[dict[str, Any], int]:
    """Return the rule of what is finished already, and how many conditions are not."""
    rule_of(root)
    left_out = sum(1 for node in root.walk() if node.error and not node.is_group)
    rule = _pruned(root)
    for node in root.walk():
        node.error = ""
    return rule or {"all": []}, left_out


def _pruned(node: Node) -> dict[str, Any] | None:
    if not node.is_group:
        return None if node.error else _negated(node.condition(), negated=node.negated)
    members = [rule for one in node.members if (rule := _pruned(one)) is not None]
    return _joined(node.kind, members) if members else None


def _judged(node: Node, depth: int) -> dict[str, Any]:
    inner = depth + (node.negated or node.kind in {"none", "not_all"})
    if inner > DEEPEST:
        node.error = gettext("Groups lie at most %(n)s deep.") % {"n": DEEPEST}
        return {}
    if node.is_group:
        if not node.members and not (node.key == 0 and node.kind == "all"):
            node.error = gettext("Put a condition into this group, or take it away.")
        return _joined(node.kind, [_judged(one, inner + 1) for one in node.members])
    try:
        condition = node.condition()
        check_rule(condition)
    except RuleBroken as error:
        node.error = str(error)
        return {}
    return _negated(condition, negated=node.negated)


def _joined(kind: str, members: list[dict[str, Any]]) -> dict[str, Any]:
    if kind in {"all", "any"}:
        return {kind: members}
    return {"not": {"any" if kind == "none" else "all": members}}


def _negated(condition: dict[str, Any], *, negated: bool) -> dict[str, Any]:
    return {"not": condition} if negated else condition
