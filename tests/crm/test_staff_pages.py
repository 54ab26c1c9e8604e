"""Staff screens: who is listed to whom, and what a departure says and does."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse

from contacts.enums import HandoverKind, HandoverState, ItemState, Role, StaffState
from contacts.models import Customer, Handover, Staff
from crm.access import viewer_of
from tests.builders import (
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def test_visitors_are_sent_to_the_door(client: Client):
    make_staff("Lin", account=False)

    response = client.get(reverse("staff_list"))

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_a_visitor_is_never_taken_for_somebody_without_an_account(rf: RequestFactory):
    make_staff("Lin", account=False)
    request = rf.get("/")
    request.user = AnonymousUser()

    with pytest.raises(PermissionDenied):
        viewer_of(request)


def test_guides_have_no_business_here(client: Client):
    lin = make_staff("Lin")
    sign_in(client, lin)

    for address in ("/staff/", f"/staff/{lin.pk}/", f"/staff/{lin.pk}/depart/", "/handovers/"):
        assert client.get(address).status_code == 403


def test_the_list_shows_the_people_of_the_managers_store_and_how_many_customers_they_have(
    manager: Client,
):
    lin = make_staff("Lin")
    make_customers(3, owner=lin)
    stranger = make_staff("Zed of Elsewhere", store=make_store("Elsewhere"))

    page = manager.get("/staff/").content.decode()

    assert "Lin" in page
    assert "3 of 5000" in page
    assert stranger.name not in page


def test_the_departed_are_shown_apart(manager: Client):
    make_departed("Wei")

    assert "Wei" not in manager.get("/staff/").content.decode()
    assert "Wei" in manager.get("/staff/?show=departed").content.decode()


def test_people_are_found_by_pinyin_and_store(manager: Client, hua: Staff):
    make_staff("林静")

    assert "林静" in manager.get("/staff/?q=lin").content.decode()
    assert "林静" not in manager.get("/staff/?q=mei").content.decode()
    assert "林静" in manager.get(f"/staff/?store={hua.store_id}").content.decode()
    assert manager.get("/staff/?store=x&after=%C2%B2").status_code == 200


def test_long_lists_are_paged_without_losing_or_repeating_anybody(manager: Client):
    names = {make_staff(f"Guide {n:03}", account=False).name for n in range(60)}

    first = manager.get("/staff/").context["page"]
    second = manager.get(f"/staff/?after={first.last.pk}").context["page"]

    shown = [person.name for person in [*first.rows, *second.rows]]
    assert sorted(shown) == sorted([*names, "Hua"])
    assert second.last is None


def test_the_list_takes_the_same_queries_for_3_and_300_people(manager: Client):
    make_staff("Lin")
    make_staff("Mei")
    few = queries_for(manager, "/staff/")

    for number in range(297):
        make_staff(f"Guide {number:03}", account=False)

    assert queries_for(manager, "/staff/") == few <= 10


def test_a_strangers_page_does_not_exist(manager: Client):
    stranger = make_staff("Zed of Elsewhere", store=make_store("Elsewhere"))

    assert manager.get(f"/staff/{stranger.pk}/").status_code == 404
    assert manager.post(f"/staff/{stranger.pk}/depart/").status_code == 404
    assert manager.post(f"/staff/{stranger.pk}/hand-over/").status_code == 404
    stranger.refresh_from_db()
    assert stranger.state == StaffState.ACTIVE


def test_the_staff_page_tells_what_the_person_holds(manager: Client):
    lin = make_staff("Lin")
    make_customers(4, owner=lin, followed=True)
    make_handover(lin, customers=make_customers(2), kind=HandoverKind.LEAVE)

    response = manager.get(f"/staff/{lin.pk}/")

    assert response.context["outlook"].customers == 4
    assert response.context["outlook"].follows == 4
    assert "0 of 2" in response.content.decode()


def test_the_departure_page_counts_everything_and_changes_nothing(manager: Client):
    lin = make_staff("Lin")
    make_customers(5, owner=lin)
    make_follow(lin, make_customer(owner=lin, store=make_store("Xujiahui")))

    page = manager.get(f"/staff/{lin.pk}/depart/").content.decode()

    assert "6 customers go to the store" in page
    assert "Nanjing Road: 5 · Xujiahui: 1" in page
    assert "1 open follow stays open" in page
    lin.refresh_from_db()
    assert lin.state == StaffState.ACTIVE
    assert Customer.objects.filter(owner=lin).count() == 6


def test_confirming_lets_the_person_go_and_leads_to_the_handover(manager: Client):
    lin = make_staff("Lin")
    make_customers(5, owner=lin)

    response = manager.post(f"/staff/{lin.pk}/depart/")

    handover = Handover.objects.get(from_staff=lin)
    assert response["Location"] == f"/handovers/{handover.pk}/"
    assert (handover.size, handover.state) == (5, HandoverState.PLANNED)
    assert not Customer.objects.filter(owner=lin).exists()
    lin.refresh_from_db()
    assert lin.state == StaffState.DEPARTED


def test_a_person_without_customers_leaves_without_a_handover(manager: Client):
    lin = make_staff("Lin")

    response = manager.post(f"/staff/{lin.pk}/depart/", follow=True)

    assert "has departed and owned no customers" in response.content.decode()
    assert not Handover.objects.exists()


def test_a_second_departure_says_that_it_is_done(manager: Client):
    wei = make_departed("Wei")

    response = manager.post(f"/staff/{wei.pk}/depart/", follow=True)

    assert "Wei has already departed." in response.content.decode()
    assert not Handover.objects.exists()


def test_nobody_lets_themselves_go(manager: Client, hua: Staff):
    response = manager.post(f"/staff/{hua.pk}/depart/", follow=True)

    assert "Ask a colleague" in response.content.decode()
    hua.refresh_from_db()
    assert hua.state == StaffState.ACTIVE


def test_a_manager_cannot_let_an_administrator_go(manager: Client):
    root = make_staff("Root", role=Role.ADMINISTRATOR)

    manager.post(f"/staff/{root.pk}/depart/")

    root.refresh_from_db()
    assert root.state == StaffState.ACTIVE


def test_customers_of_a_working_colleague_can_be_planned_to_move(manager: Client):
    lin = make_staff("Lin")
    make_customers(3, owner=lin)

    response = manager.post(f"/staff/{lin.pk}/hand-over/", {"kind": "leave"})

    handover = Handover.objects.get()
    assert response["Location"] == f"/handovers/{handover.pk}/"
    assert (handover.kind, handover.size) == (HandoverKind.LEAVE, 3)
    assert handover.items.filter(state=ItemState.PLANNED).count() == 3
    assert Customer.objects.filter(owner=lin).count() == 3


def test_a_departure_is_never_planned_by_the_back_door(manager: Client):
    lin = make_staff("Lin")
    make_customers(1, owner=lin)

    manager.post(f"/staff/{lin.pk}/hand-over/", {"kind": "departure"})

    assert Handover.objects.get().kind == HandoverKind.REBALANCE


def test_somebody_without_customers_has_nothing_to_hand_over(manager: Client):
    lin = make_staff("Lin")

    response = manager.post(f"/staff/{lin.pk}/hand-over/", {"kind": "leave"}, follow=True)

    assert "Lin answers for no customers." in response.content.decode()
    assert not Handover.objects.exists()
