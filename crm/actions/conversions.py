"""Orders that follow upon a campaign: whose recipients bought something in the days afterwards."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.models import Campaign
from campaigns.tracking.tallies import claim_round, count_anew
from contacts.models import Customer
from crm.enums import PAID_STATES
from crm.models.orders import CURRENCY

_COUNT = """
WITH bought AS (
    SELECT delivery.campaign_id, delivery.customer_id, count(*) AS orders,
           coalesce(sum(orders.amount) FILTER (WHERE orders.currency = %(currency)s), 0) AS amount,
           min(orders.ordered_at) AS first_at, max(orders.ordered_at) AS last_at
    FROM campaigns_delivery AS delivery
    JOIN campaigns_campaign AS campaign ON campaign.id = delivery.campaign_id
    JOIN contacts_customer AS customer ON customer.id = delivery.customer_id
    JOIN crm_order AS orders
        ON orders.customer_id = ANY(ARRAY[delivery.customer_id, customer.merged_into_id])
       AND orders.state = ANY(%(paid)s) AND orders.ordered_at >= delivery.sent_at
       AND orders.ordered_at < delivery.sent_at + campaign.conversion_days * interval '1 day'
    WHERE {of_delivery} AND delivery.state IN ('sent', 'delivered', 'read', 'replied')
    GROUP BY 1, 2
), taken_back AS (
    DELETE FROM campaigns_engagement AS engagement
    WHERE {of_engagement} AND engagement.kind = 'converted' AND NOT EXISTS (
        SELECT FROM bought WHERE bought.campaign_id = engagement.campaign_id
            AND bought.customer_id = engagement.customer_id
    )
)
INSERT INTO campaigns_engagement AS held
    (campaign_id, customer_id, kind, link, count, bots, amount, first_at, last_at)
SELECT campaign_id, customer_id, 'converted', 0, orders, 0, amount, first_at, last_at FROM bought
ON CONFLICT (campaign_id, customer_id, kind, link) DO UPDATE
SET count = excluded.count, amount = excluded.amount,
    first_at = excluded.first_at, last_at = excluded.last_at
WHERE (held.count, held.amount, held.first_at, held.last_at)
    IS DISTINCT FROM (excluded.count, excluded.amount, excluded.first_at, excluded.last_at)
"""

_OF_CAMPAIGN = _COUNT.format(
    of_delivery="delivery.campaign_id = %(campaign)s",
    of_engagement="engagement.campaign_id = %(campaign)s",
)
_THEIRS = """ANY(ARRAY(
        SELECT id FROM contacts_customer WHERE id = %(customer)s OR merged_into_id = %(customer)s
    ))"""
_OF_CUSTOMER = _COUNT.format(
    of_delivery=f"delivery.customer_id = {_THEIRS}",
    of_engagement=f"engagement.customer_id = {_THEIRS}",
)


def count_conversions(campaign: Campaign) -> None:
    """Put orders down to a campaign, each recipient once; what was given back counts no more."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")
        cursor.execute(_OF_CAMPAIGN, {**_values(), "campaign": campaign.pk})


def count_conversions_of(customer: Customer) -> None:
    """Do the same for one customer, of whom an order was told just now."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_CUSTOMER, {**_values(), "customer": customer.pk})


def count_campaign(campaign_id: int, *, now: datetime) -> bool:
    """Count a campaign that is due anew; returns whether this worker was the one to do it."""
    campaign = claim_round(campaign_id, now=now)
    if campaign is None:
        return False
    count_conversions(campaign)
    count_anew(campaign, now=now)
    return True


def _values() -> dict[str, Any]:
    return {"currency": CURRENCY, "paid": [state.value for state in PAID_STATES]}
