"""Inputs as they were typed, name → list of values, sound or not."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, Segment
from crm.forms.attachments import inputs_of
from crm.forms.clocks import LOCAL_TIME

SEVERAL = frozenset({"tags", "stores", "weekdays"})
"""Inputs that hold several values."""


def unfolded(typed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what was typed as a form's initial values, which shows it without judging it."""
    return {
        name: list(values) if name in SEVERAL else (values[-1] if values else "")
        for name, values in typed.items()
    }


def typed_of(campaign: Campaign) -> dict[str, list[str]]:
    """Return a drafted campaign as the editor's inputs."""
    until = campaign.send_until and timezone.localtime(campaign.send_until)
    typed = {
        "name": [campaign.name],
        "channel": [campaign.channel],
        "subject": [campaign.subject],
        "text": [campaign.words],
        "html": [campaign.html],
        "purpose": [campaign.purpose],
        "skip_if_in_another": ["on"] if campaign.skip_if_in_another else [],
        "track_clicks": ["on"] if campaign.track_clicks else [],
        "track_opens": ["on"] if campaign.track_opens else [],
        "conversion_days": [str(campaign.conversion_days)],
        "send_until": [until.strftime(LOCAL_TIME[0])] if until else [],
        **inputs_of(campaign.content.attachments if campaign.content else []),
    }
    return typed | typed_segment(campaign.segment)


def typed_segment(segment: Segment | None) -> dict[str, list[str]]:
    """Return a segment as the inputs that choose it.

    A rule that the conditions on the page cannot say is offered as its saved segment.
    """
    conditions = (segment.rule or {}).get("all", []) if segment else []
    inputs = {
        ("tag", "any"): "tags",
        ("store", "in"): "stores",
        ("gender", "is"): "gender",
        ("last_interaction", "before_days"): "not_met_days",
    }
    kinds = [(row.get("field"), row.get("op")) for row in conditions]
    if segment and (len(set(kinds)) < len(kinds) or not set(kinds) <= set(inputs)):
        return {"saved": [str(segment.pk)]}
    typed = {}
    for kind, row in zip(kinds, conditions, strict=True):
        values = row["value"] if isinstance(row["value"], list) else [row["value"]]
        typed[inputs[kind]] = [str(value) for value in values]
    return typed
