"""Whom a campaign would reach, as pages show it beside what is being chosen."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaigns.channels import abilities_of
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.queries import AudiencePreview, Period, audience_preview
from campaigns.splitting import NOT_SPLIT, Split
from contacts.enums import Purpose
from contacts.errors import RuleBroken
from crm.campaign_queries import explain_batches
from crm.forms.campaigns import COUNTED_FIELDS, CampaignForm


def counted(
    form: CampaignForm, split: Split = NOT_SPLIT, *, send_at: datetime | None = None
) -> dict[str, Any]:
    """Count whom a bound form would reach; what is wrong elsewhere does not matter here."""
    wrong = {name: form.errors[name] for name in COUNTED_FIELDS if name in form.errors}
    wrong.pop("channel", None)
    if wrong:
        return {"cannot_count": True, "why": _said(form, wrong)}
    channel = form.cleaned_data.get("channel") or "wecom"
    try:
        audience = audience_preview(
            form.rule(),
            channel=channel,
            purpose=form.cleaned_data.get("purpose") or Purpose.CAMPAIGN,
            skip_if_in_another=bool(form.cleaned_data.get("skip_if_in_another")),
            split=split,
            period=Period(send_at, form.cleaned_data.get("send_until")),
        )
    except RuleBroken as error:
        return {"cannot_count": True, "why": [str(error)]}
    return audience_context(audience, channel)


def audience_context(audience: AudiencePreview, channel: str) -> dict[str, Any]:
    """What a page needs to show a counted audience."""
    abilities = abilities_of(channel)
    return {
        "audience": audience,
        "batch_limit": BATCH_LIMIT,
        "has_senders": not abilities.direct,
        "explanation": explain_batches(
            audience.reachable, audience.batches, audience.senders, audience.fewest_batches
        )
        if abilities.one_sender_per_call and not abilities.direct
        else "",
    }


def _said(form: CampaignForm, wrong: Mapping[str, Any]) -> list[str]:
    return [
        f"{form.fields[name].label}: {error}" for name, errors in wrong.items() for error in errors
    ]
