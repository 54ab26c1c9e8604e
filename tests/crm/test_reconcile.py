"""Comparing with WeCom: what callbacks lost is found, repaired where that is safe, else listed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from contacts.actions.departures import depart_staff
from contacts.actions.follows import end_follow
from contacts.actions.ownership import move_ownership
from contacts.enums import (
    FindingKind,
    FindingState,
    FollowEnd,
    HandoverState,
    IdentityKind,
    ItemState,
    OwnershipReason,
    ReconciliationState,
    StaffState,
)
from contacts.models import (
    Customer,
    CustomerTag,
    Finding,
    Follow,
    Handover,
    HandoverItem,
    Identity,
    OwnershipPeriod,
    Reconciliation,
    Staff,
)
from crm.actions.reconcile import go_on, start_reconciliation
from crm.invariants import check_rules
from tests.builders import make_customer, make_follow, make_handover, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

SINCE = datetime.fromtimestamp(1_760_000_000, tz=UTC)


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    """A sandbox that loses every callback."""
    with open_shop() as opened:
        opened.control.faults(callbacks={"drop": True})
        yield opened


def fill(shop: Shop, number: int = 7) -> None:
    """Lin and Mei with these customers in turn, in WeCom only."""
    tags = shop.control.seed(
        staff=[{"userid": "Lin", "name": "Lin"}, {"userid": "Mei", "name": "Mei"}],
        tags=[{"group": "Value", "names": ["Gold", "New"]}],
    )
    shop.control.seed(
        customers=[
            {
                "external_userid": f"wo{index}",
                "name": f"Chen {index}",
                "type": 1,
                "unionid": f"union{index}",
                "gender": 2,
                "follows": [
                    {
                        "userid": ("Lin", "Mei")[index % 2],
                        "createtime": 1_760_000_000,
                        "tag_ids": [tags["Value"]["Gold"]],
                    }
                ],
            }
            for index in range(number)
        ]
    )
    shop.control.faults(page_size=2)


def compare(**options: Any) -> Reconciliation:
    """Run one comparison to its end."""
    row = start_reconciliation(actor=None, now=timezone.now())
    assert go_on(row.pk, now=timezone.now(), stay=True, **options)
    row.refresh_from_db()
    return row


def broken() -> dict[int, Any]:
    return {
        rule.rule.number: rule.examples for rule in check_rules(now=timezone.now()) if rule.rows
    }


def open_findings() -> list[str]:
    found = Finding.objects.filter(state=FindingState.OPEN)
    return list(found.order_by("pk").values_list("kind", flat=True))


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Seven customers, the same on both sides."""
    fill(shop)
    assert compare().state == ReconciliationState.DONE
    OwnershipPeriod.objects.update(began_at=SINCE)
    return shop


def customer_at(address: str) -> Customer:
    return Identity.objects.get(kind=IdentityKind.WECOM, value=address).customer


def lin() -> Staff:
    return Staff.objects.get(wecom_userid="Lin")


def test_staff_tags_customers_and_follows_come_in(shop: Shop) -> None:
    fill(shop)

    run = compare()

    assert (run.state, run.error) == (ReconciliationState.DONE, "")
    assert (run.seen["members"], run.seen["tags"], run.seen["follows"]) == (2, 2, 7)
    assert run.repaired == {"staff_new": 2, "follow_new": 7}
    assert sorted(Staff.objects.values_list("name", flat=True)) == ["Lin", "Mei"]
    chen = customer_at("wo0")
    assert (chen.name, chen.gender) == ("Chen 0", "female")
    assert chen.owner == lin()
    assert CustomerTag.objects.filter(customer=chen, tag__name="Gold").count() == 1
    assert Follow.objects.active().count() == 7
    assert shop.violations() == []
    assert broken() == {}


def test_a_second_comparison_changes_nothing(filled: Shop) -> None:
    run = compare()

    assert (run.seen["follows"], run.repaired, run.listed) == (7, {}, {})
    assert Customer.objects.count() == 7


def test_the_first_comparison_keeps_no_finding_of_each_customer(filled: Shop) -> None:
    assert not Finding.objects.filter(kind=FindingKind.FOLLOW_NEW).exists()


def test_a_lost_addition_is_made_up_for(filled: Shop) -> None:
    filled.control.scan([{"external_userid": "woNew", "name": "Sun"}], userid="Mei")

    run = compare()

    assert run.repaired == {"follow_new": 1}
    assert customer_at("woNew").name == "Sun"
    assert Finding.objects.get(kind="follow_new").state == FindingState.REPAIRED


@pytest.mark.parametrize("by", ["customer", "staff"])
def test_a_lost_removal_is_made_up_for(filled: Shop, by: str) -> None:
    filled.control.remove(external_userid="wo0", userid="Lin", by=by)

    run = compare()

    assert run.repaired == {"follow_gone": 1}
    gone = Follow.objects.get(customer=customer_at("wo0"))
    assert gone.end_reason == FollowEnd.MISSING
    assert customer_at("wo0").owner == lin()
    assert broken() == {}


def test_a_guide_without_any_customer_left_is_no_error(filled: Shop) -> None:
    for index in range(0, 7, 2):
        filled.control.remove(external_userid=f"wo{index}", userid="Lin", by="customer")

    assert compare().repaired == {"follow_gone": 4}


def test_what_wecom_does_not_show_is_not_gone_before_it_says_so(filled: Shop) -> None:
    moved = Follow.objects.get(customer=customer_at("wo0"))
    filled.control.faults(fail=[{"path": "externalcontact/get", "errcode": 60011}])
    filled.control.remove(external_userid="wo0", userid="Lin", by="customer")

    compare()

    moved.refresh_from_db()
    assert moved.ended_at is None


def test_a_customer_who_comes_back_is_connected_again(filled: Shop) -> None:
    filled.control.remove(external_userid="wo0", userid="Lin", by="customer")
    compare()
    filled.control.advance(5)
    filled.control.scan([{"external_userid": "wo0", "name": "Chen 0"}], userid="Lin")

    run = compare()

    assert run.repaired == {"follow_new": 1}
    follows = Follow.objects.filter(customer=customer_at("wo0")).order_by("began_at")
    assert [row.ended_at is None for row in follows] == [False, True]


def test_a_follow_that_began_while_the_pages_were_read_is_not_touched(filled: Shop) -> None:
    chen = make_customer("Zhao", owner=lin(), address="woZhao")
    make_follow(lin(), chen, began_at=timezone.now() + timedelta(hours=1))

    run = compare()

    assert run.repaired == {}
    assert Follow.objects.active().filter(customer=chen).exists()


def test_a_customer_who_removed_the_guide_is_not_connected_again(filled: Shop) -> None:
    """WeCom goes on listing them for a while; its time of the connection says that it is old."""
    end_follow(lin(), "wo0", reason=FollowEnd.REMOVED_BY_CUSTOMER, at=timezone.now())

    run = compare()

    assert (run.repaired, run.listed) == ({}, {})
    assert not Follow.objects.active().filter(customer=customer_at("wo0")).exists()


def test_what_was_missed_by_mistake_begins_anew(filled: Shop) -> None:
    end_follow(lin(), "wo0", reason=FollowEnd.MISSING, at=timezone.now())

    assert compare().repaired == {"follow_new": 1}
    assert Follow.objects.active().filter(customer=customer_at("wo0")).exists()


def test_remarks_follow_wecom(filled: Shop) -> None:
    Follow.objects.filter(customer=customer_at("wo0")).update(remark="old words")

    compare()

    assert Follow.objects.get(customer=customer_at("wo0")).remark == ""


def test_a_customer_moved_in_the_console_is_owned_by_the_new_guide(filled: Shop) -> None:
    give(filled, "wo0", "Lin", "Mei")

    run = compare()

    chen = customer_at("wo0")
    assert run.repaired == {"follow_new": 1, "follow_gone": 1, "owner_apart": 1}
    assert chen.owner == Staff.objects.get(wecom_userid="Mei")
    old = Follow.objects.get(customer=chen, staff=lin())
    assert old.end_reason == FollowEnd.TRANSFERRED
    assert broken() == {}


def give(shop: Shop, address: str, giver: str, taker: str) -> None:
    """Move a customer as the console does: the giver is out, the taker was assigned."""
    shop.control.remove(external_userid=address, userid=giver, by="staff")
    created = int(timezone.now().timestamp())
    shop.control.seed(
        customers=[
            {
                "external_userid": address,
                "name": address,
                "type": 1,
                "follows": [{"userid": taker, "createtime": created, "add_way": 202}],
            }
        ]
    )


def test_whoever_was_made_owner_since_then_stays_so(filled: Shop) -> None:
    give(filled, "wo0", "Lin", "Mei")
    chen, wu = customer_at("wo0"), make_staff("Wu")
    filled.control.seed(staff=[{"userid": wu.wecom_userid, "name": "Wu"}])
    end_follow(lin(), "wo0", reason=FollowEnd.TRANSFERRED, at=timezone.now())
    move_ownership([(chen.pk, wu.pk)], reason=OwnershipReason.TRANSFER, now=timezone.now())

    run = compare()

    chen.refresh_from_db()
    assert chen.owner == wu
    assert run.listed == {}


def test_an_owner_whom_people_chose_is_listed_once_their_connection_is_lost(filled: Shop) -> None:
    chen, wu = customer_at("wo0"), make_staff("Wu")
    filled.control.seed(staff=[{"userid": wu.wecom_userid, "name": "Wu"}])
    move_ownership([(chen.pk, wu.pk)], reason=OwnershipReason.TRANSFER, now=timezone.now())
    assert compare().listed == {}

    make_follow(wu, chen, ended=FollowEnd.REMOVED_BY_CUSTOMER, ended_at=timezone.now())

    assert compare().listed == {"owner_apart": 1}


def test_an_owner_without_a_connection_is_listed_with_who_has_one(filled: Shop) -> None:
    filled.control.scan([{"external_userid": "wo0", "name": "Chen 0"}], userid="Mei")
    filled.control.remove(external_userid="wo0", userid="Lin", by="customer")

    run = compare()

    found = Finding.objects.get(state=FindingState.OPEN)
    mei = Staff.objects.get(wecom_userid="Mei")
    assert run.listed == {"owner_apart": 1}
    assert found.detail == {"owner": lin().pk, "followers": [mei.pk]}
    assert customer_at("wo0").owner == lin()


def test_an_open_finding_stands_once_and_goes_when_it_is_not_so_any_more(filled: Shop) -> None:
    filled.control.scan([{"external_userid": "wo0", "name": "Chen 0"}], userid="Mei")
    filled.control.remove(external_userid="wo0", userid="Lin", by="customer")
    compare()
    compare()
    assert open_findings() == ["owner_apart"]

    filled.control.scan([{"external_userid": "wo0", "name": "Chen 0"}], userid="Lin")
    compare()

    assert open_findings() == []
    assert Finding.objects.get(kind="owner_apart").state == FindingState.GONE


def test_leavers_of_wecom_are_taken_into_custody(filled: Shop) -> None:
    filled.control.depart("Lin")

    run = compare()

    person = Staff.objects.get(wecom_userid="Lin")
    assert run.repaired == {"staff_gone": 1}
    assert (person.state, person.left_channel_at is None) == (StaffState.DEPARTED, False)
    assert Handover.objects.get(from_staff=person).size == 4
    assert not Customer.objects.filter(owner=person).exists()
    assert broken() == {}


def test_a_leaver_whom_we_never_met_leaves_nobody_behind(shop: Shop) -> None:
    fill(shop)
    shop.control.depart("Lin")

    compare()

    plan = Handover.objects.get(from_staff__wecom_userid="Lin")
    assert (plan.size, plan.items.count()) == (4, 4)
    assert Customer.objects.filter(owner=None).count() == 4
    assert broken() == {}


def test_a_customer_of_a_leaver_whom_we_never_met_joins_the_plan(filled: Shop) -> None:
    filled.control.scan([{"external_userid": "woNew", "name": "Sun"}], userid="Lin")
    filled.control.depart("Lin")

    run = compare()

    plan = Handover.objects.get(from_staff__wecom_userid="Lin")
    assert run.repaired == {"staff_gone": 1, "left_behind": 1}
    assert (plan.size, plan.items.count()) == (5, 5)
    assert Follow.objects.active().filter(customer=customer_at("woNew")).exists()
    assert broken() == {}


def test_whom_a_handover_has_settled_is_not_planned_again(filled: Shop) -> None:
    person = lin()
    depart_staff(person.pk, actor=None, now=timezone.now())
    handover = Handover.objects.get(from_staff=person)
    handover.items.update(state=ItemState.CANCELLED, closed_at=timezone.now(), reason="pool")
    Handover.objects.update(state=HandoverState.CANCELLED, closed_at=timezone.now())
    Follow.objects.filter(staff=person).update(ended_at=timezone.now(), end_reason=FollowEnd.LOST)
    filled.control.depart("Lin")

    run = compare()

    assert run.repaired == {}
    assert Handover.objects.count() == 1
    assert not Follow.objects.active().filter(staff=person).exists()


def test_whom_wecom_still_keeps_after_we_thought_them_taken_over_is_listed(filled: Shop) -> None:
    person, mei = lin(), Staff.objects.get(wecom_userid="Mei")
    depart_staff(person.pk, actor=None, now=timezone.now())
    handover = Handover.objects.get(from_staff=person)
    item = handover.items.order_by("pk")[0]
    HandoverItem.objects.filter(pk=item.pk).update(
        state=ItemState.ACCEPTED, to_staff=mei, closed_at=timezone.now()
    )
    move_ownership(
        [(item.customer_id, mei.pk)], reason=OwnershipReason.HANDOVER, now=timezone.now()
    )
    filled.control.depart("Lin")

    run = compare()

    assert run.listed["not_moved"] == 1
    assert Finding.objects.get(kind="not_moved").customer_id == item.customer_id


def test_somebody_who_came_back_does_not_depart_again(filled: Shop) -> None:
    filled.control.depart("Lin")
    filled.control.seed(staff=[{"userid": "Lin", "name": "Lin"}])

    run = compare()

    assert lin().state == StaffState.ACTIVE
    assert run.listed["returned"] == 1


def test_a_member_whom_wecom_does_not_know_any_more_is_listed(filled: Shop) -> None:
    make_staff("Wu", wecom_userid="Wu")

    run = compare()

    assert run.listed == {"staff_gone": 1}
    assert Staff.objects.get(name="Wu").state == StaffState.ACTIVE


def test_nobody_is_said_to_be_gone_where_the_app_may_not_look(filled: Shop) -> None:
    make_staff("Wu", wecom_userid="Wu")
    filled.control.faults(fail=[{"path": "user/get", "errcode": 48002, "times": 9}])

    assert compare().listed == {}


def test_a_finding_that_is_proved_later_is_repaired(filled: Shop) -> None:
    wei = make_staff("Wei", wecom_userid="Wei")
    compare()
    assert open_findings() == ["staff_gone"]
    filled.control.seed(staff=[{"userid": "Wei", "name": "Wei"}])
    filled.control.scan([{"external_userid": "woNew", "name": "Sun"}], userid="Wei")
    filled.control.depart("Wei")

    compare()

    wei.refresh_from_db()
    assert wei.state == StaffState.DEPARTED
    assert Finding.objects.get(kind="staff_gone").state == FindingState.REPAIRED


def test_somebody_departed_here_who_is_still_a_member_is_listed(filled: Shop) -> None:
    depart_staff(lin().pk, actor=None, now=timezone.now())

    assert compare().listed == {"staff_back": 1}


def test_who_adds_somebody_departed_here_is_planned_for(filled: Shop) -> None:
    depart_staff(lin().pk, actor=None, now=timezone.now())
    filled.control.scan([{"external_userid": "woNew", "name": "Sun"}], userid="Lin")

    compare()

    assert Handover.objects.get(from_staff=lin()).size == 5
    assert customer_at("woNew").owner is None
    assert broken() == {}


def test_a_guide_whom_wecom_does_not_show_keeps_every_connection(filled: Shop) -> None:
    filled.control.faults(
        fail=[{"path": "externalcontact/batch/get_by_user", "errcode": 60111, "times": 2}]
    )
    for index in range(7):
        filled.control.remove(
            external_userid=f"wo{index}", userid=("Lin", "Mei")[index % 2], by="customer"
        )

    run = compare()

    assert run.listed == {"unreadable": 1}
    assert Follow.objects.active().filter(staff=lin()).count() == 4
    assert run.repaired == {"follow_gone": 3}


def test_an_answer_that_is_overdue_is_asked_for_again(filled: Shop) -> None:
    mei = Staff.objects.get(wecom_userid="Mei")
    long_ago = timezone.now() - timedelta(hours=31)
    handover = make_handover(
        lin(),
        customers=[customer_at("wo0")],
        to_staff=mei,
        item_state=ItemState.WAITING,
        state=HandoverState.RUNNING,
    )
    handover.items.update(state_at=long_ago)

    run = compare()

    handover.refresh_from_db()
    assert run.listed == {"overdue": 1}
    assert handover.check_at


def test_a_customer_on_the_way_is_left_to_the_handover(filled: Shop) -> None:
    mei = Staff.objects.get(wecom_userid="Mei")
    handover = make_handover(
        lin(),
        customers=[customer_at("wo0")],
        to_staff=mei,
        item_state=ItemState.WAITING,
        state=HandoverState.RUNNING,
    )
    handover.items.update(state_at=timezone.now())
    filled.control.remove(external_userid="wo0", userid="Lin", by="staff")

    assert compare().repaired == {}
    assert Follow.objects.active().filter(customer=customer_at("wo0")).exists()


def test_who_was_accepted_but_is_not_connected_is_listed(filled: Shop) -> None:
    mei, chen = Staff.objects.get(wecom_userid="Mei"), customer_at("wo0")
    make_handover(
        lin(),
        customers=[chen],
        to_staff=mei,
        item_state=ItemState.ACCEPTED,
        state=HandoverState.DONE,
    )
    HandoverItem.objects.update(closed_at=timezone.now() - timedelta(minutes=2))
    move_ownership([(chen.pk, mei.pk)], reason=OwnershipReason.HANDOVER, now=timezone.now())
    Follow.objects.filter(customer=chen).update(
        ended_at=timezone.now() - timedelta(minutes=2), end_reason=FollowEnd.TRANSFERRED
    )
    make_follow(mei, chen, began_at=timezone.now() - timedelta(minutes=2))

    run = compare()

    assert run.listed["not_connected"] == 1
    assert run.listed["not_moved"] == 1


def test_pressure_makes_the_comparison_wait_and_go_on(filled: Shop) -> None:
    filled.control.faults(fail=[{"path": "externalcontact/batch/get_by_user", "errcode": 45009}])
    filled.control.scan([{"external_userid": "woNew", "name": "Sun"}], userid="Mei")
    row = start_reconciliation(actor=None, now=timezone.now())

    go_on(row.pk, now=timezone.now(), stay=True)
    row.refresh_from_db()
    assert (row.state, row.lease_token) == (ReconciliationState.RUNNING, None)
    assert row.next_attempt_at > timezone.now() + timedelta(seconds=30)
    assert not go_on(row.pk, now=timezone.now())


def test_a_problem_of_the_connection_ends_it_and_keeps_what_was_found(filled: Shop) -> None:
    make_staff("Wu", wecom_userid="Wu")
    compare()
    filled.control.faults(
        fail=[{"path": "externalcontact/get_follow_user_list", "errcode": 60020, "times": 9}]
    )

    run = compare()

    assert run.state == ReconciliationState.FAILED
    assert "60020" in run.error
    assert run.finished_at
    assert open_findings() == ["staff_gone"]


def test_the_command_says_what_it_did(filled: Shop) -> None:
    filled.control.remove(external_userid="wo0", userid="Lin", by="customer")
    make_staff("Wu", wecom_userid="Wu")
    out = StringIO()

    call_command("sync_wecom", stdout=out)

    assert out.getvalue().splitlines() == [
        "2 members, 2 tags, 6 follows seen",
        "repaired: 1 connected here, not in WeCom any more",
        "listed: 1 at work here, not in WeCom any more",
    ]


def test_the_command_fails_when_the_comparison_did(filled: Shop) -> None:
    filled.control.faults(
        fail=[{"path": "externalcontact/get_follow_user_list", "errcode": 48002, "times": 9}]
    )

    with pytest.raises(CommandError, match="48002"):
        call_command("sync_wecom")


def test_the_command_needs_a_connection(settings: Any) -> None:
    settings.WECOM_CORP_ID = ""

    with pytest.raises(CommandError, match="not set up"):
        call_command("sync_wecom")


def test_every_loss_at_once_is_made_up_for_in_one_night(shop: Shop) -> None:
    fill(shop, 23)
    compare()
    OwnershipPeriod.objects.update(began_at=SINCE)
    shop.control.seed(staff=[{"userid": "Wu", "name": "Wu"}])
    shop.control.scan([{"external_userid": f"woNew{n}"} for n in range(5)], userid="Wu")
    for index in (0, 1, 2, 3):
        shop.control.remove(
            external_userid=f"wo{index}", userid=("Lin", "Mei")[index % 2], by="customer"
        )
    give(shop, "wo5", "Mei", "Wu")
    shop.control.scan([{"external_userid": "woLate"}], userid="Lin")
    shop.control.depart("Lin")

    run = compare()

    assert run.state == ReconciliationState.DONE
    assert run.repaired == {
        "staff_new": 1,
        "staff_gone": 1,
        "left_behind": 1,
        "follow_new": 6,
        "follow_gone": 3,
        "owner_apart": 1,
    }
    assert broken() == {}
    assert compare().repaired == {}
    assert shop.violations() == []
