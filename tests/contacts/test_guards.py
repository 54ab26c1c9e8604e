"""What the database refuses about people, whoever writes: each write names the constraint it meets."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from contacts.enums import (
    CustomerState,
    FollowEnd,
    HandoverState,
    IdentityKind,
    ItemState,
    OwnershipReason,
    StaffState,
)
from contacts.errors import broken_constraint
from contacts.models import (
    Callback,
    ConsentEntry,
    Customer,
    CustomerTag,
    Department,
    Follow,
    HandoverItem,
    HandoverRequest,
    HistoryEntry,
    Identity,
    OwnershipPeriod,
    RoleGrant,
    Staff,
)
from tests.builders import (
    NOON,
    first_store,
    make_callback,
    make_company,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=1)


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def open_period(customer, *, staff=None, store=None, began_at=NOON, ended_at=None):
    return OwnershipPeriod.objects.create(
        customer=customer,
        staff=staff,
        store=store or customer.store,
        reason=OwnershipReason.TRANSFER,
        began_at=began_at,
        ended_at=ended_at,
    )


# --- 1: one owner, always -----------------------------------------------------------------------


def test_a_customer_without_any_owner_is_refused_at_commit(refused_by):
    with refused_by("customer_has_open_ownership"):
        Customer.objects.create(store=first_store(), name="Chen")


def test_ending_the_only_period_is_refused_at_commit(refused_by):
    chen = make_customer()

    with refused_by("customer_has_open_ownership"):
        chen.ownership_periods.update(ended_at=LATER)


def test_deleting_the_only_period_is_refused_at_commit(refused_by):
    chen = make_customer()

    with refused_by("customer_has_open_ownership"):
        chen.ownership_periods.all().delete()


def test_a_second_open_period_is_refused(refused_by):
    chen = make_customer()

    with refused_by("ownership_never_overlaps"):
        open_period(chen, staff=make_staff(), began_at=LATER)


def test_overlapping_periods_are_refused(refused_by):
    chen = make_customer(since=LATER)

    with refused_by("ownership_never_overlaps"):
        open_period(chen, began_at=NOON, ended_at=LATER + timedelta(seconds=1))


def test_periods_that_touch_are_allowed():
    chen = make_customer(since=LATER)

    open_period(chen, began_at=NOON, ended_at=LATER)

    assert chen.ownership_periods.count() == 2


def test_a_period_that_ends_before_it_began_is_refused(refused_by):
    chen = make_customer(since=LATER)

    with refused_by("ownership_ends_after_it_began"):
        open_period(chen, began_at=NOON, ended_at=NOON - timedelta(seconds=1))


def test_an_owner_other_than_the_open_period_says_is_refused_at_commit(refused_by):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer(owner=lin)

    with refused_by("customer_has_open_ownership"):
        Customer.objects.filter(pk=chen.pk).update(owner=mei)


def test_a_pool_other_than_the_open_period_says_is_refused_at_commit(refused_by):
    chen = make_customer()

    with refused_by("customer_has_open_ownership"):
        Customer.objects.filter(pk=chen.pk).update(store=make_store("Huaihai Road"))


def test_an_owned_customer_may_belong_to_another_store():
    chen = make_customer(owner=make_staff())

    Customer.objects.filter(pk=chen.pk).update(store=make_store("Huaihai Road"))

    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_merged_customer_has_no_owner(refused_by):
    lin = make_staff()
    chen, zhao = make_customer(owner=lin), make_customer("Zhao", owner=lin)

    with refused_by("customer_tombstone_unowned"):
        Customer.objects.filter(pk=chen.pk).update(state=CustomerState.MERGED, merged_into=zhao)


def test_a_merged_customer_says_into_whom(refused_by):
    chen = make_customer()

    with refused_by("customer_merged_has_target"):
        Customer.objects.filter(pk=chen.pk).update(state=CustomerState.MERGED)


# --- 2: nobody who has departed owns anybody ----------------------------------------------------


def test_a_departed_owner_is_refused(refused_by):
    chen, wei = make_customer(), make_departed()

    with refused_by("customer_owner_is_employed"):
        Customer.objects.filter(pk=chen.pk).update(owner=wei)


def test_a_new_customer_of_a_departed_owner_is_refused(refused_by):
    wei = make_departed()

    with refused_by("customer_owner_is_employed"):
        make_customer(owner=wei)


def test_departing_while_owning_a_customer_is_refused(refused_by):
    lin = make_staff()
    make_customer(owner=lin)

    with refused_by("customer_owner_is_employed"):
        Staff.objects.filter(pk=lin.pk).update(state=StaffState.DEPARTED, departed_at=NOON)


def test_a_suspended_owner_is_still_employed():
    lin = make_staff()
    make_customer(owner=lin)

    Staff.objects.filter(pk=lin.pk).update(state=StaffState.SUSPENDED)

    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_departure_has_a_time_and_only_a_departure_has(refused_by):
    lin = make_staff()

    with refused_by("staff_departed_has_time"):
        Staff.objects.filter(pk=lin.pk).update(state=StaffState.DEPARTED)
    with refused_by("staff_departed_has_time"):
        Staff.objects.filter(pk=lin.pk).update(departed_at=NOON)


# --- 3: handovers -------------------------------------------------------------------------------


def test_a_customer_in_a_second_open_handover_is_refused(refused_by):
    chen = make_customer()
    make_handover(customers=[chen])

    with refused_by("handover_item_one_open_per_customer"):
        make_handover(customers=[chen])


def test_a_customer_twice_in_one_handover_is_refused(refused_by):
    chen = make_customer()
    handover = make_handover(customers=[chen], item_state=ItemState.ACCEPTED)

    with refused_by("handover_item_once_per_handover"):
        HandoverItem.objects.create(handover=handover, customer=chen, state_at=NOON)


def test_a_customer_whose_item_is_closed_may_be_handed_over_again():
    chen = make_customer()
    make_handover(customers=[chen], item_state=ItemState.ACCEPTED)

    make_handover(customers=[chen])

    assert chen.handover_items.count() == 2


def test_a_second_plan_for_the_same_person_is_refused(refused_by):
    wei = make_departed()
    make_handover(wei)

    with refused_by("handover_one_plan_per_person"):
        make_handover(wei)


def make_item():
    return make_handover().items.get()


def make_request(number=1):
    customers = make_customers(number)
    handover = make_handover(customers=customers, state=HandoverState.RUNNING)
    request = HandoverRequest.objects.create(
        handover=handover, to_staff=make_staff(), created_at=NOON
    )
    for slot, item in enumerate(handover.items.order_by("pk")[:100]):
        item.request, item.slot = request, slot
        item.save(update_fields=["request", "slot"])
    return request


def test_a_request_takes_a_hundred_customers_and_refuses_one_more(refused_by):
    request = make_request(101)
    last = request.handover.items.get(request=None)

    with refused_by("handover_request_at_most_100"):
        HandoverItem.objects.filter(pk=last.pk).update(request=request, slot=100)
    with refused_by("handover_request_slot_once"):
        HandoverItem.objects.filter(pk=last.pk).update(request=request, slot=99)
    with refused_by("handover_request_at_most_100"):
        HandoverItem.objects.filter(pk=last.pk).update(request=request)
    assert request.items.count() == 100


@pytest.mark.parametrize("state", [ItemState.ACCEPTED, ItemState.CANCELLED])
def test_a_final_item_is_closed(refused_by, state):
    item = make_handover().items.get()

    with refused_by("handover_item_final_is_closed"):
        HandoverItem.objects.filter(pk=item.pk).update(state=state)


@pytest.mark.parametrize("state", [ItemState.PLANNED, ItemState.REQUESTED, ItemState.WAITING])
def test_an_item_on_its_way_is_open(refused_by, state):
    item = make_handover().items.get()

    with refused_by("handover_item_moving_is_open"):
        HandoverItem.objects.filter(pk=item.pk).update(state=state, closed_at=NOON)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"state": HandoverState.RUNNING}, "handover_started_has_time"),
        ({"state": HandoverState.DONE, "started_at": NOON}, "handover_closed_has_time"),
        ({"closed_at": NOON}, "handover_closed_has_time"),
    ],
)
def test_a_handover_says_when_it_started_and_ended(refused_by, change, constraint):
    handover = make_handover()

    with refused_by(constraint):
        type(handover).objects.filter(pk=handover.pk).update(**change)


# --- 4: nothing about a customer is lost --------------------------------------------------------


def test_a_customer_with_a_story_cannot_be_deleted():
    chen = make_customer()
    make_interaction(chen)

    with pytest.raises(ProtectedError):
        chen.delete()


def delete_by_force(customer):
    """Everything short of the story itself: the guard of ownership would answer first otherwise."""
    sql("SET CONSTRAINTS ALL DEFERRED")
    sql(
        "UPDATE contacts_customer SET state = 'merged', merged_into_id = id, owner_id = NULL"
        " WHERE id = %s",
        customer.pk,
    )
    sql("DELETE FROM contacts_ownershipperiod WHERE customer_id = %s", customer.pk)
    sql("DELETE FROM contacts_customer WHERE id = %s", customer.pk)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    ("tell", "table"),
    [
        (make_interaction, "contacts_interaction"),
        (
            lambda chen: Follow.objects.create(staff=make_staff(), customer=chen, began_at=NOON),
            "contacts_follow",
        ),
        (lambda chen: make_identity(chen, "wm-chen"), "contacts_identity"),
        (lambda chen: make_handover(customers=[chen]), "contacts_handoverite"),
    ],
)
def test_not_even_sql_deletes_a_customer_with_a_story(tell, table):
    chen = make_customer()
    tell(chen)

    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        delete_by_force(chen)

    assert broken_constraint(caught.value).startswith(f"{table}_customer_id_")


# --- 9, 10, 11: callbacks, roles, history -------------------------------------------------------


def test_a_callback_is_stored_once(refused_by):
    first = make_callback()

    with refused_by("callback_stored_once"):
        make_callback(key=first.key)


def test_the_same_key_from_another_provider_is_another_callback():
    first = make_callback()

    make_callback(key=first.key, provider="sms")

    assert Callback.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "constraint"),
    [({"role": "king"}, "role_known"), ({"scope": "world"}, "scope_known")],
)
def test_an_unknown_role_or_scope_is_refused(refused_by, change, constraint):
    lin = make_staff()

    with refused_by(constraint):
        lin.roles.update(**change)


def test_a_role_is_granted_once(refused_by):
    lin = make_staff()

    with refused_by("role_granted_once"):
        RoleGrant.objects.create(staff=lin, role="guide", scope="company")


def make_entry():
    return HistoryEntry.objects.create(
        action="customer.added", subject_kind="customer", subject_id=1, at=NOON
    )


def make_consent():
    return ConsentEntry.objects.create(
        customer=make_customer(), granted=False, source="reply", at=NOON
    )


@pytest.mark.parametrize("make", [make_entry, make_consent])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET source = 'forged'", "DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"],
)
def test_history_and_consents_are_never_changed_or_removed(refused_by, make, statement):
    row = make()
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with refused_by("append_only"):
        sql(statement.format(row._meta.db_table))

    assert type(row).objects.get().source == row.source


def test_a_change_of_no_row_at_all_is_refused_too(refused_by):
    with refused_by("append_only"):
        HistoryEntry.objects.filter(pk=0).update(source="forged")


@pytest.mark.django_db(transaction=True)
def test_history_survives_until_the_test_is_over_and_the_guards_come_back_after_it():
    make_entry()

    assert HistoryEntry.objects.count() == 1


def test_the_guards_are_whole_whatever_ran_before():
    triggers = import_module("contacts.migrations.0002_guards").APPEND_ONLY.count("CREATE TRIGGER")

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%%append_only' AND tgenabled = 'O'"
        )
        assert cursor.fetchone() == (triggers,)


# --- 12: known states ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "constraint"),
    [
        (make_staff, "staff_state_known"),
        (make_customer, "customer_state_known"),
        (make_callback, "callback_state_known"),
        (make_item, "handover_item_state_known"),
        (make_request, "handover_request_state_known"),
    ],
)
def test_an_unknown_state_is_refused(refused_by, make, constraint):
    row = make()
    sql("SET CONSTRAINTS ALL IMMEDIATE")

    with refused_by(constraint):
        type(row).objects.filter(pk=row.pk).update(state="odd")


def test_an_unknown_state_of_a_handover_is_refused(refused_by):
    """Its times depend on the state, so a check on those may be the one to answer."""
    handover = make_handover()

    with refused_by("handover_closed_has_time"):
        type(handover).objects.filter(pk=handover.pk).update(state="odd")


# --- addresses, follows, tags, organisation -----------------------------------------------------


def test_an_address_belongs_to_one_customer(refused_by):
    make_identity(make_customer(), "wm-chen")

    with refused_by("identity_unique"):
        make_identity(make_customer("Zhao"), "wm-chen")


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "fax", "value": "1"}, "identity_kind_known"),
        ({"kind": IdentityKind.PHONE, "value": ""}, "identity_not_empty"),
        ({"kind": IdentityKind.CRM, "value": "1"}, "identity_system_only_for_crm"),
        (
            {"kind": IdentityKind.PHONE, "value": "1", "system": "sap"},
            "identity_system_only_for_crm",
        ),
    ],
)
def test_an_address_that_says_nothing_is_refused(refused_by, values, constraint):
    chen = make_customer()

    with refused_by(constraint):
        Identity.objects.create(customer=chen, **values)


def test_two_people_are_connected_at_most_once_at_a_time(refused_by):
    follow = make_follow()

    with refused_by("follow_one_active_per_pair"):
        make_follow(follow.staff, follow.customer)


def test_a_follow_may_begin_again_after_it_ended():
    follow = make_follow(ended=FollowEnd.REMOVED_BY_CUSTOMER)

    make_follow(follow.staff, follow.customer, began_at=LATER)

    assert Follow.objects.active().count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ended_at": LATER},
        {"end_reason": FollowEnd.LOST},
        {"ended_at": LATER, "end_reason": "bored"},
        {"ended_at": NOON - timedelta(days=1), "end_reason": FollowEnd.LOST},
    ],
)
def test_a_follow_ends_with_time_and_reason(refused_by, change):
    follow = make_follow()

    with refused_by("follow_end_is_complete"):
        Follow.objects.filter(pk=follow.pk).update(**change)


def test_a_second_tag_of_an_exclusive_group_is_refused(refused_by):
    chen, gold = make_customer(), make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)
    CustomerTag.objects.create(customer=chen, tag=gold, exclusive_group=gold.group)

    with refused_by("customer_tag_exclusive_group"):
        CustomerTag.objects.create(customer=chen, tag=silver, exclusive_group=gold.group)


def test_a_tag_is_carried_once(refused_by):
    chen, vip = make_customer(), make_tag()
    CustomerTag.objects.create(customer=chen, tag=vip)

    with refused_by("customer_tag_once"):
        CustomerTag.objects.create(customer=chen, tag=vip)


def test_tags_differ_by_more_than_case(refused_by):
    vip = make_tag("VIP")

    with refused_by("tag_name_unique_in_group"):
        make_tag("vip", group=vip.group)


def test_there_is_one_company(refused_by):
    make_company()

    with refused_by("company_is_one"):
        make_company(id=2)


def test_a_department_is_not_its_own_parent(refused_by):
    retail = first_store().department

    with refused_by("department_not_own_parent"):
        Department.objects.filter(pk=retail.pk).update(parent=retail)
