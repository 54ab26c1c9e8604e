"""What always holds of merged records, as SQL for ``invariant_rules``."""

LEFT_WITH_THE_MERGED = """
SELECT 'customer ' || customer.id || ' is merged and still has ' || kept.what || ' ' || kept.id
FROM contacts_customer AS customer
CROSS JOIN LATERAL (
    SELECT 'identity' AS what, id FROM contacts_identity WHERE customer_id = customer.id
    UNION ALL
    SELECT 'tag', tag_id FROM contacts_customertag WHERE customer_id = customer.id
    UNION ALL
    SELECT 'open task', id FROM contacts_task
    WHERE customer_id = customer.id AND state = 'open'
    UNION ALL
    SELECT 'active follow', id FROM contacts_follow
    WHERE customer_id = customer.id AND ended_at IS NULL
    UNION ALL
    SELECT 'open loss', id FROM contacts_loss
    WHERE customer_id = customer.id AND state = 'open'
    UNION ALL
    SELECT 'place on list', segment_id FROM campaigns_segmentmember
    WHERE customer_id = customer.id
) AS kept
WHERE customer.state = 'merged'
UNION ALL
SELECT 'customer ' || customer.id || ' is merged, and no merge says how'
FROM contacts_customer AS customer
WHERE customer.state = 'merged' AND NOT EXISTS (
    SELECT FROM contacts_merge WHERE gone_id = customer.id AND undone_at IS NULL
)
UNION ALL
SELECT 'merge ' || merge.id || ' stands, but customer ' || customer.id || ' is active'
FROM contacts_merge AS merge JOIN contacts_customer AS customer ON customer.id = merge.gone_id
WHERE merge.undone_at IS NULL AND customer.state = 'active'
"""
"""Whatever should have gone along, and merges that do not agree with their records."""
