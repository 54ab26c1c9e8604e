"""The only way from a request to a row: who is asking, and what of the company they may see.

Every function here takes a ``Viewer``. What is outside their scope does not exist for them: a
stranger's id is a 404, in pages, API, counts and searches alike.

A role reaches as far as its own grant and lends its reach to no other: whoever manages one store
and writes campaigns for the whole company sees everybody's customers, and lets go only colleagues
of that store. So what is done *as* something takes the stores of that role, and of an
administrator's grant; only seeing a customer or a colleague's name takes all roles together.
"""

from crm.access.campaigns import (
    batches_of,
    campaign_for,
    campaigns_of,
    deliveries_of,
    post_for,
    posts_of,
    quick_replies_of,
    quick_reply_for,
    series_for,
    series_of,
)
from crm.access.company import history_of, webhook_for, webhooks_of
from crm.access.comparisons import (
    finding_for,
    findings_of,
    not_in_your_stores,
    reconciliations_of,
    refusal_to_repair,
)
from crm.access.contents import content_for, contents_of, library_of, media_for, media_of
from crm.access.customers import (
    coupon_for,
    coupons_of,
    customer_for,
    customer_to_claim,
    customers_of,
    interactions_of,
    loss_for,
    losses_of,
    manages,
    may_erase,
    merge_for,
    offered_in_pool,
    orders_of,
    pool_of,
    record_to_erase,
    sees_numbers,
    survivor_for,
    survivor_to_erase,
)
from crm.access.handovers import briefed_in, chats_of, handover_for, handovers_of
from crm.access.people import (
    colleagues_of,
    notices_of,
    refusal_to_depart,
    staff_file_for,
    staff_files_of,
    staff_member_for,
    staff_of,
    stores_of,
)
from crm.access.reactions import reactions_to
from crm.access.segments import described_to, members_of, segment_for, segments_of
from crm.access.tasks import store_tasks_of, task_for, task_to_change, tasks_of
from crm.access.viewer import (
    Viewer,
    require,
    require_company,
    require_guide,
    viewer_as,
    viewer_for,
    viewer_of,
)
from crm.access.welcomes import welcome_rule_for, welcome_rules_of, welcomes_without_files

__all__ = [
    "Viewer",
    "batches_of",
    "briefed_in",
    "campaign_for",
    "campaigns_of",
    "chats_of",
    "colleagues_of",
    "content_for",
    "contents_of",
    "coupon_for",
    "coupons_of",
    "customer_for",
    "customer_to_claim",
    "customers_of",
    "deliveries_of",
    "described_to",
    "finding_for",
    "findings_of",
    "handover_for",
    "handovers_of",
    "history_of",
    "interactions_of",
    "library_of",
    "loss_for",
    "losses_of",
    "manages",
    "may_erase",
    "media_for",
    "media_of",
    "members_of",
    "merge_for",
    "not_in_your_stores",
    "notices_of",
    "offered_in_pool",
    "orders_of",
    "pool_of",
    "post_for",
    "posts_of",
    "quick_replies_of",
    "quick_reply_for",
    "reactions_to",
    "reconciliations_of",
    "record_to_erase",
    "refusal_to_depart",
    "refusal_to_repair",
    "require",
    "require_company",
    "require_guide",
    "sees_numbers",
    "segment_for",
    "segments_of",
    "series_for",
    "series_of",
    "staff_file_for",
    "staff_files_of",
    "staff_member_for",
    "staff_of",
    "store_tasks_of",
    "stores_of",
    "survivor_for",
    "survivor_to_erase",
    "task_for",
    "task_to_change",
    "tasks_of",
    "viewer_as",
    "viewer_for",
    "viewer_of",
    "webhook_for",
    "webhooks_of",
    "welcome_rule_for",
    "welcome_rules_of",
    "welcomes_without_files",
]
