"""What a browser sends of the form that builds segments."""

from typing import Any

from django.test import Client

from campaigns.models import Segment


def condition(
    key: int, field: str, op: str, *first: str, parent: int = 0, **more: str
) -> dict[str, Any]:
    """The inputs of one condition; merge several with ``inputs``."""
    typed: dict[str, Any] = {
        "node": [f"{key}:{parent}:c"],
        f"f{key}": field,
        f"o{key}": op,
        f"v{key}": list(first),
    }
    return typed | {f"{name}{key}": value for name, value in more.items()}


def inputs(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The inputs of several conditions and groups, and of what else the form asks."""
    nodes = [node for part in parts for node in part.get("node", [])]
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part
    return merged | {"node": nodes} | more


def group(key: int, join: str, parent: int = 0) -> dict[str, Any]:
    """The inputs of a group, in which conditions stand that name it as their parent."""
    return {"node": [f"{key}:{parent}:g"], f"j{key}": join}


def rule_inputs(client: Client, segment: Segment) -> dict[str, Any]:
    """What a browser would send of the builder as it is shown."""
    context = client.get(f"/segments/{segment.pk}/edit/").context
    form: dict[str, Any] = {"name": segment.name, "base": context["bench"].base, "node": []}
    if segment.shared:
        form["shared"] = "on"
    for node in context["tree"].walk():
        if node.key:
            sort = "g" if node.is_group else "c"
            form["node"].append(f"{node.key}:{node.parent}:{sort}")
        if node.is_group:
            form[f"j{node.key}"] = node.kind
            continue
        form |= {f"f{node.key}": node.field, f"o{node.key}": node.op, f"v{node.key}": node.first}
        form |= {f"w{node.key}": node.second, f"k{node.key}": node.kind_of_value}
        if node.negated:
            form[f"n{node.key}"] = "1"
    return form
