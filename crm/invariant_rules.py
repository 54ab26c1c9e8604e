"""What always holds, as data: each promise with the SQL that finds the rows breaking it.

A query returns one row of text per break, saying which row it is and what is wrong with it. Most
promises are kept by constraints, so that their query can only find something when a constraint
was switched off, a backup was patched, or the constraint does not reach that far.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crm.campaign_rules import AUDIENCES_CHANGED, MISCOUNTED, SENT_TO_WHO_REFUSED
from crm.erasure_rules import KNOWN_OF_THE_ERASED
from crm.merge_rules import LEFT_WITH_THE_MERGED


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise. ``broken`` selects a text for every row that breaks it at ``%(now)s``."""

    number: int
    promise: str | Promise
    broken: str


RULES = (
    Rule(
        0,
        _("Every constraint that keeps these promises stands in the database."),
        """
        SELECT 'constraint ' || name || ' is missing or not validated'
        FROM unnest(%(guards)s::text[]) AS name
        WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conname = name AND convalidated)
          AND NOT EXISTS (
              SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
              WHERE relname = name AND indisunique AND indisvalid
          )
        """,
    ),
    Rule(
        1,
        _("Every customer has exactly one owner, and the ledger of owners has no gap or overlap."),
        """
        SELECT 'customer ' || customer.id || ' has ' || count(period.id)
               || ' open periods, or one of another owner'
        FROM contacts_customer AS customer
        LEFT JOIN contacts_ownershipperiod AS period
            ON period.customer_id = customer.id AND period.ended_at IS NULL
        GROUP BY customer.id
        HAVING CASE WHEN customer.state = 'active' THEN
            count(period.id) <> 1
            OR max(period.staff_id) IS DISTINCT FROM customer.owner_id
            OR (customer.owner_id IS NULL AND max(period.store_id) <> customer.store_id)
        ELSE customer.owner_id IS NOT NULL OR count(period.id) > 0 END
        UNION ALL
        SELECT 'customer ' || customer_id || ' is owned by nobody or by two around ' || began_at
        FROM (
            SELECT customer_id, began_at, ended_at, lag(ended_at, 1, began_at) OVER (
                PARTITION BY customer_id ORDER BY began_at, ended_at NULLS LAST, id
            ) AS one_before_ended_at
            FROM contacts_ownershipperiod
        ) AS ledger
        WHERE one_before_ended_at IS DISTINCT FROM began_at AND NOT EXISTS (
            SELECT FROM contacts_merge AS merge
            WHERE merge.gone_id = ledger.customer_id AND merge.undone_at = ledger.began_at
              AND merge.at <= ledger.one_before_ended_at
        )
        """,
    ),
    Rule(
        2,
        _("Nobody who has departed owns a customer or a group chat."),
        """
        SELECT 'customer ' || customer.id || ' is owned by staff ' || staff.id || ', who has departed'
        FROM contacts_staff AS staff
        JOIN contacts_customer AS customer ON customer.owner_id = staff.id
        WHERE staff.state = 'departed'
        UNION ALL
        SELECT 'period ' || period.id || ' is open for staff ' || staff.id || ', who has departed'
        FROM contacts_staff AS staff
        JOIN contacts_ownershipperiod AS period
            ON period.staff_id = staff.id AND period.ended_at IS NULL
        WHERE staff.state = 'departed'
        UNION ALL
        SELECT 'group chat ' || chat.id || ' is owned by staff ' || staff.id || ', who has departed'
        FROM contacts_groupchat AS chat JOIN contacts_staff AS staff ON staff.id = chat.owner_id
        WHERE staff.state = 'departed'
        """,
    ),
    Rule(
        3,
        _("A handover always adds up, and a customer is in at most one open handover."),
        """
        SELECT 'handover ' || handover.id || ' of ' || handover.size || ' has '
               || count(item.id) || ' customers'
        FROM contacts_handover AS handover
        LEFT JOIN contacts_handoveritem AS item ON item.handover_id = handover.id
        GROUP BY handover.id HAVING count(item.id) <> handover.size
        UNION ALL
        SELECT 'customer ' || customer_id || ' is in ' || count(*) || ' open handovers'
        FROM contacts_handoveritem WHERE closed_at IS NULL
        GROUP BY customer_id HAVING count(*) > 1
        UNION ALL
        SELECT 'handover ' || handover.id || ' is over, but ' || count(*) || ' customers are not settled'
        FROM contacts_handover AS handover
        JOIN contacts_handoveritem AS item ON item.handover_id = handover.id
        WHERE handover.closed_at IS NOT NULL AND item.closed_at IS NULL
        GROUP BY handover.id
        UNION ALL
        SELECT 'group chat ' || chat_id || ' is in ' || count(*) || ' open handovers'
        FROM contacts_chatitem WHERE closed_at IS NULL
        GROUP BY chat_id HAVING count(*) > 1
        UNION ALL
        SELECT 'handover ' || handover.id || ' is over, but ' || count(*) || ' chats are not settled'
        FROM contacts_handover AS handover
        JOIN contacts_chatitem AS item ON item.handover_id = handover.id
        WHERE handover.closed_at IS NOT NULL AND item.closed_at IS NULL
        GROUP BY handover.id
        UNION ALL
        SELECT 'group chat ' || item.chat_id || ' of a running handover waits for nobody'
        FROM contacts_chatitem AS item
        JOIN contacts_handover AS handover ON handover.id = item.handover_id
        WHERE handover.state = 'running' AND item.state = 'planned'
          AND (item.to_staff_id IS NULL OR item.next_attempt_at IS NULL)
        UNION ALL
        SELECT 'staff ' || to_staff_id || ' was given ' || count(*) || ' group chats in a day'
        FROM contacts_chatitem
        WHERE state IN ('accepted', 'requested') AND attempts > 0
          AND state_at > %(now)s - interval '1 day'
        GROUP BY to_staff_id HAVING count(*) > 300
        UNION ALL
        SELECT 'request ' || request_id || ' holds ' || count(*) || ' customers'
        FROM contacts_handoveritem WHERE request_id IS NOT NULL
        GROUP BY request_id HAVING count(*) > 100
        """,
    ),
    Rule(
        4,
        _("Nothing about a customer is lost: whatever is said of one points at a row that exists."),
        """
        SELECT 'delivery of campaign ' || delivery.campaign_id || ' to customer '
               || delivery.customer_id || ' has no customer'
        FROM campaigns_delivery AS delivery
        WHERE NOT EXISTS (SELECT FROM contacts_customer WHERE id = delivery.customer_id)
        UNION ALL
        SELECT 'history entry ' || entry.id || ' is about customer ' || entry.subject_id
               || ', who is gone'
        FROM contacts_historyentry AS entry
        WHERE entry.subject_kind = 'customer'
          AND NOT EXISTS (SELECT FROM contacts_customer WHERE id = entry.subject_id)
        UNION ALL
        SELECT 'customer ' || customer.id || ' is merged into ' || target.id
               || ', who is ' || target.state
        FROM contacts_customer AS customer
        JOIN contacts_customer AS target ON target.id = customer.merged_into_id
        WHERE target.state <> 'active'
        """,
    ),
    Rule(
        5,
        _(
            "A batch holds at most 200 recipients, and a campaign reaches exactly its frozen audience."
        ),
        AUDIENCES_CHANGED,
    ),
    Rule(
        6,
        _(
            "Every outside call is claimed, and what became of a claim is known or shown as unclear."
        ),
        """
        SELECT 'batch ' || id || ' is being sent without a lease, or its lease ran out long ago'
        FROM campaigns_batch
        WHERE state = 'sending' AND (lease_token IS NULL OR lease_until IS NULL
                                     OR lease_until < %(now)s - interval '5 minutes')
        UNION ALL
        SELECT 'request ' || id || ' is being made without a lease, or its lease ran out long ago'
        FROM contacts_handoverrequest
        WHERE state = 'calling'
          AND (lease_until IS NULL OR lease_until < %(now)s - interval '5 minutes')
        UNION ALL
        SELECT 'group chat ' || chat_id || ' is being moved, but its lease ran out long ago'
        FROM contacts_chatitem
        WHERE state = 'requested'
          AND (lease_until IS NULL OR lease_until < %(now)s - interval '5 minutes')
        UNION ALL
        SELECT 'comparison ' || id || ' has stood still since its lease ran out long ago'
        FROM contacts_reconciliation
        WHERE state = 'running' AND lease_until < %(now)s - interval '5 minutes'
        UNION ALL
        SELECT 'batch ' || id || ' is with the channel without a reference'
        FROM campaigns_batch WHERE state = 'handed' AND reference = ''
        UNION ALL
        SELECT 'reference ' || reference || ' belongs to ' || count(*) || ' batches'
        FROM campaigns_batch WHERE reference <> ''
        GROUP BY reference HAVING count(*) > 1
        """,
    ),
    Rule(
        7,
        _("Nobody who had opted out was sent a campaign."),
        SENT_TO_WHO_REFUSED,
    ),
    Rule(
        8,
        _("A welcome is sent within its 20 seconds, and every welcome code has an outcome."),
        """
        SELECT 'welcome ' || id || ' was sent after its deadline'
        FROM campaigns_welcome WHERE state = 'sent' AND settled_at > deadline_at
        UNION ALL
        SELECT 'welcome ' || id || ' is still ' || state || ' long after its deadline'
        FROM campaigns_welcome
        WHERE state IN ('pending', 'sending') AND deadline_at < %(now)s - interval '1 minute'
        """,
    ),
    Rule(
        9,
        _("Every callback has its effect once, and soon."),
        """
        SELECT 'callback ' || id || ' is due since ' || next_attempt_at
        FROM contacts_callback
        WHERE state = 'received' AND next_attempt_at < %(now)s - interval '10 minutes'
        UNION ALL
        SELECT 'callback ' || key || ' is stored ' || count(*) || ' times'
        FROM contacts_callback GROUP BY provider, key HAVING count(*) > 1
        """,
    ),
    Rule(
        10,
        _("Nobody who has departed can come in, by account or by API key."),
        """
        SELECT 'account ' || account.id || ' of staff ' || staff.id || ', who has departed, is active'
        FROM contacts_staff AS staff
        JOIN contacts_user AS account ON account.id = staff.user_id
        WHERE staff.state = 'departed' AND account.is_active
        UNION ALL
        SELECT 'API key ' || key.id || ' of staff ' || staff.id || ', who has departed, is valid'
        FROM contacts_apikey AS key
        JOIN contacts_staff AS staff ON staff.id = key.staff_id
        WHERE staff.state = 'departed' AND key.revoked_at IS NULL
          AND (key.expires_at IS NULL OR key.expires_at > %(now)s)
        UNION ALL
        SELECT 'role ' || role || ' with scope ' || scope || ' of staff ' || staff_id || ' is unknown'
        FROM contacts_rolegrant
        WHERE NOT (role = ANY(%(roles)s) AND scope = ANY(%(scopes)s))
        """,
    ),
    Rule(
        11,
        _("History and the consent ledger are append-only for everybody."),
        # tgtype: 1 each row, 2 before, 8 delete, 16 update, 32 truncate (PostgreSQL, catalog/pg_trigger.h).
        """
        SELECT guard || ' does not guard ' || guarded
        FROM (VALUES ('history_append_only', 'contacts_historyentry'),
                     ('consent_append_only', 'contacts_consententry')) AS wanted (guard, guarded)
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgname = guard AND tgrelid = guarded::regclass
              AND tgenabled IN ('O', 'A') AND tgtype & 58 = 58
        )
        UNION ALL
        SELECT guard || ' does not watch the door of ' || guarded
        FROM (VALUES ('history_only_forgets', 'contacts_historyentry'),
                     ('consent_only_forgets', 'contacts_consententry')) AS wanted (guard, guarded)
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgname = guard AND tgrelid = guarded::regclass
              AND tgenabled IN ('O', 'A') AND tgtype & 19 = 19
        )
        """,
    ),
    Rule(
        12,
        _("What is over is over: nothing in it still waits, and it says when it ended."),
        """
        SELECT 'campaign ' || campaign.id || ' is ' || campaign.state || ', but batch ' || batch.id
               || ' is ' || batch.state
        FROM campaigns_batch AS batch
        JOIN campaigns_campaign AS campaign ON campaign.id = batch.campaign_id
        WHERE (campaign.state = 'done' AND batch.state IN ('waiting', 'sending', 'handed', 'unclear'))
           OR (campaign.state = 'cancelled' AND batch.state = 'waiting')
        UNION ALL
        SELECT 'batch ' || batch.id || ' is ' || batch.state || ', but ' || count(*)
               || ' of its recipients are still queued'
        FROM campaigns_batch AS batch
        JOIN campaigns_delivery AS delivery ON delivery.batch_id = batch.id
        WHERE batch.state IN ('handed', 'refused', 'done', 'cancelled')
          AND delivery.state = 'queued'
        GROUP BY batch.id
        UNION ALL
        SELECT 'batch ' || id || ' is ' || state || ', but does not say since when'
        FROM campaigns_batch WHERE state IN ('done', 'refused', 'cancelled') AND done_at IS NULL
        UNION ALL
        SELECT 'callback ' || id || ' is done, but does not say since when'
        FROM contacts_callback WHERE state = 'done' AND done_at IS NULL
        """,
    ),
    Rule(
        13,
        _("Nobody counts as lost who is connected, and every removal counts once."),
        """
        SELECT 'customer ' || loss.customer_id || ' counts as lost and is connected with staff '
               || follow.staff_id
        FROM contacts_loss AS loss
        JOIN contacts_follow AS follow
            ON follow.customer_id = loss.customer_id AND follow.ended_at IS NULL
        WHERE loss.state = 'open'
        UNION ALL
        SELECT 'loss ' || loss.id || ' is of follow ' || follow.id || ', which goes on'
        FROM contacts_loss AS loss
        JOIN contacts_follow AS follow ON follow.id = loss.follow_id
        WHERE follow.ended_at IS NULL
        """,
    ),
    Rule(
        14,
        _("What a customer has spent is what their paid orders come to."),
        """
        SELECT 'customer ' || customer.id || ' has spent ' || customer.spent
               || ', and their orders come to ' || bought.paid
        FROM (
            SELECT coalesce(buyer.merged_into_id, buyer.id) AS customer_id,
                   coalesce(sum(amount) FILTER (
                       WHERE crm_order.state IN ('paid', 'shipped', 'done') AND currency = 'CNY'
                   ), 0) AS paid
            FROM crm_order JOIN contacts_customer AS buyer ON buyer.id = crm_order.customer_id
            GROUP BY 1
        ) AS bought
        JOIN contacts_customer AS customer ON customer.id = bought.customer_id
        WHERE customer.state = 'active' AND customer.spent <> bought.paid
        """,
    ),
    Rule(
        15,
        _("What the pages count of a campaign's recipients is what there is."),
        MISCOUNTED,
    ),
    Rule(
        16,
        _("Whoever was merged into another keeps nothing that lives on with the other."),
        LEFT_WITH_THE_MERGED,
    ),
    Rule(
        17,
        _("Nobody who was erased is known any more, or waits for anything."),
        KNOWN_OF_THE_ERASED,
    ),
)
