"""Counting what customers have had lately, in SQL that planning and sending share."""

from typing import Any

from campaigns.restraint import Restraint

_OUT_OF_REACH = 1_000_000

_LATELY = """
lately AS MATERIALIZED (
    SELECT delivery.customer_id,
           count(*) FILTER (WHERE {overall}) >= %(overall)s
           OR count(*) FILTER (WHERE {of_channel}) >= %(of_channel)s AS capped,
           count(*) FILTER (WHERE {quota}) >= %(quota)s AS over_quota
    FROM campaigns_delivery AS delivery
    JOIN campaigns_campaign AS campaign ON campaign.id = delivery.campaign_id
    WHERE delivery.campaign_id = ANY(%(lately)s) {only}
      AND delivery.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear')
    GROUP BY delivery.customer_id
    HAVING count(*) >= least(%(overall)s, %(of_channel)s, %(quota)s)
)"""
_OVERALL = (
    "campaign.purpose <> 'service'"
    " AND coalesce(delivery.sent_at, campaign.planned_at) >= %(overall_since)s"
)
_OF_CHANNEL = (
    "campaign.purpose <> 'service' AND campaign.channel = %(channel)s"
    " AND coalesce(delivery.sent_at, campaign.planned_at) >= %(of_channel_since)s"
)
_QUOTA = (
    "campaign.channel = 'wecom' AND delivery.sent_at >= %(quota_since)s"
    " AND delivery.state IN ('sent', 'delivered', 'read', 'replied')"
)


_TELLING = """AND delivery.customer_id IN (
        SELECT customer_id FROM campaigns_delivery WHERE campaign_id = ANY(%(telling)s))"""


def lately_sql(restraint: Restraint, *, only: str = "") -> str:
    """Return the CTE ``lately``: who has had enough, ``capped`` or ``over_quota``.

    ``only`` narrows the deliveries down by one more condition; without it, those are looked at
    who are in one of the smallest campaigns, where that is enough.
    """
    if not only and len(restraint.telling) < len(restraint.lately):
        only = _TELLING
    return _LATELY.format(
        overall=_OVERALL if restraint.overall else "false",
        of_channel=_OF_CHANNEL if restraint.of_channel else "false",
        quota=_QUOTA if restraint.quota else "false",
        only=only,
    )


def limit_values(restraint: Restraint) -> dict[str, Any]:
    """Return the parameters of ``lately_sql``; a limit that does not apply is out of reach."""
    values: dict[str, Any] = {
        "lately": list(restraint.lately),
        "telling": list(restraint.telling),
        "rivals": list(restraint.rivals),
    }
    for name in ("overall", "of_channel", "quota"):
        limit = getattr(restraint, name)
        values[name] = limit.most if limit else _OUT_OF_REACH
        values[f"{name}_since"] = limit.since if limit else None
    return values
