"""People leaving on the screen: with a last day, on leave, and gone with customers left behind."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.actions.handovers import cancel_handover
from contacts.actions.staff import announce_leaving, resume_staff
from contacts.enums import HandoverState, Role, RowState, StaffState
from contacts.errors import MovedOn
from contacts.models import HistoryEntry, Staff
from crm.access import viewer_for
from crm.actions.departures import leavers_due, let_go, let_go_due
from crm.actions.staff_files import carry_out, read_staff_file, start_staff_file
from tests.builders import (
    NOON,
    make_chat,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TODAY = timezone.localdate(NOW)


@pytest.fixture
def hua(client: Client) -> Staff:
    hua = make_staff("Hua", role=Role.MANAGER)
    sign_in(client, hua)
    return hua


def leave_behind(name: str, number: int = 2, **fields) -> Staff:
    """Somebody who has departed, and whose handover was cancelled."""
    person = make_staff(name, **fields)
    make_customers(number, owner=person)
    handover = let_go(person.pk, actor=None, now=NOW)
    assert handover
    cancel_handover(handover, actor=None, now=NOW)
    return person


def test_customers_left_behind_without_a_handover_are_not_called_in_good_hands(
    client: Client, hua: Staff
) -> None:
    assert "in good hands" in client.get(reverse("people_leaving")).text
    wei = leave_behind("Wei", 3)

    page = client.get(reverse("people_leaving")).text

    assert "in good hands" not in page
    assert "3 customers" in page
    assert reverse("staff_page", args=[wei.pk]) + "#left-behind" in page


def test_a_group_chat_left_behind_is_listed(client: Client, hua: Staff) -> None:
    make_chat(left_by=make_departed("Wei"))

    assert "1 group chat" in client.get(reverse("people_leaving")).text


def test_what_a_handover_holds_is_listed_once(client: Client, hua: Staff) -> None:
    wei = make_staff("Wei")
    make_customers(2, owner=wei)
    handover = let_go(wei.pk, actor=None, now=NOW)
    assert handover

    page = client.get(reverse("people_leaving")).text

    assert reverse("handover_page", args=[handover.pk]) in page
    assert "#left-behind" not in page


def test_the_page_takes_the_same_queries_for_3_and_for_many(client: Client, hua: Staff) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            make_staff(f"Lin{number}", state=StaffState.LEAVING, leaves_on=TODAY)
            make_staff(f"Mei{number}", state=StaffState.SUSPENDED)
            make_handover(make_departed(f"Wei{number}"), state=HandoverState.RUNNING)
            leave_behind(f"Zhu{number}")

    fill(0, 3)
    three = queries_for(client, reverse("people_leaving"))
    fill(3, 15)

    assert queries_for(client, reverse("people_leaving")) == three


def test_nobody_elsewhere_is_listed_and_guides_have_no_business_here(
    client: Client, hua: Staff
) -> None:
    xidan = make_store("Xidan")
    leave_behind("Zed", store=xidan)
    make_staff("Zoe", store=xidan, state=StaffState.SUSPENDED)

    page = client.get(reverse("people_leaving")).text

    assert "Zed" not in page
    assert "Zoe" not in page
    assert sign_in(client, make_staff("Lin")).get(reverse("people_leaving")).status_code == 403


def test_strangers_do_not_come_near_a_departure(client: Client, hua: Staff) -> None:
    zed, lin = make_staff("Zed", store=make_store("Xidan")), make_staff("Lin")
    verbs = ("staff_depart", "staff_leaving", "staff_hand_over", "staff_capacity", "staff_suspend")

    for name in ("staff_page", "staff_depart", "staff_what_if"):
        assert client.get(reverse(name, args=[zed.pk])).status_code == 404
    for name in verbs:
        assert client.post(reverse(name, args=[zed.pk])).status_code == 404
    sign_in(client, lin)
    for name in verbs:
        assert client.post(reverse(name, args=[zed.pk])).status_code == 403
    zed.refresh_from_db()
    assert zed.state == StaffState.ACTIVE


# --- a last day during a long leave -------------------------------------------------------------


def test_whoever_is_on_leave_departs_after_their_last_day_as_well() -> None:
    lin = make_staff("Lin", state=StaffState.SUSPENDED, leaves_on=NOON.date())
    make_customer(owner=lin)
    day_after = NOON + timedelta(days=1)

    assert leavers_due(NOON) == []
    assert leavers_due(day_after) == [lin.pk]
    handover = let_go_due(lin.pk, now=day_after)

    assert handover
    assert handover.size == 1


def test_a_last_day_can_be_set_during_a_leave_which_goes_on(client: Client, hua: Staff) -> None:
    lin = make_staff("Lin", state=StaffState.SUSPENDED)

    page = client.get(reverse("staff_depart", args=[lin.pk])).text
    client.post(reverse("staff_leaving", args=[lin.pk]), {"leaves_on": "2999-01-01"})
    lin.refresh_from_db()

    assert "stays on leave" in page
    assert (lin.state, str(lin.leaves_on)) == (StaffState.SUSPENDED, "2999-01-01")
    assert HistoryEntry.objects.filter(action="staff.leaving", subject_id=lin.pk).exists()
    resume_staff(lin, actor=hua, now=NOW)
    assert lin.state == StaffState.LEAVING


def test_a_file_sets_the_last_day_of_somebody_on_leave(hua: Staff) -> None:
    lin = make_staff("Lin", state=StaffState.SUSPENDED)
    text = f"userid,last day\n{lin.wecom_userid},{TODAY + timedelta(days=9)}\n".encode()

    for state in (RowState.DONE, RowState.SKIPPED):
        file = read_staff_file(text, "x.csv", viewer=viewer_for(hua), now=NOW)
        if file.rows.filter(state=RowState.READY).exists():
            start_staff_file(file, actor=hua, now=NOW)
            carry_out(file.pk, now=NOW)
        assert file.rows.get().state == state
    lin.refresh_from_db()
    assert lin.leaves_on == TODAY + timedelta(days=9)


def test_the_last_day_of_the_departed_is_not_set() -> None:
    with pytest.raises(MovedOn):
        announce_leaving(make_departed(), leaves_on=NOON.date(), actor=None, now=NOON)
