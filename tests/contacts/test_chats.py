"""Group chats: in custody when their owner leaves, moved by hundreds, 300 a day to one colleague."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from contacts.actions.chat_plans import assign_chats, chat_shares
from contacts.actions.chat_transfers import (
    ATTEMPTS,
    LEASE,
    handovers_with_chats_due,
    transfer_due_chats,
)
from contacts.actions.chats import NOBODY, chat_counts, chats_are_settled
from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    cancel_handover,
    finish_handover,
    plan_handover,
    propose_receivers,
    start_handover,
)
from contacts.actions.sharing import Strategy
from contacts.actions.undo import can_be_undone, undo_handover
from contacts.enums import HandoverKind, HandoverState, ItemState, NoticeKind, Role, StaffState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import ChatItem, GroupChat, Handover, Notice, Staff
from contacts.models.chats import MOST_A_DAY
from contacts.notice_words import sentence
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    make_chat,
    make_chat_item,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
)
from tests.sandboxed import Shop, addresses_of, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def giver_with_chats(shop: Shop, number: int, *, customers: int = 1) -> tuple[Staff, Staff]:
    """Wei owns so many group chats, in WeCom and here; Lin is a colleague."""
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(customers, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.open_chats(wei, *[f"wrChat{index:03}" for index in range(number)])
    return wei, lin


def seed_chats(shop: Shop, owner: Staff, *ids: str, errcode: int = 0) -> None:
    """Tell the sandbox of chats; with an errcode, of what a transfer of them answers."""
    shop.control.seed(
        groups=[
            {"chat_id": pk, "name": pk, "owner": owner.wecom_userid, "errcode": errcode}
            for pk in ids
        ]
    )


def start(handover: Handover, *receivers: Staff) -> None:
    now = timezone.now()
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)


def move(handover: Handover, *, after: timedelta = timedelta()) -> int:
    return transfer_due_chats(handover.pk, now=timezone.now() + after)


def broken() -> list[str]:
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


@pytest.mark.parametrize("number", [1, 99, 100, 101, 250, 300])
def test_the_chats_of_a_leaver_go_to_a_colleague(shop: Shop, number: int) -> None:
    wei, lin = giver_with_chats(shop, number)
    handover = shop.leave(wei)
    assert GroupChat.objects.filter(owner=None).count() == number
    assert chat_counts(handover) == {ItemState.PLANNED: number}

    start(handover, lin)
    assert handovers_with_chats_due(timezone.now()) == [handover.pk]
    assert move(handover) == number

    assert chat_counts(handover) == {ItemState.ACCEPTED: number}
    assert GroupChat.objects.filter(owner=lin).count() == number
    assert handovers_with_chats_due(timezone.now()) == []
    assert shop.violations() == []
    assert broken() == []


def test_not_more_than_300_a_day(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 301)
    handover = shop.leave(wei)
    start(handover, lin)

    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 300, ItemState.PLANNED: 1}
    assert handovers_with_chats_due(timezone.now() + timedelta(hours=23)) == []
    assert broken() == []
    shop.control.advance(24 * 3600 + 60)
    assert handovers_with_chats_due(timezone.now() + timedelta(days=1, minutes=1)) == [handover.pk]
    move(handover, after=timedelta(days=1, minutes=1))
    assert chat_counts(handover) == {ItemState.ACCEPTED: 301}
    assert shop.violations() == []


def test_the_day_of_a_colleague_counts_over_all_handovers(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2)
    given = make_handover(make_staff("Sun"))
    for _chat in range(MOST_A_DAY - 1):
        make_chat_item(given, to_staff=lin, state=ItemState.ACCEPTED, at=timezone.now())
    handover = shop.leave(wei)
    start(handover, lin)

    assert [
        (share.chats, share.today, share.days)
        for share in chat_shares(handover, now=timezone.now())
    ] == [(2, 1, 1)]
    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 1, ItemState.PLANNED: 1}


def test_somebody_who_had_only_chats_leaves_a_handover_too(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2, customers=0)
    handover = shop.leave(wei)
    assert handover.size == 0

    start(handover, lin)
    move(handover)

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert GroupChat.objects.filter(owner=lin).count() == 2
    assert broken() == []


def test_a_handover_is_not_over_before_its_chats_are() -> None:
    wei, mei = make_staff("Wei"), make_staff("Mei")
    make_customers(2, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    start(handover, mei)

    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING
    assert chat_counts(handover) == {ItemState.PLANNED: 1}


def test_a_worker_that_died_in_the_call_is_followed_by_another(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = shop.leave(wei)
    start(handover, lin)
    move(handover)  # WeCom has moved them …
    now = timezone.now()
    GroupChat.objects.update(owner=None, left_by=wei)  # … and nothing was written down
    ChatItem.objects.update(
        state=ItemState.REQUESTED, closed_at=None, lease_until=now + LEASE, next_attempt_at=now
    )
    Handover.objects.update(state=HandoverState.RUNNING, closed_at=None)

    assert transfer_due_chats(handover.pk, now=now) == 0
    transfer_due_chats(handover.pk, now=now + LEASE + timedelta(seconds=1))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 3}
    assert GroupChat.objects.filter(owner=lin).count() == 3


def test_a_worker_that_died_leaves_the_last_of_the_day_to_another(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 300)
    handover = shop.leave(wei)
    start(handover, lin)
    now = timezone.now()
    ChatItem.objects.update(state=ItemState.REQUESTED, state_at=now, lease_until=now)

    move(handover, after=timedelta(seconds=1))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 300}


@pytest.mark.parametrize("how", ["close", "truncate", "html", "unavailable"])
def test_a_lost_answer_is_asked_for_again(shop: Shop, how: str) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = shop.leave(wei)
    start(handover, lin)
    shop.control.faults(
        lose=[{"path": "externalcontact/groupchat/transfer", "how": how, "times": 1}]
    )
    move(handover)
    assert chat_counts(handover) == {ItemState.REQUESTED: 3}
    assert handovers_with_chats_due(timezone.now()) == []

    move(handover, after=timedelta(minutes=2))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 3}
    assert GroupChat.objects.filter(owner=lin).count() == 3
    assert set(handover.chats.values_list("attempts", flat=True)) == {1}


def test_chats_of_a_lost_answer_take_their_room_of_the_day(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 400)
    handover = shop.leave(wei)
    start(handover, lin)
    path = "externalcontact/groupchat/transfer"
    shop.control.faults(lose=[{"path": path, "how": "close", "times": 1}])

    move(handover)
    assert chat_counts(handover) == {
        ItemState.ACCEPTED: 200,
        ItemState.REQUESTED: 100,
        ItemState.PLANNED: 100,
    }
    move(handover, after=timedelta(minutes=2))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 300, ItemState.PLANNED: 100}
    assert not handover.chats.filter(errcode=45009).exists()


FINAL = [40003, 90501, 90503, 90509]


@pytest.mark.parametrize("errcode", FINAL)
def test_what_wecom_will_not_move_fails_with_words_and_can_be_given_again(
    shop: Shop, errcode: int
) -> None:
    wei, lin = giver_with_chats(shop, 2)
    seed_chats(shop, wei, "wrChat001", errcode=errcode)
    handover = shop.leave(wei)
    start(handover, lin)
    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 1, ItemState.FAILED: 1}
    failed = handover.chats.get(state=ItemState.FAILED)
    assert (failed.errcode, bool(failed.reason)) == (errcode, True)
    assert chats_are_settled(handover)
    handover.items.update(state=ItemState.ACCEPTED, closed_at=timezone.now())
    Handover.objects.filter(pk=handover.pk).update(
        state=HandoverState.DONE, closed_at=timezone.now()
    )
    seed_chats(shop, wei, "wrChat001")
    assign_chats(handover, [failed.pk], lin, actor=None, now=timezone.now())
    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING
    move(handover)
    assert chat_counts(handover) == {ItemState.ACCEPTED: 2}
    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE


def test_the_managers_are_told_once_a_day_of_chats_that_could_not_be_moved(shop: Shop) -> None:
    hua = make_staff("Hua", role=Role.MANAGER)
    wei, lin = giver_with_chats(shop, 3)
    seed_chats(shop, wei, "wrChat001", errcode=90503)
    seed_chats(shop, wei, "wrChat002", errcode=90501)
    handover = shop.leave(wei)
    start(handover, lin)

    move(handover)

    assert chat_counts(handover)[ItemState.FAILED] == 2
    notice = Notice.objects.get(staff=hua, kind=NoticeKind.NEEDS_DECISION)
    assert sentence(notice) == "Some group chats of Wei could not be handed over."
    assert notice.handover == handover


@pytest.mark.parametrize("errcode", [90504, 90508])
def test_what_has_been_moved_already_counts_as_done(shop: Shop, errcode: int) -> None:
    wei, lin = giver_with_chats(shop, 2)
    seed_chats(shop, wei, "wrChat001", errcode=errcode)
    handover = shop.leave(wei)
    start(handover, lin)

    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 2}


@pytest.mark.parametrize("errcode", [45009, 90500, 90507])
def test_what_wecom_puts_off_is_asked_for_later_and_not_for_ever(shop: Shop, errcode: int) -> None:
    wei, lin = giver_with_chats(shop, 2)
    seed_chats(shop, wei, "wrChat001", errcode=errcode)
    handover = shop.leave(wei)
    start(handover, lin)

    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 1, ItemState.PLANNED: 1}
    assert handovers_with_chats_due(timezone.now()) == []
    after = timedelta()
    for _attempt in range(ATTEMPTS):
        after += timedelta(hours=7)
        move(handover, after=after)
    assert chat_counts(handover) == {ItemState.ACCEPTED: 1, ItemState.FAILED: 1}


def test_whoever_has_left_without_our_knowing_is_asked_for_as_a_leaver(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    shop.control.depart(wei.wecom_userid or "")
    start(handover, lin)

    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 3}
    assert shop.violations() == []


def test_whoever_works_in_wecom_still_is_asked_for_as_a_member(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    start(handover, lin)

    move(handover)

    assert set(handover.chats.values_list("state", "on_job")) == {(ItemState.ACCEPTED, True)}


def test_a_chat_that_somebody_else_owns_by_now_is_left_to_them(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2)
    mei = make_staff("Mei")
    shop.open(mei)
    shop.control.change_chat("wrChat001", owner=mei.wecom_userid)
    handover = shop.leave(wei)
    start(handover, lin)

    move(handover)

    assert chat_counts(handover) == {ItemState.ACCEPTED: 1, ItemState.CANCELLED: 1}
    assert GroupChat.objects.get(chat_id="wrChat001").owner == mei


@pytest.mark.parametrize(
    ("errcode", "state"), [(-1, ItemState.REQUESTED), (45033, ItemState.PLANNED)]
)
def test_chats_are_asked_for_again_when_wecom_was_busy(
    shop: Shop, errcode: int, state: ItemState
) -> None:
    """Of "system busy" nobody knows whether it had an effect."""
    wei, lin = giver_with_chats(shop, 1)
    handover = shop.leave(wei)
    start(handover, lin)
    path = "externalcontact/groupchat/transfer"
    shop.control.faults(fail=[{"path": path, "errcode": errcode, "times": 1}])

    move(handover)

    item = handover.chats.get()
    assert (item.state, item.attempts, bool(item.reason)) == (state, 0, True)
    move(handover, after=timedelta(minutes=2))
    assert chat_counts(handover) == {ItemState.ACCEPTED: 1}


def test_chats_of_a_receiver_who_is_away_are_dealt_to_the_others(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 4, customers=2)
    mei = make_staff("Mei")
    shop.open(mei)
    handover = shop.leave(wei)
    start(handover, lin, mei)
    Staff.objects.filter(pk=lin.pk).update(state=StaffState.SUSPENDED)

    move(handover)

    assert set(handover.chats.values_list("state", "to_staff")) == {(ItemState.ACCEPTED, mei.pk)}


def test_chats_that_nobody_of_the_plan_can_own_do_not_keep_it_open(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2)
    handover = shop.leave(wei)
    start(handover, lin)
    Staff.objects.filter(pk=lin.pk).update(state=StaffState.SUSPENDED)

    assert move(handover) == 0

    assert set(handover.chats.values_list("state", "reason")) == {(ItemState.FAILED, NOBODY)}
    assert GroupChat.objects.filter(owner=None, left_by=wei).count() == 2


def test_a_receiver_who_departs_during_the_call_leaves_the_chats_behind(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 1)
    handover = shop.leave(wei)
    start(handover, lin)
    now = timezone.now()
    ChatItem.objects.update(state=ItemState.REQUESTED, state_at=now, lease_until=now)
    depart_staff(lin.pk, actor=None, now=now)

    move(handover, after=timedelta(seconds=1))

    assert broken() == []
    assert not GroupChat.objects.exclude(owner=None).exists()


def test_chats_go_to_whoever_takes_most_of_their_customers_else_evenly() -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(4, owner=wei, followed=True)
    favourite = make_chat(wei, customers=sorted(addresses_of(customers)))
    make_chat(wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    propose_receivers(handover, [lin, mei], strategy=Strategy.EVENLY, actor=None, now=NOON)
    handover.items.filter(customer__in=customers[:3]).update(to_staff=mei)
    handover.items.filter(customer=customers[3]).update(to_staff=lin)

    shares = {share.staff: share.chats for share in chat_shares(handover, now=NOON)}
    start_handover(handover, actor=None, now=NOON)

    assert handover.chats.get(chat=favourite).to_staff == mei
    assert shares == {lin: 2, mei: 1}
    assert sorted(handover.chats.values_list("to_staff", flat=True)) == [lin.pk, lin.pk, mei.pk]


def test_the_owner_of_a_chat_can_be_chosen_before_the_start() -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=wei)
    chosen, dealt = make_chat(wei), make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    items = {item.chat_id: item.pk for item in handover.chats.all()}

    assign_chats(handover, [items[chosen.pk], items[dealt.pk]], mei, actor=None, now=NOON)
    assign_chats(handover, [items[dealt.pk]], None, actor=None, now=NOON)
    start(handover, lin)

    owners = {item.chat_id: item.to_staff_id for item in handover.chats.all()}
    assert owners == {chosen.pk: mei.pk, dealt.pk: lin.pk}


def test_only_colleagues_in_wecom_can_be_chosen_and_only_for_chats_that_wait() -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    offline, away = (
        make_staff("Sun", wecom_userid=None),
        make_staff("Mei", state=StaffState.SUSPENDED),
    )
    make_customers(1, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    item = handover.chats.get()

    for person in (offline, away):
        with pytest.raises(RuleBroken):
            assign_chats(handover, [item.pk], person, actor=None, now=NOON)
    cancel_handover(handover, actor=None, now=NOON)
    with pytest.raises(MovedOn):
        assign_chats(handover, [item.pk], lin, actor=None, now=NOON)
    item.refresh_from_db()
    assert (item.state, item.to_staff) == (ItemState.CANCELLED, None)


def test_a_leave_takes_the_chats_along_if_asked_to(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2)
    now = timezone.now()
    alone = plan_handover(wei, kind=HandoverKind.LEAVE, actor=None, now=now)
    assert not alone.chats.exists()
    cancel_handover(alone, actor=None, now=now)

    handover = plan_handover(wei, kind=HandoverKind.LEAVE, actor=None, now=now, with_chats=True)
    assert GroupChat.objects.filter(owner=wei).count() == 2
    start(handover, lin)
    move(handover)

    assert GroupChat.objects.filter(owner=lin).count() == 2
    assert shop.violations() == []


def test_a_chat_moves_twice_in_90_days_while_its_owner_works(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 1, customers=0)
    handovers = []
    for giver, taker in [(wei, lin), (lin, wei), (wei, lin)]:
        handover = plan_handover(
            giver, kind=HandoverKind.REBALANCE, actor=None, now=timezone.now(), with_chats=True
        )
        start(handover, taker)
        move(handover)
        handovers.append(handover)

    assert [chat_counts(one) for one in handovers[:2]] == [{ItemState.ACCEPTED: 1}] * 2
    assert handovers[2].chats.get().errcode == 40128
    assert GroupChat.objects.get().owner == wei
    assert shop.violations() == []


def test_chats_under_way_in_a_leave_go_on_after_a_departure(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2)
    leaving = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )
    start(leaving, lin)
    leave_again = depart_staff(wei.pk, actor=None, now=timezone.now())

    move(leaving)

    assert leave_again is None or not leave_again.chats.exists()
    assert chat_counts(leaving) == {ItemState.ACCEPTED: 2}
    assert broken() == []


def test_a_plan_of_a_leave_makes_way_for_the_departure(shop: Shop) -> None:
    wei, _lin = giver_with_chats(shop, 2)
    planned = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )

    handover = shop.leave(wei)

    assert chat_counts(planned) == {ItemState.CANCELLED: 2}
    assert chat_counts(handover) == {ItemState.PLANNED: 2}


def test_an_undo_gives_chats_back_to_a_giver_at_work(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )
    start(handover, lin)
    move(handover)
    elsewhere = GroupChat.objects.order_by("pk")[0]
    GroupChat.objects.filter(pk=elsewhere.pk).update(owner=make_staff("Mei"))

    undoing = undo_handover(handover, actor=None, now=timezone.now())

    assert undoing.chats == 2
    back = Handover.objects.get(undoes=handover, from_staff=lin)
    move(back)
    assert chat_counts(back) == {ItemState.ACCEPTED: 2}
    assert GroupChat.objects.filter(owner=wei).count() == 2
    assert handover.chats.filter(undone_at=None).get().chat == elsewhere
    assert shop.violations() == []
    assert broken() == []


def test_an_undo_before_the_request_withdraws_all_chats(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 3)
    handover = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )
    start(handover, lin)

    undoing = undo_handover(handover, actor=None, now=timezone.now())

    assert undoing.chats == 3
    assert chat_counts(handover) == {ItemState.CANCELLED: 3}
    assert GroupChat.objects.filter(owner=wei).count() == 3


def test_chats_of_somebody_who_has_left_stay_with_their_new_owners(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 2, customers=0)
    handover = shop.leave(wei)
    start(handover, lin)
    move(handover)

    assert not can_be_undone(handover, now=timezone.now())
    with pytest.raises(RuleBroken):
        undo_handover(handover, actor=None, now=timezone.now())
    assert GroupChat.objects.filter(owner=lin).count() == 2


def test_a_chat_that_cannot_be_given_back_does_not_count_as_undone(shop: Shop) -> None:
    wei, lin = giver_with_chats(shop, 1, customers=0)
    handover = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )
    start(handover, lin)
    move(handover)
    undo_handover(handover, actor=None, now=timezone.now())
    seed_chats(shop, lin, "wrChat000", errcode=90503)

    move(Handover.objects.get(undoes=handover))

    assert handover.chats.get().undone_at is None
    assert GroupChat.objects.get().owner == lin


def test_a_handover_is_not_finished_while_chats_are_being_moved() -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(1, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    start(handover, lin)
    handover.chats.update(state=ItemState.REQUESTED, lease_until=NOON + LEASE)

    with pytest.raises(RuleBroken):
        finish_handover(handover, actor=None, now=NOON)
    cancel_handover(handover, actor=None, now=NOON)

    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING
    handover.chats.update(state=ItemState.PLANNED)
    finish_handover(handover, actor=None, now=NOON)
    assert chat_counts(handover) == {ItemState.CANCELLED: 1}


def test_cancelling_leaves_the_chats_without_an_owner_and_nothing_open() -> None:
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    cancel_handover(handover, actor=None, now=NOON)

    assert chat_counts(handover) == {ItemState.CANCELLED: 1}
    again = plan_handover(
        Staff.objects.get(pk=wei.pk), kind=HandoverKind.DEPARTURE, actor=None, now=NOON
    )
    assert (again.size, chat_counts(again)) == (1, {ItemState.PLANNED: 1})


def test_nobody_who_has_departed_owns_a_chat() -> None:
    chat = make_chat(make_staff())

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        GroupChat.objects.filter(pk=chat.pk).update(owner=make_departed())

    assert broken_constraint(refused.value) == "chat_owner_is_employed"


@pytest.mark.parametrize("end", [cancel_handover, finish_handover])
def test_an_undo_that_is_called_off_leaves_its_chats_to_be_given_back_later(
    shop: Shop, end: Callable[..., object]
) -> None:
    wei, lin = giver_with_chats(shop, 2, customers=0)
    handover = plan_handover(
        wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now(), with_chats=True
    )
    start(handover, lin)
    move(handover)
    undo_handover(handover, actor=None, now=timezone.now())

    end(Handover.objects.get(undoes=handover), actor=None, now=timezone.now())

    assert not handover.chats.exclude(undone_at=None).exists()
    assert can_be_undone(handover, now=timezone.now())
    undo_handover(handover, actor=None, now=timezone.now())
    move(Handover.objects.filter(undoes=handover).latest("pk"))
    assert GroupChat.objects.filter(owner=wei).count() == 2
    assert broken() == []
