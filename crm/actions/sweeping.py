"""The sweeper: the database is the queue, so whatever is due can be found and done.

With the broker on, beat has the sweeper ring the doorbell for rows that are due; with it off,
``manage.py work`` does the same rows in its own process. Either way nothing depends on a
message that may have been lost.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from celery import Task

from campaigns import tasks as campaign_tasks
from campaigns.actions import due
from campaigns.actions.announcements import handovers_to_announce
from campaigns.actions.batches import expire_leases
from campaigns.actions.codes import codes_to_tell
from campaigns.actions.forgetting import forget_late_addresses
from campaigns.actions.posts.following import posts_to_check, posts_to_send
from campaigns.actions.posts.reactions import moments_to_read
from campaigns.actions.posts.sending import expire_share_leases
from campaigns.actions.tallies import fold_tallies
from campaigns.actions.welcome_rules import rules_with_files_due
from campaigns.actions.welcomes import write_off_welcomes
from campaigns.tracking.tallies import campaigns_to_count
from contacts import tasks as contact_tasks
from contacts.actions.chat_learning import chats_to_look_at
from contacts.actions.chat_transfers import handovers_with_chats_due
from contacts.actions.moving import handovers_to_move
from contacts.actions.pool_rounds import stores_to_assign
from contacts.actions.recycling import stores_to_recycle
from contacts.actions.telling import people_to_tell
from contacts.actions.transfers import handovers_to_check, handovers_to_request
from contacts.actions.undo import handovers_to_undo
from contacts.doorbell import ring
from contacts.enums import CallbackState
from contacts.models import Callback
from crm import tasks as crm_tasks
from crm.actions.departures import leavers_due
from crm.actions.mailbox import mailboxes_to_read
from crm.actions.reconcile import reconciliations_to_go_on
from crm.actions.staff_files import staff_files_to_carry_out
from crm.actions.webhook_collecting import cursors_to_move
from crm.actions.webhook_sending import webhooks_to_call

logger = logging.getLogger(__name__)

PATIENCE = 30
"""Seconds in which a worker must answer the sweeper's ring; the next sweep rings again."""

Finder = Callable[[datetime], list[int]]


def _callbacks(now: datetime) -> list[int]:
    rows = Callback.objects.filter(state=CallbackState.RECEIVED, next_attempt_at__lte=now)
    return list(rows.order_by("next_attempt_at").values_list("pk", flat=True)[:1000])


_DUE: list[tuple[Finder, Task]] = [
    (_callbacks, crm_tasks.process_callback),
    (due.welcomes_to_send, campaign_tasks.send_welcome),
    (rules_with_files_due, campaign_tasks.bring_welcome_files),
    (handovers_to_announce, crm_tasks.announce_handover),
    (due.series_to_run, crm_tasks.run_series),
    (due.campaigns_to_plan, crm_tasks.plan_campaign),
    (due.campaigns_to_send, campaign_tasks.send_batches),
    (due.experiments_to_decide, campaign_tasks.decide_experiment),
    (due.batches_to_look_up, campaign_tasks.look_up_batch),
    (due.batches_to_check, campaign_tasks.check_batch),
    (campaigns_to_count, crm_tasks.count_campaign),
    (posts_to_send, campaign_tasks.send_post),
    (posts_to_check, campaign_tasks.check_post),
    (moments_to_read, campaign_tasks.read_reactions),
    (chats_to_look_at, contact_tasks.look_at_chat),
    (handovers_with_chats_due, contact_tasks.transfer_chats),
    (handovers_to_move, contact_tasks.move_customers),
    (handovers_to_undo, contact_tasks.undo_customers),
    (handovers_to_request, contact_tasks.make_requests),
    (handovers_to_check, contact_tasks.check_handover),
    (leavers_due, crm_tasks.let_go_due),
    (staff_files_to_carry_out, crm_tasks.carry_out_staff_file),
    (codes_to_tell, campaign_tasks.tell_duty),
    (people_to_tell, contact_tasks.tell),
    (stores_to_assign, contact_tasks.assign_pool),
    (stores_to_recycle, contact_tasks.recycle_pool),
    (reconciliations_to_go_on, crm_tasks.reconcile),
    (cursors_to_move, crm_tasks.collect_events),
    (webhooks_to_call, crm_tasks.call_webhook),
    (mailboxes_to_read, crm_tasks.read_mailbox),
]


def ring_for_due(*, now: datetime) -> int:
    """Ring for every row that is due; returns how many that were."""
    rung = 0
    for task, row in _due(now):
        ring(task, row, expires=PATIENCE)
        rung += 1
    return rung


def do_what_is_due(*, now: datetime) -> int:
    """Do every row that is due, here and now, without a broker; returns how many that were."""
    done = 0
    for task, row in _due(now):
        try:
            task.run(row)
        except Exception:  # one row that cannot be worked on must not stop all the others
            logger.exception("%s failed for row %s", task.name, row)
        else:
            done += 1
    return done


def _due(now: datetime) -> Iterator[tuple[Task, int]]:
    expire_leases(now=now)
    expire_share_leases(now=now)
    fold_tallies()
    write_off_welcomes(now=now)
    forget_late_addresses(now=now)
    for find, task in _DUE:
        for row in find(now):
            yield task, row
