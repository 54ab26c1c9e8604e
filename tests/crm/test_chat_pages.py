"""Group chats on the page of a handover and of a colleague."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.actions.chats import chat_counts
from contacts.actions.departures import depart_staff
from contacts.enums import HandoverState, ItemState, Role
from contacts.models import ChatItem, GroupChat, Handover, Staff
from tests.builders import (
    NOON,
    make_chat,
    make_chat_item,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def plan_with_chats(number: int, *, customers: int = 2) -> Handover:
    wei = make_staff("Wei")
    make_customers(customers, owner=wei)
    for place in range(number):
        make_chat(wei, name=f"Friends {place}")
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    return handover


def page_of(client: Client, handover: Handover) -> str:
    return client.get(f"/handovers/{handover.pk}/").content.decode()


def propose(client: Client, handover: Handover, *receivers: Staff) -> None:
    data = {"receivers": [staff.pk for staff in receivers], "strategy": "evenly"}
    client.post(f"/handovers/{handover.pk}/propose/", data)


def give(client: Client, handover: Handover, **data: object) -> Any:
    return client.post(f"/handovers/{handover.pk}/chats/", data)


def test_a_plan_shows_its_chats_and_how_long_they_take(manager: Client) -> None:
    handover, lin = plan_with_chats(3), make_staff("Lin")
    chats = [make_chat(name=f"More {place}", left_by=handover.from_staff) for place in range(300)]
    ChatItem.objects.bulk_create(
        ChatItem(handover=handover, chat=chat, state_at=NOON) for chat in chats
    )

    propose(manager, handover, lin)
    page = page_of(manager, handover)

    assert "Friends 0" in page
    assert "300 today, the others on 1 day after" in page
    assert "303 group chats go along." in page


def test_the_next_owner_is_chosen_on_the_page_and_left_to_the_start_again(manager: Client) -> None:
    handover, mei = plan_with_chats(2), make_staff("Mei")
    item = handover.chats.order_by("pk")[0]

    give(manager, handover, chats=[item.pk], owner=mei.pk)
    item.refresh_from_db()
    assert item.to_staff == mei

    give(manager, handover, chats=[item.pk], owner="")
    item.refresh_from_db()
    assert item.to_staff is None


def test_a_failed_chat_is_tried_again(manager: Client) -> None:
    mei = make_staff("Mei")
    handover = make_handover(make_departed("Wei"), state=HandoverState.DONE)
    failed = make_chat_item(
        handover, to_staff=mei, state=ItemState.FAILED, left_by=handover.from_staff
    )
    assert "Try again" in page_of(manager, handover)

    give(manager, handover, again=failed.pk)

    handover.refresh_from_db()
    assert (handover.state, chat_counts(handover)) == (
        HandoverState.RUNNING,
        {ItemState.PLANNED: 1},
    )


def test_errors_keep_what_was_ticked_and_change_nothing(manager: Client) -> None:
    handover = make_handover(make_departed("Wei"), state=HandoverState.RUNNING)
    item = make_chat_item(handover, left_by=handover.from_staff)
    make_staff("Mei")

    nothing = give(manager, handover)
    nobody = give(manager, handover, chats=[item.pk])
    stranger = give(manager, handover, chats=[item.pk], owner=make_staff(store=make_store()).pk)

    assert [answer.status_code for answer in (nothing, nobody, stranger)] == [400, 400, 400]
    assert f'value="{item.pk}" form="chats-form"' in nobody.content.decode()
    assert nobody.context["ticked_chats"] == {item.pk}
    item.refresh_from_db()
    assert item.to_staff is None


def test_chats_of_other_stores_are_nobodys_here(client: Client) -> None:
    handover, mei = plan_with_chats(1), make_staff("Mei")
    item = handover.chats.get()
    stranger = make_staff("Wang", role=Role.MANAGER, store=make_store())
    guide = make_staff("Sun")

    for person, status in ((stranger, 404), (guide, 403)):
        answer = give(sign_in(client, person), handover, chats=[item.pk], owner=mei.pk)
        assert answer.status_code == status
    item.refresh_from_db()
    assert item.to_staff is None


def test_a_plan_that_has_only_chats_can_be_started(manager: Client) -> None:
    handover, lin = plan_with_chats(1, customers=0), make_staff("Lin")
    propose(manager, handover, lin)
    page = manager.get(f"/handovers/{handover.pk}/")
    assert "Hand the group chats over to Lin now?" in page.content.decode()

    manager.post(f"/handovers/{handover.pk}/start/", {"token": page.context["token"]})

    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING
    assert handover.chats.get().to_staff == lin
    assert "0 of 1 moved" in page_of(manager, handover)


def test_a_preview_goes_stale_when_chats_are_given_to_somebody_else(manager: Client) -> None:
    handover, lin, mei = plan_with_chats(1), make_staff("Lin"), make_staff("Mei")
    propose(manager, handover, lin)
    token = manager.get(f"/handovers/{handover.pk}/").context["token"]

    give(manager, handover, chats=[handover.chats.get().pk], owner=mei.pk)
    manager.post(f"/handovers/{handover.pk}/start/", {"token": token})

    handover.refresh_from_db()
    assert handover.state == HandoverState.PLANNED


def test_the_page_takes_the_same_queries_for_any_number_of_chats(manager: Client) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    few, many = plan_with_chats(1), plan_with_chats(60)
    for handover in (few, many):
        propose(manager, handover, lin, mei)

    counts = [queries_for(manager, f"/handovers/{handover.pk}/") for handover in (few, many)]

    assert counts[0] == counts[1]
    assert "Next page" in page_of(manager, many)


def test_a_colleagues_page_counts_chats_and_hands_them_over_if_asked_to(manager: Client) -> None:
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    make_chat(wei)
    make_chat(wei, dismissed_at=timezone.now())
    assert "with 1 group chat" in manager.get(f"/staff/{wei.pk}/").content.decode()
    assert "1 group chat waits" in manager.get(f"/staff/{wei.pk}/depart/").content.decode()

    manager.post(f"/staff/{wei.pk}/hand-over/", {"kind": "leave", "with_chats": "on"})

    assert Handover.objects.get(from_staff=wei).chats.count() == 1
    assert GroupChat.objects.filter(owner=wei).count() == 2


def test_chats_that_somebody_left_behind_are_planned_again(manager: Client) -> None:
    wei = make_departed("Wei")
    make_chat(left_by=wei)
    assert "1 group chat waits for an owner." in manager.get(f"/staff/{wei.pk}/").content.decode()

    manager.post(f"/staff/{wei.pk}/hand-over/")

    assert Handover.objects.get(from_staff=wei).chats.count() == 1
