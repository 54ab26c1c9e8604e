"""A comparison that is killed, doubled, slowed down or fed with events in the middle of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.actions.follows import end_follow
from contacts.enums import FollowEnd, ReconciliationState, StaffState
from contacts.errors import MovedOn
from contacts.models import (
    Customer,
    Follow,
    Handover,
    Reconciliation,
    SeenFollow,
    Staff,
)
from contacts.wecom import wecom
from crm.actions import reconcile, reconcile_run
from crm.actions.reconcile import go_on, reconciliations_to_go_on, start_reconciliation
from crm.actions.sweeping import do_what_is_due
from crm.invariants import check_rules
from crm.tasks import sync_wecom
from tests.builders import make_customers, make_staff
from tests.connectors.wecom.scripted import OK, ScriptedWeCom
from tests.sandboxed import CORP, Shop, open_shop

pytestmark = pytest.mark.django_db


LIVES = iter(range(500))
"""Workers that may be killed in all tests together: without progress a test fails."""


class Killed(BaseException):
    """What `kill -9` looks like from inside: nothing of ours catches it."""


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        opened.control.faults(callbacks={"drop": True})
        yield opened


def people(shop: Shop, number: int) -> None:
    """Lin and Mei with so many customers in turn, in WeCom only, shown two at a time."""
    shop.control.seed(
        staff=[{"userid": "Lin", "name": "Lin"}, {"userid": "Mei", "name": "Mei"}],
        customers=[
            {
                "external_userid": f"wo{index}",
                "name": f"Chen {index}",
                "type": 1,
                "follows": [{"userid": ("Lin", "Mei")[index % 2], "createtime": 1_760_000_000}],
            }
            for index in range(number)
        ],
    )
    shop.control.faults(page_size=2)


def begin() -> Reconciliation:
    return start_reconciliation(actor=None, now=timezone.now())


def to_the_end(row: Reconciliation) -> Reconciliation:
    assert go_on(row.pk, now=timezone.now(), stay=True)
    row.refresh_from_db()
    return row


def broken() -> dict[int, Any]:
    return {
        rule.rule.number: rule.examples for rule in check_rules(now=timezone.now()) if rule.rows
    }


def killed_after(saves: int, monkeypatch: pytest.MonkeyPatch, row: Reconciliation) -> bool:
    """Let a worker go on until it has saved so often; returns whether it was killed then."""
    left = iter(range(saves))
    plain = reconcile_run.Run.save

    def save(run: reconcile_run.Run) -> None:
        if next(left, None) is None:
            raise Killed
        plain(run)

    assert next(LIVES, None) is not None, "it does not get on"
    with monkeypatch.context() as patch:
        patch.setattr(reconcile_run.Run, "save", save)
        try:
            go_on(row.pk, now=timezone.now(), stay=True)
        except Killed:
            ran_out = timezone.now() - timedelta(seconds=1)
            Reconciliation.objects.filter(pk=row.pk).update(lease_until=ran_out)
            return True
    return False


def test_a_comparison_killed_at_any_point_goes_on_where_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 7)
    make_staff("Wu", wecom_userid="Wu")
    row = begin()
    kills = 0

    while killed_after(1, monkeypatch, row):
        kills += 1
        row.refresh_from_db()
        assert row.state == ReconciliationState.RUNNING

    row.refresh_from_db()
    assert kills > 10
    assert row.state == ReconciliationState.DONE
    assert row.seen["follows"] == 7
    assert row.listed == {"staff_gone": 1}
    assert Follow.objects.active().count() == Customer.objects.count() == 7
    assert broken() == {}


def test_after_a_departure_a_killed_comparison_forgets_nobody(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 8)
    to_the_end(begin())
    shop.control.scan([{"external_userid": f"woNew{n}"} for n in range(3)], userid="Lin")
    shop.control.depart("Lin")
    row = begin()

    while killed_after(1, monkeypatch, row):
        pass

    plan = Handover.objects.get(from_staff__wecom_userid="Lin")
    assert (plan.size, plan.items.count()) == (7, 7)
    assert Staff.objects.get(wecom_userid="Lin").state == StaffState.DEPARTED
    assert broken() == {}


def test_one_that_never_gets_a_page_done_is_given_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = begin()

    for _again in range(reconcile.ATTEMPTS):
        assert killed_after(0, monkeypatch, row)
    to_the_end(row)

    assert (row.state, row.error) == (ReconciliationState.FAILED, reconcile.STUCK)


def test_a_crash_of_the_database_in_the_middle_ends_no_connection(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 7)
    to_the_end(begin())
    row = begin()
    while SeenFollow.objects.count() < 7:
        assert killed_after(1, monkeypatch, row)
    SeenFollow.objects.all().delete()  # what a crash does to a table without a log
    calls = asked(shop)

    to_the_end(row)

    assert row.repaired == {}
    assert asked(shop) == calls
    assert Follow.objects.active().count() == 7


def asked(shop: Shop) -> int:
    """How often WeCom was asked about one customer."""
    return int(shop.control.ledger()["calls"].get("externalcontact/get", 0))


def test_wecom_that_forgot_its_cursor_is_read_from_the_first_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 7)
    row = begin()
    while not row.place.get("cursor"):
        assert killed_after(1, monkeypatch, row)
        row.refresh_from_db()
    path = "externalcontact/batch/get_by_user"
    shop.control.faults(fail=[{"path": path, "errcode": 40058, "times": 1}])

    to_the_end(row)

    assert row.state == ReconciliationState.DONE
    assert Follow.objects.active().count() == 7


def test_wecom_that_turns_in_circles_ends_the_comparison(redis: object, settings: Any) -> None:
    wecom = ScriptedWeCom()
    settings.WECOM_API_URL, settings.WECOM_CORP_ID, settings.WECOM_SECRET = wecom.url, CORP, "s"
    make_staff("Lin", wecom_userid="Lin")
    wecom.script("externalcontact/get_follow_user_list", {**OK, "follow_user": ["Lin"]})
    pages = [{**OK, "external_contact_list": [], "next_cursor": name} for name in "aba"]
    wecom.script("externalcontact/batch/get_by_user", *pages)

    row = to_the_end(begin())
    wecom.close()

    assert row.state == ReconciliationState.FAILED
    assert "same page" in row.error


def test_a_worker_leaves_after_its_while_and_the_next_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 7)
    row = begin()
    monkeypatch.setattr(reconcile, "SLICE", timedelta(0))

    rounds = 0
    while reconciliations_to_go_on(timezone.now()) == [row.pk]:
        do_what_is_due(now=timezone.now())
        rounds += 1

    row.refresh_from_db()
    assert rounds > 5
    assert (row.state, row.lease_token) == (ReconciliationState.DONE, None)
    assert row.seen["follows"] == 7


def test_a_worker_that_lost_its_lease_changes_nothing_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(shop, 7)
    row = begin()
    assert killed_after(3, monkeypatch, row)
    client, token = wecom(), Reconciliation.objects.get().lease_token
    assert client
    assert token
    slow = reconcile_run.Run(row, client, token, timezone.now())
    to_the_end(row)

    with pytest.raises(reconcile_run.LeaseLost):
        slow.save()
    row.refresh_from_db()
    assert row.state == ReconciliationState.DONE


def test_an_event_in_the_middle_is_newer_than_the_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The customer leaves after the page with them was fetched, before it is worked on."""
    people(shop, 3)
    to_the_end(begin())
    lin = Staff.objects.get(wecom_userid="Lin")
    plain = reconcile_run.Run.saw

    def saw(run: reconcile_run.Run, what: str, number: int = 1) -> None:
        plain(run, what, number)
        if what == "follows":
            reason, at = FollowEnd.REMOVED_BY_CUSTOMER, timezone.now()
            end_follow(lin, "wo0", reason=reason, at=at)

    monkeypatch.setattr(reconcile_run.Run, "saw", saw)
    row = to_the_end(begin())

    assert row.repaired == {}
    ended = Follow.objects.get(customer__identities__value="wo0")
    assert ended.end_reason == FollowEnd.REMOVED_BY_CUSTOMER


CHANGES = ("add", "remove", "depart")


@pytest.mark.parametrize("order", list(permutations(CHANGES)), ids="-".join)
def test_lost_callbacks_in_any_order_lead_to_the_same_state(
    shop: Shop, order: tuple[str, ...]
) -> None:
    people(shop, 4)
    to_the_end(begin())

    for change in order:
        if change == "add":
            shop.control.scan([{"external_userid": "woNew"}], userid="Mei")
        elif change == "remove":
            shop.control.remove(external_userid="wo1", userid="Mei", by="customer")
        else:
            shop.control.depart("Lin")
        to_the_end(begin())

    mei = Staff.objects.get(wecom_userid="Mei")
    connected = Follow.objects.active().filter(staff=mei)
    assert sorted(connected.values_list("customer__identities__value", flat=True)) == [
        "wo3",
        "woNew",
    ]
    assert Handover.objects.get().size == 2
    assert broken() == {}


def test_two_schedulers_start_one_comparison(shop: Shop, rung: Any) -> None:
    sync_wecom()
    sync_wecom()

    assert Reconciliation.objects.count() == 1


def test_without_wecom_nothing_is_started(settings: Any) -> None:
    settings.WECOM_CORP_ID = ""

    sync_wecom()

    assert not Reconciliation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_starts_in_the_same_moment_one_wins(shop: Shop) -> None:
    barrier = Barrier(2)

    def start() -> str:
        barrier.wait()
        try:
            begin()
        except MovedOn:
            return "too late"
        else:
            return "started"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        said = [future.result() for future in [pool.submit(start), pool.submit(start)]]

    assert sorted(said) == ["started", "too late"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_it_once(shop: Shop) -> None:
    people(shop, 9)
    row = begin()
    barrier = Barrier(2)

    def work() -> bool:
        barrier.wait()
        try:
            return go_on(row.pk, now=timezone.now(), stay=True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        took = [future.result() for future in [pool.submit(work), pool.submit(work)]]

    row.refresh_from_db()
    assert sorted(took) == [False, True]
    assert (row.state, row.seen["follows"]) == (ReconciliationState.DONE, 9)
    assert Customer.objects.count() == 9
    assert broken() == {}


def statements_for(shop: Shop, size: int) -> int:
    shop.control.faults(page_size=size)
    with CaptureQueriesContext(connection) as queries:
        to_the_end(begin())
    return len(queries)


def test_a_page_takes_the_same_statements_whatever_is_on_it(shop: Shop) -> None:
    people(shop, 40)
    to_the_end(begin())

    one_page, two_pages, four_pages = (statements_for(shop, size) for size in (40, 20, 10))

    assert four_pages - two_pages == 2 * (two_pages - one_page)
    assert two_pages - one_page <= 5


def test_more_customers_on_a_page_take_no_more_statements(shop: Shop) -> None:
    people(shop, 4)
    to_the_end(begin())
    few = statements_for(shop, 100)
    people(shop, 60)
    shop.control.faults(page_size=100)
    to_the_end(begin())

    assert statements_for(shop, 100) == few


def test_nothing_here_is_read_for_others(shop: Shop) -> None:
    """Customers whom no channel connects are left alone."""
    lin = make_staff("Lin", wecom_userid=None)
    make_customers(3, owner=lin)

    row = to_the_end(begin())

    assert (row.repaired, row.listed) == ({}, {})
