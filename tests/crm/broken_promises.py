"""Rows that break one promise each, past the constraints that keep it."""

from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.db import connection

from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState, WelcomeState
from campaigns.models import Batch, Campaign, Delivery, SegmentMember, Welcome
from contacts.actions.consent import opt_in, opt_out
from contacts.actions.forgetting import NOBODY
from contacts.enums import (
    CallbackState,
    CustomerState,
    HandoverState,
    ItemState,
    ReconciliationState,
    RequestState,
)
from contacts.models import (
    ApiKey,
    ChatItem,
    Customer,
    CustomerTag,
    Follow,
    HandoverItem,
    HandoverRequest,
    HistoryEntry,
    Merge,
    OwnershipPeriod,
    RoleGrant,
    Staff,
    User,
)
from tests.builders import (
    NOON,
    make_batch,
    make_callback,
    make_campaign,
    make_chat_item,
    make_customer,
    make_customers,
    make_departed,
    make_erased,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_loss,
    make_order,
    make_reconciliation,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    make_task,
    make_welcome,
)

LONG_AGO = NOON - timedelta(hours=1)


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def settle():
    """Answer the checks that wait for the commit, so that the tables may be altered."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def force():
    """Write past triggers and foreign keys."""
    settle()
    sql("SET LOCAL session_replication_role = replica")
    yield
    sql("SET LOCAL session_replication_role = origin")


def without(table, constraint):
    settle()
    sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


def make_period(customer, **values):
    fields = {"store": customer.store, "reason": "transfer", "began_at": NOON} | values
    return OwnershipPeriod.objects.create(customer=customer, **fields)


def make_sending(number=1, **fields):
    customers = make_customers(number)
    campaign = make_campaign(state=CampaignState.SENDING, recipients=number, **fields)
    return make_batch(campaign, customers)


def missing_constraint():
    without("campaigns_batch", "batch_at_most_200")


def missing_foreign_key():
    without("contacts_customer", "customer_owner_is_employed")


def unvalidated_constraint():
    without("contacts_staff", "staff_state_known")
    sql(
        "ALTER TABLE contacts_staff ADD CONSTRAINT staff_state_known"
        " CHECK (state <> 'odd') NOT VALID"
    )


def missing_unique_index():
    sql("DROP INDEX handover_item_one_open_per_customer")


def webhook_without_its_guard():
    without("crm_webhookevent", "webhook_event_once")


def chat_that_was_claimed_long_ago():
    item = make_chat_item(make_handover(state=HandoverState.RUNNING), to_staff=make_staff())
    ChatItem.objects.filter(pk=item.pk).update(
        state=ItemState.REQUESTED, lease_until=NOON - timedelta(minutes=6)
    )


def chat_that_nobody_is_going_to_move():
    make_chat_item(make_handover(state=HandoverState.RUNNING))


def customer_without_owner():
    with force():
        Customer.objects.create(store=make_store(), name="Chen")


def owner_who_is_not_in_the_ledger():
    lin, chen = make_staff(), make_customer()
    with force():
        Customer.objects.filter(pk=chen.pk).update(owner=lin)


def pool_that_is_not_in_the_ledger():
    chen, elsewhere = make_customer(), make_store("Huaihai Road")
    with force():
        Customer.objects.filter(pk=chen.pk).update(store=elsewhere)


def owned_tombstone():
    chen = make_customer()
    Customer.objects.filter(pk=chen.pk).update(state=CustomerState.ERASED, **NOBODY)


def erased_who_is_still_described():
    chen = make_erased()
    without("contacts_customer", "customer_erased_is_nobody")
    Customer.objects.filter(pk=chen.pk).update(city="Suzhou")


def erased_without_a_tombstone():
    with force():
        chen = make_erased()
        HistoryEntry.objects.filter(customer=chen).delete()


def erased_who_has_an_address():
    chen = make_erased()
    with force():
        make_identity(chen, "wm-chen")


def erased_who_carries_a_tag():
    chen, tag = make_erased(), make_tag()
    with force():
        CustomerTag.objects.create(customer=chen, tag=tag)


def erased_who_waits_for_a_task():
    chen = make_erased()
    with force():
        make_task(customer=chen)


def erased_who_is_connected():
    chen, lin = make_erased(), make_staff()
    with force():
        Follow.objects.create(staff=lin, customer=chen, began_at=NOON)


def erased_in_an_open_handover():
    make_handover(customers=[make_erased()])


def erased_on_a_list():
    chen, segment = make_erased(), make_segment()
    with force():
        SegmentMember.objects.create(segment=segment, customer=chen)


def erased_with_an_address_in_a_campaign():
    make_erased(make_sending().deliveries.get().customer)


def erased_of_whom_something_is_said():
    chen = make_erased()
    with force():
        make_interaction(chen)


def table_that_takes_rows_about_the_erased():
    settle()
    sql("DROP TRIGGER contacts_identity_not_of_erased ON contacts_identity")


def gap_in_the_ledger():
    make_period(make_customer(since=NOON), began_at=LONG_AGO, ended_at=NOON - timedelta(minutes=1))


def overlap_in_the_ledger():
    without("contacts_ownershipperiod", "ownership_never_overlaps")
    make_period(make_customer(since=NOON), began_at=LONG_AGO, ended_at=NOON + timedelta(minutes=1))


def departed_owner():
    lin = make_staff(account=False)
    make_customer(owner=lin)
    with force():
        Staff.objects.filter(pk=lin.pk).update(state="departed", departed_at=NOON)


def handover_that_does_not_add_up():
    make_handover(size=2)


def customer_in_two_open_handovers():
    sql("DROP INDEX handover_item_one_open_per_customer")
    chen = make_customer()
    make_handover(customers=[chen])
    make_handover(customers=[chen])


def handover_that_ended_too_early():
    make_handover(state=HandoverState.CANCELLED)


def request_of_a_hundred_and_one():
    handover = make_handover(customers=make_customers(101), state=HandoverState.RUNNING)
    request = HandoverRequest.objects.create(
        handover=handover, to_staff=make_staff(), created_at=NOON
    )
    without("contacts_handoveritem", "handover_request_at_most_100")
    HandoverItem.objects.filter(handover=handover).update(request=request)


def lost_customer():
    make_sending()
    with force():
        sql("DELETE FROM contacts_ownershipperiod")
        sql(
            "DELETE FROM contacts_customer WHERE id IN (SELECT customer_id FROM campaigns_delivery)"
        )


def history_of_nobody():
    HistoryEntry.objects.create(
        action="customer.added", subject_kind="customer", subject_id=999_999_999, at=NOON
    )


def tombstone(customer, target):
    customer.ownership_periods.update(ended_at=NOON)
    Merge.objects.create(gone=customer, kept=target, at=NOON)
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.MERGED, merged_into=target)
    return customer


def chain_of_merges():
    chen, zhao, sun = make_customer("Chen"), make_customer("Zhao"), make_customer("Sun")
    for customer, target in ((zhao, sun), (chen, zhao)):
        tombstone(customer, target)


def merged():
    return tombstone(make_customer("Chen"), make_customer("Zhao"))


def merged_with_an_address():
    make_identity(merged(), "wm-chen")


def merged_with_a_tag():
    CustomerTag.objects.create(customer=merged(), tag=make_tag())


def merged_with_an_open_task():
    make_task(customer=merged())


def merged_and_still_connected():
    chen = make_customer("Chen")
    make_follow(make_staff("Mei"), chen)
    chen.identities.all().delete()
    tombstone(chen, make_customer("Zhao"))


def merged_and_still_lost():
    chen = make_customer("Chen")
    make_loss(customer=chen, staff=make_staff("Mei"))
    chen.identities.all().delete()
    tombstone(chen, make_customer("Zhao"))


def merged_and_still_on_a_list():
    segment = make_segment(is_static=True)
    SegmentMember.objects.create(segment=segment, customer=merged())


def merged_without_a_merge():
    merged()
    Merge.objects.all().delete()


def active_with_a_standing_merge():
    Merge.objects.create(gone=make_customer("Chen"), kept=make_customer("Zhao"), at=NOON)


def batch_of_another_size():
    batch = make_sending(2)
    Batch.objects.filter(pk=batch.pk).update(size=3)


def audience_that_grew():
    batch = make_sending(2)
    Campaign.objects.filter(pk=batch.campaign_id).update(recipients=1)


def skipped_recipient_who_is_not_counted():
    Delivery.objects.create(
        campaign=make_sending().campaign,
        customer=make_customer(),
        state=DeliveryState.SKIPPED,
        reason=DeliveryReason.NO_ADDRESS,
    )


def delivery_in_a_batch_of_another_campaign():
    batch, other = make_sending(), make_sending()
    with force():
        Batch.objects.filter(pk=batch.pk).update(campaign=other.campaign, seq=2)


def lease_that_ran_out_long_ago():
    batch = make_sending()
    Batch.objects.filter(pk=batch.pk).update(
        state=BatchState.SENDING,
        lease_token="00000000-0000-0000-0000-000000000001",
        lease_until=NOON - timedelta(minutes=6),
    )


def sending_without_a_lease():
    without("campaigns_batch", "batch_sending_has_lease")
    Batch.objects.filter(pk=make_sending().pk).update(state=BatchState.SENDING)


def request_whose_lease_ran_out_long_ago():
    HandoverRequest.objects.create(
        handover=make_handover(),
        to_staff=make_staff(),
        state=RequestState.CALLING,
        lease_until=NOON - timedelta(minutes=6),
        created_at=NOON,
    )


def comparison_that_stood_still():
    make_reconciliation(
        state=ReconciliationState.RUNNING,
        lease_token=uuid4(),
        lease_until=NOON - timedelta(minutes=6),
    )


def handed_without_a_reference():
    batch = make_sending()
    batch.deliveries.update(state=DeliveryState.HANDED)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.HANDED)


def reference_of_two_batches():
    sql("DROP INDEX batch_reference_once")
    make_sending()
    make_sending()
    Batch.objects.update(reference="msg1")


def sent_to_someone_who_had_opted_out():
    batch = make_sending(2)
    batch.deliveries.update(state=DeliveryState.SENT)
    Batch.objects.filter(pk=batch.pk).update(claimed_at=NOON, sender=make_staff("Hao"))
    chen, zhao = (delivery.customer for delivery in batch.deliveries.order_by("slot"))
    Customer.objects.filter(pk=chen.pk).update(opted_out_at=NOON - timedelta(seconds=2))
    Customer.objects.filter(pk=zhao.pk).update(opted_out_at=NOON + timedelta(seconds=2))


def sent_by_a_refused_channel():
    batch = make_sending(2)
    batch.deliveries.update(state=DeliveryState.SENT)
    Batch.objects.filter(pk=batch.pk).update(claimed_at=NOON, sender=make_staff("Hao"))
    for delivery in batch.deliveries.all():
        opt_out(delivery.customer, channel="wecom", source="test", now=NOON - timedelta(seconds=2))
    zhao = batch.deliveries.order_by("slot")[1].customer
    opt_in(zhao, purpose="campaign", source="test", now=NOON - timedelta(seconds=1))


def marked_as_refusing_what_was_agreed_to():
    chen = make_customer()
    opt_in(chen, channel="email", source="test", now=NOON)
    Customer.objects.filter(pk=chen.pk).update(opted_out_at=NOON)


def welcome_sent_too_late():
    welcome = make_welcome(make_staff(), make_customer())
    Welcome.objects.filter(pk=welcome.pk).update(
        state=WelcomeState.SENT, settled_at=NOON + timedelta(seconds=21)
    )


def welcome_without_outcome():
    make_welcome(make_staff(), make_customer(), issued_at=LONG_AGO)


def callback_that_nobody_works_on():
    make_callback(next_attempt_at=NOON - timedelta(minutes=11))


def callback_stored_twice():
    without("contacts_callback", "callback_stored_once")
    make_callback(key=make_callback().key)


def departed_with_an_account():
    User.objects.filter(staff=make_departed()).update(is_active=True)


def departed_with_an_api_key():
    for valid, revoked_at in (("a", None), ("b", NOON)):
        ApiKey.objects.create(
            staff=make_departed(),
            name=valid,
            prefix=valid,
            digest=valid,
            created_at=NOON,
            revoked_at=revoked_at,
        )


def role_in_an_unknown_scope():
    without("contacts_rolegrant", "scope_known")
    RoleGrant.objects.filter(pk=make_staff().roles.get().pk).update(scope="world")


def history_without_guard():
    sql("DROP TRIGGER history_append_only ON contacts_historyentry")


def consents_with_a_sleeping_guard():
    sql("ALTER TABLE contacts_consententry DISABLE TRIGGER consent_append_only")


def door_that_nobody_watches():
    sql("DROP TRIGGER history_only_forgets ON contacts_historyentry")


def history_that_may_be_emptied():
    history_without_guard()
    sql(
        "CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE ON contacts_historyentry"
        " FOR EACH STATEMENT EXECUTE FUNCTION liuke_append_only()"
    )


def done_campaign_with_an_open_batch():
    batch = make_sending()
    Campaign.objects.filter(pk=batch.campaign_id).update(state=CampaignState.DONE, closed_at=NOON)


def done_batch_with_a_queued_recipient():
    batch = make_sending(2)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.DONE, done_at=NOON)


def refused_batch_without_a_time():
    batch = make_sending()
    batch.deliveries.update(state=DeliveryState.FAILED, reason=DeliveryReason.CHANNEL_ERROR)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.REFUSED)


def done_callback_without_a_time():
    make_callback(state=CallbackState.DONE)


def order_that_is_not_in_the_value():
    make_order(make_customer())
