"""Early warnings: the not contacted, and what is unusual among colleagues."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.actions.exports import note_export
from contacts.enums import LossKind, NoticeKind, Role
from contacts.models import Notice, Staff
from crm.unusual import tell_of_unusual, unusual, yardstick
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_loss,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def remove(staff: Staff, number: int, *, at=NOON) -> None:
    for customer in make_customers(number, owner=staff):
        make_loss(staff, customer, kind=LossKind.BY_STAFF, at=at)


def found(now=NOON) -> list[tuple[str, str, int]]:
    return [(one.staff.name, one.what, one.number) for one in unusual(now=now)]


def test_whoever_removes_far_more_than_colleagues_is_unusual():
    lin = make_staff("Lin")
    remove(lin, 6)
    for name in ("Mei", "Su", "Tao"):
        remove(make_staff(name), 1)

    assert found() == [("Lin", "removals", 6)]


def test_fewer_than_five_are_never_unusual():
    make_staff("Mei")
    remove(make_staff("Lin"), 4)

    assert found() == []


def test_what_everybody_does_is_not_unusual():
    for name in ("Lin", "Mei", "Su"):
        remove(make_staff(name), 6)

    assert found() == []


def test_what_somebody_always_does_is_not_unusual():
    lin = make_staff("Lin")
    make_staff("Mei")
    make_staff("Su")
    remove(lin, 6)
    for week in range(1, 5):
        remove(lin, 5, at=NOON - timedelta(days=7 * week + 1))

    assert found() == []


def test_exports_are_compared_as_well():
    lin = make_staff("Lin")
    make_staff("Mei")
    make_staff("Su")
    note_export("customers", 600, actor=lin, now=NOON)

    assert found() == [("Lin", "exports", 600)]
    assert found(NOON + timedelta(days=8)) == []


def test_the_yardstick_is_not_moved_by_the_one_who_does_it():
    assert yardstick([0, 0, 0, 1000]) == (0, 0)
    assert yardstick([10, 12, 14, 1000]) == (13, 13 + 3 * 2)
    assert yardstick([]) == (0, 0)


def test_the_managers_are_told_once_a_day_and_only_those_of_the_store():
    lin, hua = make_staff("Lin"), make_staff("Hua", role=Role.MANAGER)
    make_staff("Wang", role=Role.MANAGER, store=make_store("Xidan"))
    remove(lin, 6)

    for hours in (0, 1):
        tell_of_unusual(now=NOON + timedelta(hours=hours))
    notice = Notice.objects.get()
    assert (notice.staff, notice.about, notice.kind) == (hua, lin, NoticeKind.UNUSUAL)

    tell_of_unusual(now=NOON + timedelta(days=1))
    assert Notice.objects.count() == 2


def test_the_page_counts_the_not_contacted_and_links_to_them(client: Client):
    lin = make_staff("Lin")
    ago = timezone.now() - timedelta(days=50)
    make_customer("Chen", owner=lin, since=ago)
    make_customer("Zhao", owner=lin, since=timezone.now())
    make_customer("Zed", owner=make_staff("Zoe", store=make_store("Xidan")), since=ago)
    remove(lin, 6, at=timezone.now() - timedelta(hours=1))
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    page = client.get(reverse("warning_list") + "?days=40")

    assert [(row["owner"], row["customers"]) for row in page.context["rows"]] == [(lin.pk, 1)]
    assert "removed 6 customers" in page.text
    linked = client.get(reverse("customer_list") + f"?quiet=40&owner={lin.pk}").text
    assert "Chen" in linked
    assert "Zhao" not in linked


def test_the_page_takes_the_same_queries_for_3_and_for_many(client: Client):
    sign_in(client, make_staff("Hua", role=Role.MANAGER))
    ago = timezone.now() - timedelta(days=50)

    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            guide = make_staff(f"Lin{number}")
            make_customer(f"Chen{number}", owner=guide, since=ago)
            note_export("customers", 900, actor=guide, now=timezone.now())

    for number in range(40):
        make_staff(f"Mei{number}")
    fill(0, 3)
    three = queries_for(client, reverse("warning_list"))
    fill(3, 15)

    assert queries_for(client, reverse("warning_list")) == three
    assert len(client.get(reverse("warning_list")).context["unusual"]) == 15


def test_a_manager_of_another_store_sees_neither_people_nor_customers(client: Client):
    lin = make_staff("Linda")
    make_customer("Chen", owner=lin, since=timezone.now() - timedelta(days=50))
    remove(lin, 6, at=timezone.now() - timedelta(hours=1))
    sign_in(client, make_staff("Wang", role=Role.MANAGER, store=make_store("Xidan")))

    page = client.get(reverse("warning_list") + "?days=40")

    assert page.status_code == 200
    assert "Linda" not in page.text
    assert not page.context["rows"]


def test_what_is_unusual_elsewhere_is_not_shown(client: Client):
    remove(make_staff("Zed", store=make_store("Xidan")), 6, at=timezone.now())
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    assert "Zed" not in client.get(reverse("warning_list")).text


def test_guides_have_no_business_here(client: Client):
    assert sign_in(client, make_staff("Lin")).get(reverse("warning_list")).status_code == 403
