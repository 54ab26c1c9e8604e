"""Planning a campaign to a million, with consent, caps and addresses, beside the bare insert.

There are 60,000 customers more who may not get it: opted out, refusing the channel, with enough
messages lately, with a dead address. Two million messages of the last days are counted. The
reference writes the very same rows with a bare INSERT … SELECT from a table of them.
"""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

import bench.ready  # noqa: F401 -- before the first model is imported
from bench.company import CUSTOMERS
from bench.figures import Figure
from campaigns.audience import freeze_audience, preview_audience
from campaigns.enums import CampaignState
from campaigns.models import Campaign, Content, MessagingRules, Segment

ROUNDS = 3
MORE = 60_000
CAP = 3

Say = Callable[[Figure], None]

_COMPANY = (
    "TRUNCATE campaigns_delivery, campaigns_batch, campaigns_tally CASCADE",
    "UPDATE campaigns_campaign SET state = 'done', planned_at = %(old)s, closed_at = %(old)s,"
    " recipients = 0, skipped = 0",
    """
    INSERT INTO contacts_customer
        (id, store_id, owner_id, name, name_key, search_key, gender, city, note, attributes,
         spent, opted_out_at, state, created_at)
    SELECT %(customers)s + n, store_id, owner_id, name, name_key, search_key, gender, city, note,
           attributes, spent, CASE WHEN (%(customers)s + n) %% 3 = 0 THEN %(now)s::timestamptz END, state, created_at
    FROM contacts_customer JOIN generate_series(1, %(more)s) AS n ON n = contacts_customer.id
    """,
    """
    INSERT INTO contacts_identity (customer_id, kind, system, value, created_at, dead_at)
    SELECT id, 'email', '', 'p' || id || '@example.com', created_at,
           CASE WHEN id > %(customers)s AND id %% 12 = 1 THEN %(now)s::timestamptz END
    FROM contacts_customer ORDER BY id
    ON CONFLICT (kind, system, value) DO UPDATE SET dead_at = excluded.dead_at
    """,
    """
    INSERT INTO contacts_consent (customer_id, channel, purpose, granted, at)
    SELECT id, 'email', 'campaign', id <= %(customers)s, %(now)s FROM contacts_customer
    WHERE id <= 100000 OR (id > %(customers)s AND id %% 3 = 1 AND id %% 12 <> 1)
    """,
)

_EARLIER = (
    """
    INSERT INTO campaigns_batch (campaign_id, seq, size, reference, error, reminders, state,
                                 attempts, looks, done_at)
    SELECT %(campaign)s, n + 1, 200, '', '', 0, 'done', 1, 0, %(now)s
    FROM generate_series(0, %(customers)s / 200 + 400) AS n
    """,
    """
    WITH home AS (SELECT min(id) AS first FROM campaigns_batch WHERE campaign_id = %(campaign)s)
    INSERT INTO campaigns_delivery
        (campaign_id, customer_id, batch_id, slot, address, state, reason, sent_at)
    SELECT %(campaign)s, id, home.first + (place - 1) / 200, (place - 1) %% 200,
           'p' || id || '@example.com', 'sent', '', %(sent)s
    FROM (
        SELECT id, row_number() OVER (ORDER BY id) AS place FROM contacts_customer
        WHERE CASE WHEN %(first)s THEN id <= %(customers)s OR id %% 3 = 2
                   ELSE id > %(customers)s AND id %% 3 = 2 END
    ) AS people CROSS JOIN home
    """,
)

_KEEP = """
CREATE TABLE bench_rows AS
SELECT customer_id, batch_id, slot, address, state, reason FROM campaigns_delivery
WHERE campaign_id = %(campaign)s ORDER BY customer_id
"""
_BARE = """
INSERT INTO campaigns_delivery
    (campaign_id, customer_id, batch_id, slot, address, state, reason)
SELECT %(campaign)s, customer_id, batch_id, slot, address, state, reason FROM bench_rows
"""


def measure(say: Say) -> None:
    """Measure each figure and say it at once."""
    with override_settings(EMAIL_URL="smtp://127.0.0.1:9", MAIL_FROM="Shop <news@shop.example>"):
        _prepare()
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(_timed(_plan))
            _forget()
            bare.append(_timed(_write_bare))
            _forget()
        middle, reference = statistics.median(ours), statistics.median(bare)
        say(Figure("plan a million", middle, "s", reference, at_most=10, times=2))
        looks = [_timed(_look) for _ in range(ROUNDS)]
        say(Figure("preview of a million", statistics.median(looks), "s"))


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _plan() -> None:
    with transaction.atomic():
        campaign = _campaign("Planned")
        freeze_audience(campaign, now=timezone.now())


def _write_bare() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_BARE, {"campaign": _campaign("Bare").pk})


def _look() -> None:
    found = preview_audience({}, channel="email")
    if found.reachable != CUSTOMERS:
        raise AssertionError(f"{found.reachable} would be reached, not {CUSTOMERS}")


def _campaign(name: str, **fields: Any) -> Campaign:
    content, _new = Content.objects.get_or_create(name="Planning", defaults={"text": "Hello"})
    segment, _new = Segment.objects.get_or_create(name="Planning", defaults={"rule": {"all": []}})
    values = {"state": CampaignState.DRAFT, "state_at": timezone.now()} | fields
    return Campaign.objects.create(
        name=name, channel="email", content=content, segment=segment, **values
    )


def _forget() -> None:
    """Take the rows of the last campaign away; keep them for the bare insert the first time."""
    campaign = Campaign.objects.latest("pk")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('bench_rows')")
        if cursor.fetchone()[0] is None:
            cursor.execute(_KEEP, {"campaign": campaign.pk})
        cursor.execute("DELETE FROM campaigns_delivery WHERE campaign_id = %s", [campaign.pk])
        cursor.execute("DELETE FROM campaigns_batch WHERE campaign_id = %s", [campaign.pk])
        cursor.execute("VACUUM ANALYZE campaigns_delivery")
        cursor.execute("CHECKPOINT")


def _prepare() -> None:
    now = timezone.now()
    MessagingRules.objects.update_or_create(
        pk=1, defaults={"cap_messages": CAP, "cap_days": 7, "consent_required": []}
    )
    values: dict[str, Any] = {
        "now": now,
        "old": now - timedelta(days=400),
        "sent": now - timedelta(days=2),
        "customers": CUSTOMERS,
        "more": MORE,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        # The rows are sound by construction, as those of the company.
        cursor.execute("SET session_replication_role = replica")
        for statement in _COMPANY:
            cursor.execute(statement, values)
        for number in range(CAP):
            earlier = _campaign(
                f"Earlier {number}",
                state=CampaignState.DONE,
                planned_at=values["sent"],
                closed_at=now,
                recipients=CUSTOMERS + MORE // 3 if number < CAP - 1 else MORE // 3,
                skipped=0,
            )
            more = values | {"campaign": earlier.pk, "first": number < CAP - 1}
            for statement in _EARLIER:
                cursor.execute(statement, more)
        cursor.execute("RESET session_replication_role")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
