"""``check_invariants`` finds whatever breaks a promise, and nothing else.

What the database refuses is planted by force: with triggers and foreign keys switched off inside
the test's own transaction, or with the constraint removed, which rule 0 then finds as well.
"""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from contacts.enums import CallbackState, HandoverState, ItemState, LossState
from contacts.models import (
    Callback,
    Customer,
    Follow,
    Handover,
    HistoryEntry,
    Merge,
    OwnershipPeriod,
)
from crm.invariant_rules import RULES
from crm.invariants import EXAMPLES, check_rules, guards
from tests.builders import (
    NOON,
    make_callback,
    make_campaign,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_loss,
    make_staff,
    make_welcome,
)
from tests.crm import broken_promises

pytestmark = pytest.mark.django_db

LONG_AGO = NOON - timedelta(hours=1)


def broken(now=NOON):
    """The rules that are broken, with their number of rows."""
    return {finding.rule.number: finding.rows for finding in check_rules(now=now) if finding.rows}


# --- nothing is broken --------------------------------------------------------------------------


def test_an_empty_database_keeps_every_promise():
    assert broken() == {}


def test_a_company_at_work_keeps_every_promise():
    lin, wei = make_staff("Lin"), make_departed()
    chen = make_customer(owner=lin, address="wm-chen")
    Customer.objects.filter(pk=chen.pk).update(opted_out_at=NOON)
    broken_promises.make_period(make_customer(since=NOON), began_at=LONG_AGO, ended_at=NOON)
    make_handover(wei)
    make_handover(
        wei,
        customers=make_customers(2),
        to_staff=lin,
        state=HandoverState.DONE,
        item_state=ItemState.ACCEPTED,
    )
    batch = broken_promises.make_sending(3)
    Delivery.objects.create(
        campaign=batch.campaign,
        customer=chen,
        state=DeliveryState.SKIPPED,
        reason=DeliveryReason.OPTED_OUT,
    )
    Campaign.objects.filter(pk=batch.campaign_id).update(skipped=1)
    make_campaign("Autumn")
    make_welcome(lin, chen)
    make_callback()
    HistoryEntry.objects.create(
        action="customer.added", subject_kind="customer", subject_id=chen.pk, customer=chen, at=NOON
    )

    assert broken() == {}


# --- each promise, broken by force --------------------------------------------------------------


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (broken_promises.order_that_is_not_in_the_value, [14]),
        (broken_promises.missing_constraint, [0]),
        (broken_promises.missing_foreign_key, [0]),
        (broken_promises.unvalidated_constraint, [0]),
        (broken_promises.missing_unique_index, [0]),
        (broken_promises.webhook_without_its_guard, [0]),
        (broken_promises.customer_without_owner, [1]),
        (broken_promises.owner_who_is_not_in_the_ledger, [1]),
        (broken_promises.pool_that_is_not_in_the_ledger, [1]),
        (broken_promises.owned_tombstone, [1, 17]),
        (broken_promises.erased_who_is_still_described, [0, 17]),
        (broken_promises.erased_without_a_tombstone, [17]),
        (broken_promises.erased_who_has_an_address, [17]),
        (broken_promises.erased_who_carries_a_tag, [17]),
        (broken_promises.erased_who_waits_for_a_task, [17]),
        (broken_promises.erased_who_is_connected, [17]),
        (broken_promises.erased_in_an_open_handover, [17]),
        (broken_promises.erased_on_a_list, [17]),
        (broken_promises.erased_with_an_address_in_a_campaign, [17]),
        (broken_promises.erased_of_whom_something_is_said, [17]),
        (broken_promises.table_that_takes_rows_about_the_erased, [17]),
        (broken_promises.gap_in_the_ledger, [1]),
        (broken_promises.overlap_in_the_ledger, [0, 1]),
        (broken_promises.handover_that_does_not_add_up, [3]),
        (broken_promises.customer_in_two_open_handovers, [0, 3]),
        (broken_promises.handover_that_ended_too_early, [3]),
        (broken_promises.request_of_a_hundred_and_one, [0, 3]),
        (broken_promises.chat_that_nobody_is_going_to_move, [3]),
        (broken_promises.chat_that_was_claimed_long_ago, [6]),
        (broken_promises.lost_customer, [4]),
        (broken_promises.history_of_nobody, [4]),
        (broken_promises.chain_of_merges, [4]),
        (broken_promises.merged_with_an_address, [16]),
        (broken_promises.merged_with_a_tag, [16]),
        (broken_promises.merged_with_an_open_task, [16]),
        (broken_promises.merged_and_still_connected, [16]),
        (broken_promises.merged_and_still_lost, [16]),
        (broken_promises.merged_and_still_on_a_list, [16]),
        (broken_promises.merged_without_a_merge, [16]),
        (broken_promises.active_with_a_standing_merge, [16]),
        (broken_promises.batch_of_another_size, [5]),
        (broken_promises.audience_that_grew, [5]),
        (broken_promises.skipped_recipient_who_is_not_counted, [5]),
        (broken_promises.delivery_in_a_batch_of_another_campaign, [5]),
        (broken_promises.lease_that_ran_out_long_ago, [6]),
        (broken_promises.sending_without_a_lease, [0, 6]),
        (broken_promises.request_whose_lease_ran_out_long_ago, [6]),
        (broken_promises.comparison_that_stood_still, [6]),
        (broken_promises.handed_without_a_reference, [6]),
        (broken_promises.reference_of_two_batches, [0, 6]),
        (broken_promises.sent_to_someone_who_had_opted_out, [7]),
        (broken_promises.sent_by_a_refused_channel, [7]),
        (broken_promises.marked_as_refusing_what_was_agreed_to, [7]),
        (broken_promises.welcome_sent_too_late, [8]),
        (broken_promises.welcome_without_outcome, [8]),
        (broken_promises.callback_that_nobody_works_on, [9]),
        (broken_promises.callback_stored_twice, [0, 9]),
        (broken_promises.departed_with_an_account, [10]),
        (broken_promises.departed_with_an_api_key, [10]),
        (broken_promises.role_in_an_unknown_scope, [0, 10]),
        (broken_promises.history_without_guard, [11]),
        (broken_promises.consents_with_a_sleeping_guard, [11]),
        (broken_promises.history_that_may_be_emptied, [11]),
        (broken_promises.door_that_nobody_watches, [11]),
        (broken_promises.done_campaign_with_an_open_batch, [12]),
        (broken_promises.done_batch_with_a_queued_recipient, [12]),
        (broken_promises.refused_batch_without_a_time, [12]),
        (broken_promises.done_callback_without_a_time, [12]),
    ],
)
def test_a_broken_promise_is_found_as_one_row(plant, rules):
    plant()

    assert broken() == dict.fromkeys(rules, 1)


def test_a_ledger_may_have_the_gap_of_a_merge_that_was_taken_apart():
    chen = make_customer("Chen")
    later = NOON + timedelta(hours=1)
    chen.ownership_periods.update(ended_at=NOON)
    period = {"customer": chen, "store": chen.store, "reason": "unmerged", "began_at": later}
    OwnershipPeriod.objects.create(**period)
    assert broken() == {1: 1}

    Merge.objects.create(gone=chen, kept=make_customer("Zhao"), at=NOON, undone_at=later)

    assert broken() == {}


def test_a_departed_owner_is_found_in_customer_and_ledger():
    broken_promises.departed_owner()

    assert broken() == {2: 2}


def test_a_lease_that_ran_out_a_moment_ago_is_left_to_the_sweeper():
    batch = broken_promises.make_sending()
    Batch.objects.filter(pk=batch.pk).update(
        state=BatchState.SENDING,
        lease_token="00000000-0000-0000-0000-000000000001",
        lease_until=NOON - timedelta(minutes=4),
    )

    assert broken() == {}


def test_whoever_counts_as_lost_must_not_be_connected():
    loss = make_loss()
    assert broken() == {}

    make_follow(make_staff("Mei"), loss.customer)

    assert broken() == {13: 1}


def test_a_removal_is_of_a_follow_that_has_ended():
    loss = make_loss(state=LossState.WON_BACK)

    Follow.objects.filter(pk=loss.follow_id).update(ended_at=None, end_reason="")

    assert broken() == {13: 1}


def test_a_callback_that_waits_for_its_next_attempt_is_not_late():
    make_callback(received_at=LONG_AGO, next_attempt_at=NOON + timedelta(minutes=5))

    assert broken() == {}


# --- the command --------------------------------------------------------------------------------


def run():
    out = StringIO()
    call_command("check_invariants", stdout=out, no_color=True)
    return out.getvalue()


def test_the_command_prints_one_line_for_each_promise():
    lines = run().splitlines()

    assert [int(line.split()[0]) for line in lines] == [rule.number for rule in RULES]
    assert {int(line.split()[1]) for line in lines} == {0}


def test_the_command_fails_and_names_the_first_broken_rows():
    for _time in range(EXAMPLES + 2):
        broken_promises.done_callback_without_a_time()
    out = StringIO()

    with pytest.raises(CommandError, match=f"{EXAMPLES + 2} rows break a promise") as caught:
        call_command("check_invariants", stdout=out, no_color=True)

    assert caught.value.returncode == 1
    shown = out.getvalue()
    assert f"12  {EXAMPLES + 2:>8}  What is over is over" in shown
    assert shown.count("is done, but does not say since when") == EXAMPLES
    named = sorted(f"callback {pk} is done" for pk in Callback.objects.values_list("pk", flat=True))
    assert named[0] in shown


def test_what_waits_for_a_person_is_told_and_breaks_nothing():
    batch = broken_promises.make_sending()
    batch.deliveries.update(state=DeliveryState.UNCLEAR)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.UNCLEAR)
    make_callback(state=CallbackState.DEAD)

    shown = run()

    assert "For a person to decide: unclear batches: 1\n" in shown
    assert "For a person to decide: dead callbacks: 1\n" in shown


def test_every_constraint_of_the_models_is_watched():
    names = guards()

    assert "customer_has_open_ownership" in names
    assert "delivery_batch_at_most_200" in names
    assert Handover._meta.constraints[0].name in names
