"""Erasing a customer: what goes, what stays, and that nobody brings them back."""

import json
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from importlib import import_module
from io import StringIO
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from contacts.actions.consent import opt_out
from contacts.actions.customers import Address, Profile, learn_profile, tag_customer
from contacts.actions.follows import begin_follow
from contacts.actions.interactions import log_interaction
from contacts.actions.profiles import edit_customer, take_in_customer
from contacts.actions.tasks import add_task
from contacts.enums import (
    CustomerState,
    FollowEnd,
    HandoverState,
    IdentityKind,
    InteractionKind,
    ItemState,
    LossState,
    TaskKind,
    TaskState,
)
from contacts.erased import erased_among
from contacts.errors import MovedOn, RuleBroken, WasErased, broken_constraint
from contacts.models import (
    Callback,
    ConsentEntry,
    Customer,
    ErasedAddress,
    Follow,
    Handover,
    HandoverItem,
    HistoryEntry,
    Identity,
    Interaction,
    Loss,
    Notice,
    OwnershipPeriod,
    Task,
)
from crm.actions.erasing import erase_customer
from crm.actions.orders import OrderTold, record_order
from crm.enums import OrderState
from crm.invariants import check_rules
from crm.models import Order, SavedAnswer
from tests.builders import (
    NOON,
    make_coupon,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_loss,
    make_order,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

PHONE = "+8613800000001"
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def lin():
    return make_staff("Lin")


@pytest.fixture
def chen(lin):
    customer = make_customer("Chen", owner=lin, address="wm-chen", city="Suzhou", note="Likes blue")
    make_identity(customer, PHONE, kind=IdentityKind.PHONE)
    return customer


def erase(customer, actor=None, now=NOON):
    erase_customer(customer, actor=actor, now=now)


def broken():
    return [finding.rule.number for finding in check_rules(now=NOON) if finding.rows]


def take_in(*addresses, name="Chen"):
    return take_in_customer(
        addresses, details={"name": name}, store=make_store(), owner=None, actor=None, now=LATER
    )


# --- what goes and what stays -------------------------------------------------------------------


def test_the_record_is_nobodys_and_says_nothing(chen, lin):
    erase(chen, actor=lin)

    assert (chen.state, chen.owner, chen.name, chen.city, chen.note) == ("erased", None, "", "", "")
    assert str(chen) == "Erased customer"
    assert not Identity.objects.exists()
    assert OwnershipPeriod.objects.get().ended_at == NOON
    assert broken() == []


def test_a_tombstone_says_who_did_it_and_when(chen, lin):
    erase(chen, actor=lin)

    entry = HistoryEntry.objects.get(action="customer.erased")
    assert (entry.actor, entry.at, entry.subject_id, entry.data) == (lin, NOON, chen.pk, {})


def test_it_happens_once(chen):
    erase(chen)

    with pytest.raises(MovedOn):
        erase(chen)

    assert HistoryEntry.objects.filter(action="customer.erased").count() == 1


def test_a_merged_record_is_not_erased_alone(chen):
    twin = make_customer("Chen J", state=CustomerState.MERGED, merged_into=chen)

    with pytest.raises(RuleBroken, match=str(chen.pk)):
        erase(twin)

    twin.refresh_from_db()
    assert (twin.name, twin.state) == ("Chen J", CustomerState.MERGED)
    assert not HistoryEntry.objects.exists()


def test_whoever_was_merged_in_is_erased_along(chen):
    twin = make_customer("Chen J", state=CustomerState.MERGED, merged_into=chen)
    make_identity(twin, "13900000000", kind=IdentityKind.MEMBER)

    erase(chen)

    twin.refresh_from_db()
    assert (twin.name, twin.state, twin.merged_into) == ("", CustomerState.ERASED, None)
    assert not Identity.objects.exists()
    assert HistoryEntry.objects.filter(action="customer.erased").count() == 2
    assert broken() == []


def test_connections_tasks_and_losses_end(chen, lin):
    follow = make_follow(lin, chen, remark="Chen, blue coat")
    open_loss = make_loss(make_staff("Mei"), make_customer("Zhao"), note="moved away")
    task = add_task(
        kind=TaskKind.PROMISE,
        store=lin.store,
        staff=lin,
        actor=lin,
        now=NOON,
        customer=chen,
        text="Call Chen",
    )

    erase(chen, actor=lin)
    erase(open_loss.customer)

    follow.refresh_from_db()
    task.refresh_from_db()
    assert (follow.ended_at, follow.end_reason, follow.remark) == (NOON, FollowEnd.ERASED, "")
    assert (task.state, task.text, task.closed_by) == (TaskState.DROPPED, "—", lin)
    loss = Loss.objects.get()
    assert (loss.state, loss.note) == (LossState.WRITTEN_OFF, "")
    assert not Notice.objects.filter(customer=chen).exists()


def test_words_go_and_dates_and_amounts_stay(chen, lin):
    interaction = make_interaction(chen, staff=lin, text="Chen tried the blue coat")
    order = make_order(chen, items=[{"name": "Coat for Chen"}], amount=120)
    coupon = make_coupon(chen, code="CHEN-50", title="For Chen")
    tag_customer(chen, [make_tag("Blue")], actor=lin, now=NOON)
    opt_out(chen, source="by Chen", evidence="Chen said so", now=NOON, actor=lin)

    erase(chen)

    interaction.refresh_from_db()
    order.refresh_from_db()
    coupon.refresh_from_db()
    assert (interaction.text, interaction.staff) == ("", lin)
    assert order.items == []
    assert (order.amount, order.customer) == (Decimal(120), chen)
    assert (coupon.code, coupon.title) == (f"erased-{coupon.pk}", "—")
    said = ConsentEntry.objects.get()
    assert (said.granted, said.evidence, said.source) == (False, "", "")
    entry = HistoryEntry.objects.get(action="customer.tagged")
    assert (entry.actor, entry.data) == (lin, {})


def test_a_handover_goes_on_adding_up(chen, lin):
    other = make_customer("Zhao", store=chen.store)
    wei = make_departed()
    handover = make_handover(
        wei,
        customers=[chen, other],
        to_staff=lin,
        state=HandoverState.RUNNING,
        item_state=ItemState.WAITING,
    )

    erase(chen)

    item = HandoverItem.objects.get(customer=chen)
    assert (item.state, item.closed_at) == (ItemState.CANCELLED, NOON)
    assert Handover.objects.get().state == HandoverState.RUNNING
    assert 3 not in broken()

    erase(other)

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert 3 not in broken()


def test_a_plan_stays_a_plan(chen):
    make_handover(customers=[chen])

    erase(chen)

    assert Handover.objects.get().state == HandoverState.PLANNED
    assert broken() == []


def test_others_are_left_alone(chen):
    zhao, qian = make_customers(2)
    make_interaction(zhao, text="Zhao")
    make_order(qian, items=[{"name": "Scarf"}])
    tag_customer(zhao, [make_tag("Blue")], actor=None, now=NOON)

    erase(chen)

    assert Interaction.objects.get().text == "Zhao"
    assert Order.objects.get().items == [{"name": "Scarf"}]
    assert HistoryEntry.objects.get(customer=zhao).data == {"tags": ["Blue"]}
    assert zhao.carried_tags.count() == 1


# --- nothing is said of them any more -----------------------------------------------------------


WAITING_NEWS = "<xml><CreateTime>1700000012</CreateTime><ExternalUserID>{}</ExternalUserID></xml>"


def waiting(body, provider="wecom"):
    return Callback.objects.create(
        provider=provider, key=sha256(body.encode()).hexdigest(), event="change", body=body,
        received_at=NOON, next_attempt_at=NOON,
    )  # fmt: skip


def test_news_of_others_waits_on(chen):
    """A short number stands in much that speaks of somebody else."""
    make_identity(chen, "12", kind=IdentityKind.MEMBER)
    of_chen, of_zhao = (waiting(WAITING_NEWS.format(who)) for who in ("wm-chen", "wm-zhao"))
    told = waiting(json.dumps([{"address": "zhao@mail.example", "text": "At 12?"}]), "mail")
    Callback.objects.update(error="Busy.")

    erase(chen)

    for one in (of_chen, of_zhao, told):
        one.refresh_from_db()
    assert (of_chen.body, of_chen.state) == ("", "done")
    assert (of_zhao.body, of_zhao.state) == (WAITING_NEWS.format("wm-zhao"), "received")
    assert "At 12?" in told.body
    assert (of_zhao.error, told.error) == ("Busy.", "Busy.")


def test_of_earlier_news_only_what_waits_keeps_its_words(monkeypatch):
    migration = import_module("contacts.migrations.0026_erasures_hold")
    monkeypatch.setattr(migration, "PART", 2)
    for place in range(5):
        waiting(f"news {place}")
    Callback.objects.exclude(body="news 3").update(state="done", done_at=NOON)

    migration.let_go(None, SimpleNamespace(connection=connection))

    assert set(Callback.objects.values_list("body", "state")) == {
        ("", "done"),
        ("news 3", "received"),
    }


def test_what_a_provider_tells_is_found_in_any_case(chen):
    make_identity(chen, "chen@mail.example", kind=IdentityKind.EMAIL)
    told = waiting(json.dumps([{"address": "Chen@Mail.Example", "text": "Chen here"}]), "mail")

    erase(chen)

    told.refresh_from_db()
    assert told.body == ""


def test_answers_about_others_are_given_again(chen, lin):
    make_identity(chen, "12", kind=IdentityKind.MEMBER)
    answers = [
        SavedAnswer.objects.create(
            staff=lin,
            key=str(place),
            fingerprint="f",
            claim=uuid4(),
            status=200,
            body=body,
            lease_until=NOON,
            expires_at=LATER,
        )
        for place, body in enumerate(['{"name":"Zhao","visits":12}', '{"value":"12"}'])
    ]

    erase(chen)

    for answer in answers:
        answer.refresh_from_db()
    assert [answer.body for answer in answers] == ['{"name":"Zhao","visits":12}', ""]


def test_the_actions_refuse(chen):
    erase(chen)

    for act in (
        lambda: edit_customer(chen, {"city": "Suzhou"}, actor=None, now=LATER),
        lambda: log_interaction(
            chen, kind=InteractionKind.NOTE, text="Chen", actor=None, now=LATER
        ),
        lambda: opt_out(chen, source="api", evidence="Chen", now=LATER),
        lambda: record_order(
            chen, OrderTold("shop", "1", NOON, Decimal(10), OrderState.PAID), actor=None, now=LATER
        ),
    ):
        with pytest.raises(RuleBroken):
            act()


def stale(customer):
    """The customer as somebody read them just before the erasure."""
    return Customer(pk=customer.pk, state=CustomerState.ACTIVE, name="Chen", store=customer.store)


def test_whoever_read_them_before_writes_nothing_after(chen, lin):
    before = stale(chen)
    erase(chen)

    with pytest.raises(MovedOn):
        edit_customer(before, {"city": "Suzhou"}, actor=None, now=LATER)
    learn_profile(before, Profile(name="Chen", gender="female"))
    chen.refresh_from_db()

    assert (chen.name, chen.city, chen.gender) == ("", "", "")


@pytest.mark.parametrize(
    "write",
    [
        make_interaction,
        lambda c: make_identity(c, "wm-new"),
        make_coupon,
        make_order,
        lambda c: Follow.objects.create(staff=make_staff("Mei"), customer=c, began_at=LATER),
        lambda c: Task.objects.create(customer=c, store=c.store, text="Call", state_at=LATER),
        lambda c: ConsentEntry.objects.create(customer=c, granted=False, source="x", at=LATER),
    ],
)
def test_the_database_refuses_what_slips_in_behind(chen, write):
    erase(chen)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        write(chen)

    assert broken_constraint(refused.value) == "customer_was_erased"


@pytest.mark.parametrize("field", ["name", "name_key", "search_key", "city", "note", "time_zone"])
def test_the_database_keeps_the_columns_empty(chen, field):
    erase(chen)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        Customer.objects.filter(pk=chen.pk).update(**{field: "x"})

    assert broken_constraint(refused.value) == "customer_erased_is_nobody"


# --- the door in the ledgers --------------------------------------------------------------------


def force_open(statement, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('liuke.erasing', 'on', true)")
        cursor.execute(statement, values)


HISTORY = "UPDATE contacts_historyentry SET"


@pytest.mark.parametrize(
    "statement",
    [
        f"{HISTORY} action = 'x' WHERE action = 'customer.tagged'",
        f"{HISTORY} at = now() WHERE action = 'customer.tagged'",
        f"{HISTORY} actor_id = NULL WHERE action = 'customer.tagged'",
        f"{HISTORY} subject_id = 1 WHERE action = 'customer.tagged'",
        f"{HISTORY} source = 'other' WHERE action = 'customer.tagged'",
        HISTORY + """ data = '{"staff": 1}' WHERE action = 'customer.tagged'""",
    ],
)
def test_even_through_the_door_history_only_forgets(chen, lin, statement):
    tag_customer(chen, [make_tag("Blue")], actor=lin, now=NOON, source="api")
    erase(chen)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        force_open(statement)

    assert broken_constraint(refused.value) == "append_only"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contacts_historyentry SET source = ''",
        "UPDATE contacts_consententry SET evidence = ''",
        "DELETE FROM contacts_historyentry",
        "DELETE FROM contacts_consententry",
    ],
)
def test_nobody_who_is_not_erased_is_forgotten(chen, statement):
    opt_out(chen, source="api", evidence="Chen said so", now=NOON)

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        force_open(statement)

    assert broken_constraint(refused.value) == "append_only"


def test_the_door_is_shut_behind_an_erasure(chen):
    tag_customer(chen, [make_tag("Blue")], actor=None, now=NOON)
    with transaction.atomic():
        erase(chen)

        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            HistoryEntry.objects.filter(customer=chen).update(data={})

    assert broken_constraint(refused.value) == "append_only"


# --- nobody brings them back --------------------------------------------------------------------


def test_addresses_are_kept_as_fingerprints_only(chen):
    erase(chen)

    rows = ErasedAddress.objects.filter(customer=chen)
    assert set(rows.values_list("kind", flat=True)) == {IdentityKind.WECOM, IdentityKind.PHONE}
    assert not any(PHONE in row.digest or "wm-chen" in row.digest for row in rows)


@pytest.mark.parametrize(
    "address",
    [Address(IdentityKind.PHONE, PHONE), Address(IdentityKind.WECOM, "wm-chen")],
)
def test_a_shop_system_does_not_bring_them_back(chen, address):
    erase(chen)

    with pytest.raises(WasErased):
        take_in(Address(IdentityKind.MEMBER, "M1"), address)

    assert Customer.objects.count() == 1


def test_letters_in_another_case_are_the_same_address(chen):
    make_identity(chen, "Chen@Mail.Example", kind=IdentityKind.EMAIL)
    erase(chen)

    with pytest.raises(WasErased):
        take_in(Address(IdentityKind.EMAIL, "chen@mail.example"))


def test_a_secret_that_was_replaced_goes_on_refusing(chen, settings):
    erase(chen)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"

    assert erased_among([Address(IdentityKind.PHONE, PHONE)])
    settings.SECRET_KEY_FALLBACKS = []
    assert not erased_among([Address(IdentityKind.PHONE, PHONE)])


@pytest.mark.parametrize("began_at", [None, NOON - timedelta(days=1), NOON])
def test_news_that_is_older_brings_nobody_back(chen, lin, began_at):
    erase(chen)

    with pytest.raises(WasErased):
        begin_follow(lin, "wm-chen", profile=Profile(name="Chen"), now=LATER, began_at=began_at)

    assert Customer.objects.count() == 1


def test_who_adds_a_guide_anew_is_a_new_customer(chen, lin):
    erase(chen)
    profile = Profile(name="Chen", phones=(PHONE,))

    follow = begin_follow(lin, "wm-chen", profile=profile, now=LATER, began_at=LATER)

    assert follow.customer != chen
    assert follow.customer.owner == lin
    assert [row.value for row in follow.customer.identities.all()] == ["wm-chen"]
    with pytest.raises(WasErased):  # nobody has told us of this number since
        take_in(Address(IdentityKind.PHONE, PHONE))
    chen.refresh_from_db()
    assert chen.state == CustomerState.ERASED
    assert broken() == []


def test_who_came_back_may_be_erased_again(chen, lin):
    erase(chen)
    follow = begin_follow(lin, "wm-chen", profile=Profile(), now=LATER, began_at=LATER)
    erase(follow.customer, now=LATER)

    with pytest.raises(WasErased):
        begin_follow(lin, "wm-chen", profile=Profile(), now=LATER, began_at=LATER)


# --- after a restored backup --------------------------------------------------------------------


def listed(*args):
    out = StringIO()
    call_command("erasures", *args, stdout=out)
    return out.getvalue()


def test_the_list_of_erasures_survives_a_restored_backup(chen, tmp_path):
    zhao = make_customer("Zhao")
    erase(zhao)
    backup = Customer.objects.filter(pk=chen.pk)
    file = tmp_path / "erasures"
    file.write_text(listed() + f"{chen.pk}\t{LATER.isoformat()}\n999999\t{LATER.isoformat()}\n")

    said = listed("--again", str(file))

    assert said == "1 erased again, 2 were erased or not there\n"
    assert backup.get().state == CustomerState.ERASED
    assert {line.split("\t")[0] for line in listed().splitlines()} == {str(chen.pk), str(zhao.pk)}
    assert not listed("--since", "2100-01-01T00:00Z")


def test_whoever_has_got_a_number_since_is_left_alone(chen, tmp_path):
    file = tmp_path / "erasures"
    file.write_text(f"{chen.pk}\t{(NOON - timedelta(days=1)).isoformat()}\n")

    listed("--again", str(file))

    chen.refresh_from_db()
    assert chen.state == CustomerState.ACTIVE


def test_a_list_that_is_none_is_refused(chen, tmp_path):
    file = tmp_path / "erasures"
    file.write_text("Chen\n")

    with pytest.raises(CommandError, match="line 1"):
        listed("--again", str(file))
