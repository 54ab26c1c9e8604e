"""The statements of the delivery engine of letters, each guarded by the lease; see ``letters``."""

# A batch that has often been tried in vain is taken alone: whatever it does to workers, it does not
# do it to others.
CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT batch.id, batch.attempts >= %(often)s AS is_troubled
    FROM campaigns_batch AS batch
    JOIN campaigns_campaign AS campaign ON campaign.id = batch.campaign_id
    WHERE batch.campaign_id = %(campaign)s AND batch.state = 'waiting'
      AND campaign.state IN ('planned', 'sending', 'waiting')
      AND (campaign.send_until IS NULL OR campaign.send_until > %(now)s)
      AND (batch.next_attempt_at IS NULL OR batch.next_attempt_at <= %(now)s)
    ORDER BY batch.id
    FOR UPDATE OF batch SKIP LOCKED
    LIMIT %(most)s
), first AS (
    SELECT id, is_troubled FROM picked ORDER BY id LIMIT 1
)
UPDATE campaigns_batch SET
    state = 'sending', lease_token = %(token)s, lease_until = %(until)s, claimed_at = %(now)s,
    attempts = attempts + 1, looks = 0, drawn = 0
WHERE id IN (
    SELECT picked.id FROM picked, first
    WHERE picked.id = first.id OR NOT first.is_troubled AND NOT picked.is_troubled
)
RETURNING id
"""

RENEW = """
UPDATE campaigns_batch AS batch SET lease_until = %(until)s
FROM campaigns_campaign AS campaign
WHERE campaign.id = batch.campaign_id AND batch.id = ANY(%(batches)s)
  AND batch.state = 'sending' AND batch.lease_token = %(token)s
RETURNING batch.id, campaign.state IN ('planned', 'sending', 'waiting')
    AND (campaign.send_until IS NULL OR campaign.send_until > %(now)s)
"""

DRAW = """
UPDATE campaigns_batch SET drawn = %(drawn)s
WHERE id = %(batch)s AND state = 'sending' AND lease_token = %(token)s
"""

# Where our keys are honoured nothing waits for the disk: what a crash of PostgreSQL takes back, a
# fraction of a second, goes again under the same keys.
NO_WAIT = "SET LOCAL synchronous_commit = off;"

# Planners know nothing yet of fresh deliveries, and take a thousand of them for one. The second
# condition on the customers says nothing new, except that it has them go by the key instead of
# reading all; and where nested loops are off, nobody compares each answer with each row.
NO_LOOPS = "SET LOCAL enable_nestloop = off;"

WRITE = """
WITH ours AS (
    UPDATE campaigns_batch AS batch
    SET drawn = held.drawn, attempts = CASE WHEN held.advanced THEN 1 ELSE batch.attempts END,
        error = coalesce(held.error, batch.error)
    FROM unnest(%(batches)s::bigint[], %(drawn)s::int[], %(advanced)s::boolean[], %(errors)s::text[])
             AS held (id, drawn, advanced, error)
    WHERE batch.id = held.id AND batch.state = 'sending' AND batch.lease_token = %(token)s
    RETURNING batch.id
), written AS (
    UPDATE campaigns_delivery AS delivery
    SET state = told.state, reason = told.reason, reference = told.reference,
        sent_at = CASE WHEN told.state = 'sent' THEN %(now)s::timestamptz END
    FROM unnest(%(of)s::bigint[], %(customers)s::bigint[], %(states)s::text[],
                %(reasons)s::text[], %(references)s::text[])
             AS told (batch_id, customer_id, state, reason, reference)
         JOIN ours ON ours.id = told.batch_id
    WHERE delivery.campaign_id = %(campaign)s AND delivery.customer_id = told.customer_id
      AND delivery.customer_id = ANY(%(customers)s::bigint[])
      AND delivery.state IN ('queued', 'unclear')
)
SELECT id FROM ours
"""

SETTLE = """
UPDATE campaigns_batch AS batch SET
    state = CASE
        WHEN rows.go_on THEN 'waiting'
        WHEN rows.unclear > 0 THEN 'unclear'
        WHEN rows.queued > 0 THEN 'cancelled'
        ELSE 'done' END,
    lease_token = NULL, lease_until = NULL, drawn = 0,
    done_at = CASE WHEN NOT rows.go_on AND rows.unclear = 0 THEN %(now)s::timestamptz END,
    next_attempt_at = CASE
        WHEN rows.go_on THEN rows.next_at
        WHEN rows.unclear > 0 AND %(askable)s THEN %(look_at)s::timestamptz END
FROM (
    SELECT waits.batch_id, waits.next_at, found.queued, found.unclear,
           campaign.state = 'cancelled' AS cancelled,
           campaign.state <> 'cancelled'
               AND (found.queued > 0 OR waits.again AND found.unclear > 0) AS go_on
    FROM campaigns_campaign AS campaign,
         unnest(%(batches)s::bigint[], %(nexts)s::timestamptz[], %(again)s::boolean[])
             AS waits (batch_id, next_at, again)
         CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE state = 'queued') AS queued,
                    count(*) FILTER (WHERE state = 'unclear') AS unclear
             FROM campaigns_delivery WHERE batch_id = waits.batch_id
         ) AS found
    WHERE campaign.id = %(campaign)s
) AS rows
WHERE batch.id = rows.batch_id AND batch.state = 'sending' AND batch.lease_token = %(token)s
RETURNING batch.id, rows.cancelled
"""

HOLD = "SELECT FROM campaigns_campaign WHERE id = %s FOR SHARE"
"""Nobody cancels the campaign between the look at its state and the end of the transaction."""
