"""What always holds of customers who were erased, as SQL for ``invariant_rules``."""

KNOWN_OF_THE_ERASED = """
SELECT 'customer ' || erased.id || ' was erased and ' || left_over.what
FROM contacts_customer AS erased
CROSS JOIN LATERAL (
    SELECT 'has an owner' AS what WHERE erased.owner_id IS NOT NULL
    UNION ALL
    SELECT 'is still described'
    WHERE (erased.name, erased.name_key, erased.search_key, erased.gender, erased.city,
           erased.note, erased.time_zone) <> ('', '', '', '', '', '', '')
       OR erased.birthday IS NOT NULL OR erased.attributes <> '{}'
    UNION ALL
    SELECT 'has identity ' || id FROM contacts_identity WHERE customer_id = erased.id
    UNION ALL
    SELECT 'carries tag ' || tag_id FROM contacts_customertag WHERE customer_id = erased.id
    UNION ALL
    SELECT 'waits for task ' || id FROM contacts_task
    WHERE customer_id = erased.id AND state = 'open'
    UNION ALL
    SELECT 'is connected with staff ' || staff_id FROM contacts_follow
    WHERE customer_id = erased.id AND ended_at IS NULL
    UNION ALL
    SELECT 'is in open handover ' || handover_id FROM contacts_handoveritem
    WHERE customer_id = erased.id AND closed_at IS NULL
    UNION ALL
    SELECT 'stands on list ' || segment_id FROM campaigns_segmentmember
    WHERE customer_id = erased.id
    UNION ALL
    SELECT 'has an address in campaign ' || campaign_id FROM campaigns_delivery
    WHERE customer_id = erased.id AND address <> ''
    UNION ALL
    SELECT 'waits in campaign ' || delivery.campaign_id
    FROM campaigns_delivery AS delivery
    LEFT JOIN campaigns_batch AS batch ON batch.id = delivery.batch_id
    WHERE delivery.customer_id = erased.id AND delivery.state = 'queued'
      AND coalesce(batch.state, 'done') IN ('done', 'refused', 'cancelled')
    UNION ALL
    SELECT 'has interaction ' || id || ' with words' FROM contacts_interaction
    WHERE customer_id = erased.id AND text <> ''
    UNION ALL
    SELECT 'left no tombstone' WHERE NOT EXISTS (
        SELECT FROM contacts_historyentry
        WHERE subject_kind = 'customer' AND subject_id = erased.id
          AND action = 'customer.erased'
    )
) AS left_over
WHERE erased.state = 'erased'
UNION ALL
SELECT guarded || ' takes rows about customers who were erased'
FROM unnest(ARRAY[
    'contacts_consententry', 'contacts_coupon', 'contacts_customertag', 'contacts_follow',
    'contacts_identity', 'contacts_interaction', 'contacts_task',
    'campaigns_segmentmember', 'campaigns_welcome', 'crm_order'
]) AS guarded
WHERE NOT EXISTS (
    SELECT FROM pg_trigger
    WHERE tgname = guarded || '_not_of_erased' AND tgrelid = guarded::regclass
      AND tgenabled IN ('O', 'A')
)
"""
"""Whatever should be gone, and tables in which rows about them would be taken again."""
