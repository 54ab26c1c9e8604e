"""The events that other systems can be told of: a closed list, made from what history records.

Every action writes one history entry; no action publishes anything itself. An entry whose action
stands in ``EVENTS`` becomes an event under a name that stays, whatever the action is called
inside. What stands in ``PRIVATE`` is nobody's business outside; a test finds actions in neither.

An event says what happened to which id, and figures: never a name, a number or a word that
people typed. Receivers read the rest by the API, within the scope of their key.
"""

from django.utils.translation import gettext_lazy as _

from crm.event_types import EventType

TEST = "webhook.test"
"""Sent by the test button only."""

_STAFF = (
    EventType("staff.hired", _("Somebody began to work here."), "staff"),
    EventType(
        "staff.leaving",
        _("Somebody's last day was set or moved."),
        "staff",
        carries={"leaves_on": "2026-03-31"},
    ),
    EventType("staff.stays", _("Somebody stays after all."), "staff"),
    EventType(
        "staff.departed",
        _("Somebody has left; their customers are in custody."),
        "staff",
        carries={"customers": 250},
    ),
    EventType("staff.suspended", _("Somebody is on a long leave."), "staff"),
    EventType("staff.resumed", _("Somebody is back from a long leave."), "staff"),
    EventType("staff.rehired", _("Somebody who had left works here again."), "staff"),
)
_HANDOVERS = (
    EventType(
        "handover.planned",
        _("A leave or re-balance is planned. A departure plans its own: staff.departed says so."),
        "handover",
        carries={"size": 250},
    ),
    EventType(
        "handover.extended",
        _("Customers who came late were taken into the plan."),
        "handover",
        carries={"customers": 2},
    ),
    EventType(
        "handover.proposed",
        _("Customers were shared out in the simplest way."),
        "handover",
        carries={"receivers": [5, 8], "strategy": "evenly"},
    ),
    EventType(
        "handover.steps_changed",
        _("The steps of a plan say anew who gets whom."),
        "handover",
        carries={"steps": 3},
    ),
    EventType(
        "handover.customers_moved",
        _("Customers of a plan were moved by hand."),
        "handover",
        carries={"customers": 12, "receiver": 5},
    ),
    EventType(
        "handover.customers_left_out",
        _("Customers of a plan stay with the colleague who keeps working."),
        "handover",
        carries={"customers": 12},
    ),
    EventType(
        "handover.chats_assigned",
        _("Somebody was chosen to get group chats."),
        "handover",
        carries={"chats": 2, "to": 8},
    ),
    EventType("handover.started", _("The receivers answer for the customers now."), "handover"),
    EventType(
        "handover.items_settled",
        _("Customers were taken over, or not."),
        "handover",
        carries={"outcome": "accepted", "customers": 100},
    ),
    EventType(
        "handover.reassigned",
        _("Customers whom nobody got were offered to others by a manager."),
        "handover",
        carries={"customers": 4},
    ),
    EventType("handover.announced", _("The customers are told who is there for them."), "handover"),
    EventType(
        "handover.finished",
        _("A handover is over: everybody is settled, or a manager has closed it."),
        "handover",
        actions=("handover.finished", "handover.done"),
        carries={"pool": 0},
    ),
    EventType(
        "handover.cancelled",
        _("What had not been asked yet was stopped."),
        "handover",
        carries={"customers": 30},
    ),
    EventType(
        "handover.undone",
        _("A handover, or some of it, is being undone."),
        "handover",
        carries={"withdrawn": 10, "given_back": 80, "left_alone": 3, "chats": 2},
    ),
)
_CUSTOMERS = (
    EventType(
        "customer.added",
        _("Somebody became a customer."),
        "customer",
        carries={"staff": 5},
    ),
    EventType(
        "customer.edited",
        _("Facts about a customer were changed."),
        "customer",
        carries={"fields": ["city"]},
    ),
    EventType("customer.tagged", _("A customer got tags."), "customer"),
    EventType("customer.untagged", _("A customer lost a tag."), "customer"),
    EventType(
        "customer.opted_out",
        _("A customer refused messages: of a channel or purpose, or empty for all."),
        "customer",
        carries={"channel": "email", "purpose": "campaign"},
    ),
    EventType(
        "customer.opted_in",
        _("A customer agreed to messages: of a channel or purpose, or empty for all."),
        "customer",
        carries={"channel": "email", "purpose": "campaign"},
    ),
    EventType(
        "customer.erased",
        _("A customer was erased at their request: forget whom this number meant."),
        "customer",
    ),
    EventType(
        "customer.lost",
        _("A customer is connected with nobody any more."),
        "loss",
        carries={"kind": "by_customer", "staff": 5},
    ),
    EventType("customer.won_back", _("A lost customer is connected again."), "loss"),
    EventType(
        "customer.written_off",
        _("A lost customer was given up."),
        "loss",
        actions=("loss.written_off",),
    ),
    EventType(
        "customer.transferred",
        _("One customer was given to a colleague."),
        "customer",
        carries={"from": 5, "to": 8},
    ),
    EventType(
        "customer.merged",
        _("A record was merged into another one of the same person, which stands for both."),
        "customer",
        carries={"into": 7},
    ),
    EventType(
        "customer.unmerged",
        _("A merge was taken apart: the record is a customer again."),
        "customer",
        carries={"from": 7},
    ),
    EventType(
        "customer.disconnected",
        _("A connection of a customer and a colleague ended."),
        "customer",
        actions=("follow.ended",),
        carries={"staff": 5, "reason": "by_customer"},
    ),
    EventType(
        "customer.claimed",
        _("A guide has taken a customer out of the pool."),
        "staff",
        actions=("pool.claimed",),
        carries={"customer": 7},
    ),
    EventType(
        "pool.assigned",
        _("Customers of a pool were given to guides; how many to whom."),
        "store",
        carries={"customers": 20, "staff": {"5": 12, "8": 8}},
    ),
    EventType(
        "pool.recycled",
        _("Customers whom nobody contacted went back to the pool; how many from whom."),
        "store",
        carries={"customers": 9, "staff": {"5": 9}},
    ),
)
_WORK = (
    EventType(
        "task.created",
        _("There is something to do."),
        "task",
        actions=("task.added",),
        carries={"kind": "promise"},
    ),
    EventType("task.done", _("A task is done."), "task", carries={"kind": "promise"}),
    EventType("task.dropped", _("A task was given up."), "task", carries={"kind": "promise"}),
    EventType(
        "task.rescheduled",
        _("A task is due on another day."),
        "task",
        carries={"due_on": "2026-03-31"},
    ),
    EventType(
        "task.reassigned", _("A task was given to somebody else."), "task", carries={"staff": 8}
    ),
    EventType("order.added", _("An order was told."), "order", carries={"state": "paid"}),
    EventType("order.changed", _("An order has changed."), "order", carries={"state": "refunded"}),
    EventType("coupon.given", _("A coupon was given to a customer."), "coupon"),
    EventType("coupon.redeemed", _("A coupon was redeemed."), "coupon"),
)
_CAMPAIGNS = (
    EventType("segment.changed", _("A segment was changed."), "segment"),
    EventType("segment.archived", _("A segment was taken out of the lists."), "segment"),
    EventType("segment.members_changed", _("A static list was changed."), "segment"),
    EventType("post.created", _("A post was drafted."), "post"),
    EventType("post.changed", _("A drafted post was changed."), "post"),
    EventType("post.scheduled", _("A post is scheduled."), "post"),
    EventType("post.draft", _("A post was taken back into a draft."), "post"),
    EventType("post.sending", _("A post goes out."), "post"),
    EventType("post.waiting", _("A post waits for staff."), "post"),
    EventType("post.reminded", _("Colleagues were reminded of a post."), "post"),
    EventType("post.done", _("A post is over."), "post"),
    EventType("post.cancelled", _("A post was cancelled."), "post"),
    EventType("campaign.created", _("A campaign was drafted."), "campaign"),
    EventType("campaign.changed", _("A campaign was changed."), "campaign"),
    EventType("campaign.scheduled", _("A campaign is scheduled."), "campaign"),
    EventType("campaign.split", _("A campaign's recipients are to be split."), "campaign"),
    EventType(
        "campaign.review",
        _("A campaign waits for approval."),
        "campaign",
        carries={"recipients": 12000, "why": "asked"},
    ),
    EventType(
        "campaign.approved",
        _("A campaign was approved."),
        "campaign",
        carries={"recipients": 12000},
    ),
    EventType("campaign.sent_back", _("A campaign was not approved."), "campaign"),
    EventType("campaign.rescheduled", _("A campaign goes out at another time."), "campaign"),
    EventType(
        "campaign.winner_chosen",
        _("The wording for the rest of a campaign is chosen."),
        "campaign",
        carries={"variant": "a", "batches": 40},
    ),
    EventType(
        "campaign.winner_unclear",
        _("No wording of a campaign is clearly the best; somebody has to choose."),
        "campaign",
        carries={"reason": "tie"},
    ),
    EventType("series.created", _("A series of campaigns began."), "series"),
    EventType("series.changed", _("A series of campaigns was changed."), "series"),
    EventType("series.paused", _("A series of campaigns was paused."), "series"),
    EventType("series.resumed", _("A series of campaigns goes on."), "series"),
    EventType("series.ended", _("A series of campaigns is over."), "series"),
    EventType("series.run", _("A series made a campaign."), "series", carries={"campaign": 31}),
    EventType("series.not_run", _("A series could not make a campaign."), "series"),
    EventType("campaign.draft", _("A campaign was taken back into a draft."), "campaign"),
    EventType("campaign.not_planned", _("A campaign could not be planned."), "campaign"),
    EventType("campaign.planned", _("The batches of a campaign stand."), "campaign"),
    EventType("campaign.sending", _("A campaign goes out."), "campaign"),
    EventType("campaign.waiting", _("A campaign waits for staff to confirm."), "campaign"),
    EventType("campaign.paused", _("A campaign was paused."), "campaign"),
    EventType(
        "campaign.reminded",
        _("Staff were asked once more to confirm."),
        "campaign",
        carries={"batches": 3},
    ),
    EventType("campaign.checked", _("The channel is asked about what is unclear."), "campaign"),
    EventType(
        "campaign.sent_again",
        _("What was unclear is sent once more."),
        "campaign",
        carries={"recipients": 3},
    ),
    EventType(
        "campaign.written_off",
        _("What was unclear counts as failed."),
        "campaign",
        carries={"recipients": 3},
    ),
    EventType(
        "campaign.done",
        _("A campaign is over."),
        "campaign",
        carries={"states": {"sent": 11480, "failed": 20, "skipped": 500}},
    ),
    EventType("campaign.cancelled", _("A campaign was cancelled."), "campaign"),
)

GROUPS = (
    (_("Staff"), _STAFF),
    (_("Handovers"), _HANDOVERS),
    (_("Customers"), _CUSTOMERS),
    (_("Tasks, orders, coupons"), _WORK),
    (_("Campaigns"), _CAMPAIGNS),
)
"""All events, as people look for them."""

EVENTS = {event.name: event for _label, events in GROUPS for event in events}
"""All events, by name."""

OF_ACTION = {action: event for event in EVENTS.values() for action in event.recorded_as}
"""The event that an action of history is."""

PRIVATE = frozenset(
    {
        "code.created",
        "customer.gave_back",
        "customer.took_in",
        "content.archived",
        "content.created",
        "content.revised",
        "content.test_sent",
        "customers.exported",
        "recipients.exported",
        "finding.dismissed",
        "finding.repaired",
        "handover_items.exported",
        "handover.plan_saved",
        "handover.plan_taken",
        "loss.reason",
        "loss.win_back",
        "losses.exported",
        "media.archived",
        "media.brought_back",
        "media.uploaded",
        "messaging_rules.changed",
        "pool.rule_changed",
        "pool.rule_dropped",
        "quick_reply.archived",
        "quick_reply.created",
        "reconciliation.done",
        "reconciliation.started",
        "segment.created",
        "staff.capacity_changed",
        "staff_file.exported",
        "staff_file.read",
        "staff_file.started",
        "store.capacity_changed",
        "welcome_rule.dropped",
        "welcome_rule.set",
        "webhook.changed",
        "webhook.created",
        "webhook.paused",
        "webhook.removed",
        "webhook.replayed",
        "webhook.resumed",
        "webhook.secret_rotated",
    }
)
"""Actions that stay inside: how people plan and look at things, and who may see what."""
