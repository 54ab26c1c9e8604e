"""Merging two records of one person, and taking the merge apart again."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from campaigns.models import SegmentMember
from contacts.actions.consent import opt_in, opt_out
from contacts.actions.customers import Profile, find_customer, tag_customer
from contacts.actions.follows import begin_follow, end_follow
from contacts.actions.interactions import log_interaction
from contacts.actions.ownership import move_ownership
from contacts.actions.tasks import add_task, finish_task
from contacts.enums import (
    CustomerState,
    FollowEnd,
    IdentityKind,
    InteractionKind,
    LossState,
    OwnershipReason,
    Role,
    StaffState,
    TaskKind,
    TaskState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, Follow, HistoryEntry, Loss, Merge, Staff, Task
from contacts.queries import customer_timeline
from crm.actions.merges import merge_customers, undo_merge
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    make_coupon,
    make_customer,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_loss,
    make_order,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    make_task,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)
EVENING = NOON + timedelta(hours=8)


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def mei() -> Staff:
    return make_staff("Mei")


@pytest.fixture
def hua() -> Staff:
    return make_staff("Hua", role=Role.MANAGER)


@pytest.fixture
def kept(lin: Staff) -> Customer:
    return make_customer("Chen Jing", owner=lin)


@pytest.fixture
def gone(mei: Staff) -> Customer:
    return make_customer("Chen", owner=mei)


@pytest.fixture(autouse=True)
def _whatever_happens_the_promises_hold(db):
    yield
    assert {
        found.rule.number: found.examples for found in check_rules(now=EVENING) if found.rows
    } == {}


def merge(gone: Customer, kept: Customer, actor: Staff | None = None) -> Merge:
    return merge_customers(gone, into=kept, actor=actor, now=LATER)


def apart(merge: Merge, actor: Staff | None = None) -> Customer:
    return undo_merge(merge, actor=actor, now=EVENING)


def fresh(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def values(customer: Customer) -> set[str]:
    return set(customer.identities.values_list("value", flat=True))


def tags(customer: Customer) -> set[str]:
    return set(customer.carried_tags.values_list("tag__name", flat=True))


def connected(customer: Customer) -> set[str]:
    return set(
        Follow.objects.active().filter(customer=customer).values_list("staff__name", flat=True)
    )


# --- merging --------------------------------------------------------------------------------------


def test_one_record_stands_for_both(gone, kept, lin, hua) -> None:
    done = merge(gone, kept, hua)

    assert (gone.state, gone.merged_into, gone.owner) == (CustomerState.MERGED, kept, None)
    assert (kept.state, kept.owner) == (CustomerState.ACTIVE, lin)
    assert not gone.ownership_periods.filter(ended_at=None).exists()
    assert gone.ownership_periods.get().ended_at == LATER
    assert (done.gone, done.kept, done.merged_by, done.at) == (gone, kept, hua, LATER)
    entries = HistoryEntry.objects.filter(at=LATER).order_by("pk")
    assert [(one.action, one.customer, one.actor, one.data) for one in entries] == [
        ("customer.merged", gone, hua, {"into": kept.pk}),
        ("customer.took_in", kept, hua, {"record": gone.pk}),
    ]


def test_addresses_lead_to_whoever_stays_and_a_search_finds_them(gone, kept) -> None:
    make_identity(gone, "+8613812345678", kind=IdentityKind.PHONE)
    make_identity(gone, "wm-gone")

    merge(gone, kept)

    assert values(kept) == {"+8613812345678", "wm-gone"}
    assert values(gone) == set()
    assert find_customer(IdentityKind.WECOM, "wm-gone") == kept
    assert "13812345678" in kept.search_key
    assert "chenjing" in kept.search_key.replace(" ", "")
    assert "13812345678" not in gone.search_key


def test_connections_go_on_under_whoever_stays(gone, kept, lin, mei) -> None:
    make_follow(mei, gone, remark="blue coat", began_at=NOON - timedelta(days=9))
    both = make_follow(lin, gone)
    make_follow(lin, kept)
    make_follow(make_staff("Ann"), gone, ended=FollowEnd.TRANSFERRED)

    merge(gone, kept)

    assert connected(kept) == {"Lin", "Mei"}
    assert connected(gone) == set()
    goes_on = kept.follows.get(staff=mei)
    assert (goes_on.remark, goes_on.began_at) == ("blue coat", NOON - timedelta(days=9))
    both.refresh_from_db()
    assert (both.ended_at, both.end_reason) == (LATER, FollowEnd.MERGED)
    assert gone.follows.filter(end_reason=FollowEnd.TRANSFERRED).count() == 1
    assert not Loss.objects.exists()


def test_tags_go_along_and_of_an_exclusive_group_that_of_whoever_stays_counts(gone, kept) -> None:
    gold = make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)
    coats, hats = make_tag("Coats"), make_tag("Hats")
    tag_customer(kept, [gold, coats], actor=None, now=NOON)
    tag_customer(gone, [silver, coats, hats], actor=None, now=NOON)

    merge(gone, kept)

    assert tags(kept) == {"Gold", "Coats", "Hats"}
    assert tags(gone) == set()


def test_open_tasks_go_along_those_of_the_owner_to_the_owner(gone, kept, lin, mei) -> None:
    ann = make_staff("Ann")
    of_owner, of_other = make_task(staff=mei, customer=gone), make_task(staff=ann, customer=gone)
    done = make_task(staff=mei, customer=gone, state=TaskState.DONE)

    merge(gone, kept)

    rows = Task.objects.in_bulk()
    assert (rows[of_owner.pk].customer, rows[of_owner.pk].staff) == (kept, lin)
    assert (rows[of_other.pk].customer, rows[of_other.pk].staff) == (kept, ann)
    assert (rows[done.pk].customer, rows[done.pk].staff) == (gone, mei)


def test_nobody_is_asked_twice_for_a_first_contact(gone, kept, lin, mei, hua) -> None:
    asked = make_task(staff=lin, customer=kept, kind=TaskKind.FIRST_CONTACT)
    twice = make_task(staff=mei, customer=gone, kind=TaskKind.FIRST_CONTACT)

    merge(gone, kept, hua)

    assert list(kept.tasks.filter(state=TaskState.OPEN)) == [asked]
    twice.refresh_from_db()
    assert (twice.state, twice.closed_by) == (TaskState.DROPPED, hua)


def test_tasks_of_a_pool_go_to_the_owner(kept, lin) -> None:
    gone = make_customer("Chen", store=make_store("Airport"))
    task = make_task(customer=gone)

    merge(gone, kept)

    task.refresh_from_db()
    assert (task.staff, task.store, task.customer) == (lin, kept.store, kept)


def test_what_was_not_known_is_filled_in_and_nothing_overwritten(gone, kept) -> None:
    Customer.objects.filter(pk=gone.pk).update(
        city="Suzhou", birthday=date(1990, 5, 1), note="Blue", attributes={"size": "M", "shoe": 38}
    )
    Customer.objects.filter(pk=kept.pk).update(city="Shanghai", attributes={"size": "L"})

    merge(fresh(gone), kept)

    assert (kept.name, kept.city, kept.note) == ("Chen Jing", "Shanghai", "Blue")
    assert kept.birthday == date(1990, 5, 1)
    assert kept.attributes == {"size": "L", "shoe": 38}


def test_somebody_without_a_name_gets_one(lin, gone) -> None:
    nameless = make_customer("", owner=lin)

    merge(gone, nameless)

    assert nameless.name == "Chen"
    assert "chen" in nameless.search_key


def test_figures_are_those_of_both(gone, kept, lin) -> None:
    make_order(gone, amount=300, ordered_at=LATER)
    make_order(kept, amount=100)
    Customer.objects.filter(pk=kept.pk).update(spent=100)
    log_interaction(gone, kind=InteractionKind.VISIT, text="", actor=lin, now=NOON)

    merge(fresh(gone), fresh(kept))

    now = fresh(kept)
    assert (now.spent, now.last_order_at) == (Decimal(400), LATER)
    assert now.last_interaction_at == NOON


def test_a_refusal_of_either_holds(gone, kept) -> None:
    opt_out(gone, source="test", now=NOON)
    opt_in(kept, channel="email", source="test", now=NOON)

    merge(fresh(gone), kept)

    assert kept.opted_out_at is not None


def test_lists_have_whoever_stays_once(gone, kept) -> None:
    mine, both = make_segment(is_static=True), make_segment(is_static=True)
    for segment, customer in ((mine, gone), (both, gone), (both, kept)):
        SegmentMember.objects.create(segment=segment, customer=customer)

    done = merge(gone, kept)

    members = set(SegmentMember.objects.values_list("segment", "customer"))
    assert members == {(mine.pk, kept.pk), (both.pk, kept.pk)}
    apart(done)
    members = set(SegmentMember.objects.values_list("segment", "customer"))
    assert members == {(mine.pk, gone.pk), (both.pk, gone.pk), (both.pk, kept.pk)}


def test_facts_stay_where_they_were_written(gone, kept, lin) -> None:
    order, coupon, talk = make_order(gone), make_coupon(gone), make_interaction(gone, staff=lin)
    Customer.objects.filter(pk=gone.pk).update(spent=100)

    merge(fresh(gone), kept)

    for row in (order, coupon, talk):
        row.refresh_from_db()
        assert row.customer == gone


def test_the_timeline_has_what_happened_to_both(gone, kept, lin, hua) -> None:
    make_interaction(gone, staff=lin, text="Asked for hats")
    make_interaction(kept, staff=lin, text="Tried the blue coat")
    tag_customer(gone, [make_tag("Hats")], actor=lin, now=NOON)

    merge(gone, kept, hua)

    shown = [(entry.kind, entry.text) for entry in customer_timeline(kept)]
    assert ("visit", "Asked for hats") in shown
    assert ("visit", "Tried the blue coat") in shown
    assert ("customer.tagged", "Hats") in shown
    kinds = [kind for kind, _text in shown]
    assert kinds.count("customer.took_in") == 1
    assert "customer.merged" not in kinds
    hands = [entry.title for entry in customer_timeline(kept) if entry.kind == "ownership"]
    assert sorted(hands) == ["Now with Lin", "Now with Mei"]


# --- losses ---------------------------------------------------------------------------------------


def test_nobody_is_lost_who_is_connected_under_the_other_record(gone, kept, lin, mei) -> None:
    loss = make_loss(mei, gone)
    make_task(staff=mei, customer=gone, kind=TaskKind.WIN_BACK)
    make_follow(lin, kept)

    done = merge(gone, kept)

    loss.refresh_from_db()
    assert (loss.state, loss.is_last) == (LossState.KEPT, False)
    assert not kept.tasks.filter(state=TaskState.OPEN).exists()
    apart(done)
    loss.refresh_from_db()
    assert (loss.state, loss.is_last, loss.customer) == (LossState.OPEN, True, gone)


def test_of_two_losses_the_later_one_counts(gone, kept, lin, mei) -> None:
    earlier, later = make_loss(lin, kept), make_loss(mei, gone, at=LATER)

    done = merge(gone, kept)

    for loss in (earlier, later):
        loss.refresh_from_db()
    assert (earlier.state, later.state) == (LossState.KEPT, LossState.OPEN)
    assert later.customer == kept
    apart(done)
    for loss in (earlier, later):
        loss.refresh_from_db()
    assert (earlier.state, earlier.customer) == (LossState.OPEN, kept)
    assert (later.state, later.customer) == (LossState.OPEN, gone)


# --- refused --------------------------------------------------------------------------------------


def nothing_happened(*customers: Customer) -> bool:
    states = {fresh(one).state for one in customers}
    return states == {CustomerState.ACTIVE} and not Merge.objects.exists()


def test_a_record_is_not_merged_into_itself(kept) -> None:
    with pytest.raises(RuleBroken, match="one and the same record"):
        merge(kept, fresh(kept))

    assert nothing_happened(kept)


@pytest.mark.parametrize("which", ["gone", "kept"])
def test_whoever_is_in_an_open_handover_stays_as_they_are(gone, kept, which, request) -> None:
    held = request.getfixturevalue(which)
    make_handover(held.owner, customers=[held])

    with pytest.raises(RuleBroken, match="open handover"):
        merge(gone, kept)

    assert nothing_happened(gone, kept)


def test_whoever_is_merged_already_is_not_merged_again(gone, kept, lin) -> None:
    seen, zhao = fresh(gone), make_customer("Zhao", owner=lin)
    merge(gone, kept)

    with pytest.raises(MovedOn, match="just been merged or erased"):
        merge_customers(seen, into=zhao, actor=None, now=EVENING)
    with pytest.raises(RuleBroken, match="no longer an active customer"):
        merge_customers(zhao, into=fresh(gone), actor=None, now=EVENING)

    assert Merge.objects.count() == 1
    assert fresh(zhao).state == CustomerState.ACTIVE


def test_whoever_has_changed_hands_meanwhile_is_looked_at_again(gone, kept, lin, mei) -> None:
    move_ownership([(gone.pk, lin.pk)], reason=OwnershipReason.TRANSFER, now=NOON)

    with pytest.raises(MovedOn, match="changed hands"):
        merge(gone, kept)

    assert nothing_happened(gone, kept)


def test_there_is_never_a_chain(gone, kept, lin) -> None:
    zhao = make_customer("Zhao", owner=lin)
    merge(gone, kept)

    merge_customers(kept, into=zhao, actor=None, now=LATER)

    assert fresh(gone).merged_into == fresh(kept).merged_into == zhao


def test_what_comes_for_a_record_that_was_just_merged_goes_to_whoever_stays(
    gone, kept, mei
) -> None:
    make_identity(gone, "wm-gone")
    tag, seen = make_tag(), fresh(gone)
    make_follow(mei, gone)
    merge(gone, kept)

    with pytest.raises(RuleBroken, match="no longer an active customer"):
        tag_customer(seen, [tag], actor=None, now=EVENING)
    with pytest.raises(RuleBroken, match="no longer an active customer"):
        add_task(
            kind=TaskKind.TO_DO, store=kept.store, staff=mei, actor=mei, now=EVENING,
            customer=seen, text="Call",
        )  # fmt: skip
    assert end_follow(mei, "wm-gone", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=EVENING)
    assert Loss.objects.get().customer == kept
    begin_follow(mei, "wm-gone", profile=Profile(), now=EVENING + timedelta(minutes=1))
    assert connected(kept) == {"Mei"}


# --- taken apart ----------------------------------------------------------------------------------


def test_taken_apart_everything_is_as_it_was(gone, kept, lin, mei, hua) -> None:
    make_identity(gone, "+8613812345678", kind=IdentityKind.PHONE)
    make_follow(mei, gone)
    gold = make_tag("Gold", exclusive=True)
    silver, hats = make_tag("Silver", group=gold.group), make_tag("Hats")
    tag_customer(kept, [gold], actor=None, now=NOON)
    tag_customer(gone, [silver, hats], actor=mei, now=NOON)
    task = make_task(staff=mei, customer=gone)
    make_order(gone, amount=300)
    Customer.objects.filter(pk=gone.pk).update(
        spent=300, last_order_at=NOON, city="Suzhou", birthday=date(1990, 5, 1),
        attributes={"shoe": 38}, last_interaction_at=NOON,
    )  # fmt: skip
    before = [Customer.objects.filter(pk=one.pk).values().get() for one in (gone, kept)]

    back = apart(merge(fresh(gone), kept, hua), hua)

    after = [Customer.objects.filter(pk=one.pk).values().get() for one in (gone, kept)]
    for one, other in zip(before, after, strict=True):
        assert {**one, "search_key": other["search_key"]} == other
    assert (back, back.owner) == (gone, mei)
    assert (tags(gone), tags(kept)) == ({"Silver", "Hats"}, {"Gold"})
    assert (connected(gone), connected(kept)) == ({"Mei"}, set())
    task.refresh_from_db()
    assert (task.customer, task.staff) == (gone, mei)
    assert "13812345678" in back.search_key
    assert "13812345678" not in fresh(kept).search_key
    period = gone.ownership_periods.get(ended_at=None)
    assert (period.staff, period.reason, period.began_at) == (mei, "unmerged", EVENING)
    undone = Merge.objects.get()
    assert (undone.undone_at, undone.undone_by) == (EVENING, hua)
    said = HistoryEntry.objects.filter(at=EVENING, subject_kind="customer").order_by("pk")
    assert [(one.action, one.customer, one.data) for one in said] == [
        ("customer.unmerged", gone, {"from": kept.pk}),
        ("customer.gave_back", kept, {"record": gone.pk}),
    ]


def test_what_has_changed_since_stays(gone, kept, lin, mei) -> None:
    make_identity(gone, "wm-gone")
    make_identity(gone, "+8613812345678", kind=IdentityKind.PHONE)
    make_follow(mei, gone)
    hats = make_tag("Hats")
    tag_customer(gone, [hats], actor=None, now=NOON)
    task = make_task(staff=mei, customer=gone)
    Customer.objects.filter(pk=gone.pk).update(city="Suzhou", note="Blue")
    done = merge(fresh(gone), kept)
    kept.identities.get(value="wm-gone").delete()
    kept.carried_tags.all().delete()
    end_by_hand = Follow.objects.active().filter(customer=kept)
    end_by_hand.update(ended_at=LATER, end_reason=FollowEnd.TRANSFERRED)
    finish_task(Task.objects.get(pk=task.pk), actor=lin, now=LATER)
    Customer.objects.filter(pk=kept.pk).update(city="Wuxi")

    apart(done)

    now = fresh(kept)
    assert (now.city, now.note) == ("Wuxi", "")
    assert values(gone) == {"+8613812345678"}
    assert (tags(gone), connected(gone)) == (set(), set())
    assert Task.objects.get(pk=task.pk).customer == kept


def test_whose_owner_has_departed_rests_in_the_pool_of_the_store(gone, kept, mei) -> None:
    done = merge(gone, kept)
    Staff.objects.filter(pk=mei.pk).update(state=StaffState.DEPARTED, departed_at=LATER)
    mei.user.is_active = False
    mei.user.save()

    back = apart(done)

    assert (back.owner, back.store) == (None, gone.store)


def test_a_refusal_said_since_holds_for_both(gone, kept) -> None:
    opt_out(kept, channel="sms", source="test", now=NOON)
    done = merge(gone, kept)
    opt_out(gone, channel="email", source="test", now=LATER + timedelta(minutes=1))

    apart(done)

    assert set(gone.standing.values_list("channel", "granted")) == {("email", False)}
    assert set(kept.standing.values_list("channel", "granted")) == {
        ("email", False),
        ("sms", False),
    }


def test_a_merge_is_taken_apart_once(gone, kept) -> None:
    done = merge(gone, kept)
    seen = Merge.objects.get(pk=done.pk)
    apart(done)

    with pytest.raises(MovedOn, match="just taken this merge apart"):
        apart(seen)

    assert gone.ownership_periods.count() == 2


def test_whoever_was_merged_onward_is_taken_out_first(gone, kept, lin) -> None:
    zhao = make_customer("Zhao", owner=lin)
    first = merge(gone, kept)
    second = merge_customers(kept, into=zhao, actor=None, now=LATER)

    with pytest.raises(RuleBroken, match="no longer an active customer"):
        apart(first)
    assert fresh(gone).merged_into == zhao

    apart(second)
    assert fresh(gone).merged_into == kept
    apart(Merge.objects.get(pk=first.pk))
    assert fresh(gone).state == CustomerState.ACTIVE


def test_whoever_is_in_a_handover_is_not_taken_apart(gone, kept, lin) -> None:
    done = merge(gone, kept)
    make_handover(lin, customers=[kept])

    with pytest.raises(RuleBroken, match="open handover"):
        apart(done)

    assert fresh(gone).state == CustomerState.MERGED


def test_merged_apart_and_merged_again(gone, kept) -> None:
    apart(merge(gone, kept))

    merge_customers(fresh(kept), into=fresh(gone), actor=None, now=EVENING)

    assert fresh(kept).merged_into == gone
