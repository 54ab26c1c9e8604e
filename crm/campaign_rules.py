"""What always holds of campaigns, as SQL for ``invariant_rules``."""

AUDIENCES_CHANGED = """
SELECT 'batch ' || batch.id || ' of ' || batch.size || ' has ' || count(delivery.customer_id)
       || ' recipients'
FROM campaigns_batch AS batch
LEFT JOIN campaigns_delivery AS delivery ON delivery.batch_id = batch.id
GROUP BY batch.id
HAVING count(delivery.customer_id) <> batch.size OR count(delivery.customer_id) > 200
UNION ALL
SELECT 'campaign ' || campaign.id || ' was frozen at ' || coalesce(campaign.recipients, 0)
       || ' + ' || coalesce(campaign.skipped, 0) || ' and has ' || count(delivery.batch_id)
       || ' + ' || count(delivery.customer_id) - count(delivery.batch_id)
FROM campaigns_campaign AS campaign
LEFT JOIN campaigns_delivery AS delivery ON delivery.campaign_id = campaign.id
GROUP BY campaign.id
HAVING count(delivery.batch_id) <> coalesce(campaign.recipients, 0)
    OR count(delivery.customer_id)
       <> coalesce(campaign.recipients, 0) + coalesce(campaign.skipped, 0)
UNION ALL
SELECT 'delivery of campaign ' || delivery.campaign_id || ' to customer '
       || delivery.customer_id || ' is in no batch of that campaign'
FROM campaigns_delivery AS delivery
WHERE delivery.batch_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM campaigns_batch AS batch
    WHERE batch.id = delivery.batch_id AND batch.campaign_id = delivery.campaign_id
)
"""
"""Batches that are too large, and campaigns that reach others than were frozen."""

# A batch without a sender is one of letters: it is claimed again for those that are left,
# so that when it was claimed says nothing of those that had gone before.
SENT_TO_WHO_REFUSED = """
SELECT 'delivery of campaign ' || delivery.campaign_id || ' to customer ' || customer.id
       || ', who had opted out'
FROM contacts_customer AS customer
JOIN campaigns_delivery AS delivery ON delivery.customer_id = customer.id
JOIN campaigns_batch AS batch ON batch.id = delivery.batch_id
WHERE customer.opted_out_at IS NOT NULL
  AND delivery.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear')
  AND batch.claimed_at > customer.opted_out_at + interval '1 second'
  AND (batch.sender_id IS NOT NULL
       OR delivery.sent_at > customer.opted_out_at + interval '1 minute')
UNION ALL
SELECT 'delivery of campaign ' || delivery.campaign_id || ' to customer '
       || delivery.customer_id || ', who had refused it'
FROM contacts_consent AS refusal
JOIN campaigns_delivery AS delivery ON delivery.customer_id = refusal.customer_id
JOIN campaigns_campaign AS campaign ON campaign.id = delivery.campaign_id
JOIN campaigns_batch AS batch ON batch.id = delivery.batch_id
WHERE NOT refusal.granted
  AND refusal.channel IN ('', campaign.channel) AND refusal.purpose IN ('', campaign.purpose)
  AND (refusal.channel <> '' OR refusal.purpose <> '')
  AND delivery.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear')
  AND batch.claimed_at > refusal.at + interval '1 second'
  AND (batch.sender_id IS NOT NULL
       OR delivery.sent_at > refusal.at + interval '1 minute')
  AND NOT EXISTS (
      SELECT FROM contacts_consent AS later
      WHERE later.customer_id = refusal.customer_id AND later.granted
        AND later.channel IN ('', campaign.channel)
        AND later.purpose IN ('', campaign.purpose) AND later.at > refusal.at
  )
UNION ALL
SELECT 'customer ' || customer.id || ' is marked as refusing everything, but agreed since'
FROM contacts_customer AS customer
JOIN contacts_consent AS word ON word.customer_id = customer.id AND word.granted
WHERE customer.opted_out_at IS NOT NULL
"""
"""Messages to whoever had refused them, and refusals that contradict each other."""

MISCOUNTED = """
SELECT 'campaign ' || campaign_id || ' has ' || real || ' recipients that are ' || state
       || ', and counts ' || told
FROM (
    SELECT campaign_id, state, reason, sum(told) AS told, sum(real) AS real FROM (
        SELECT campaign_id, state, reason, n AS told, 0 AS real FROM campaigns_tally
        UNION ALL
        SELECT campaign_id, state, reason, 0, 1 FROM campaigns_delivery
    ) AS both_of_them
    GROUP BY campaign_id, state, reason
) AS compared
WHERE told <> real
"""
"""States of recipients that the pages count otherwise than they are."""
