"""Losses on the screens of managers: who sees them, what is decided, what is downloaded."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.enums import FollowEnd, LossState, Role, StaffState
from contacts.models import HistoryEntry, Loss, Staff, Task
from crm.access import viewer_for
from crm.loss_queries import rates, sorted_rates
from tests.builders import (
    make_customers,
    make_departed,
    make_follow,
    make_loss,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def lose(number: int = 1, *, staff: Staff | None = None, **fields) -> list[Loss]:
    """Customers of this colleague who left an hour ago."""
    lin = staff or make_staff("Lin")
    values = {"at": timezone.now() - timedelta(hours=1), "value": 300} | fields
    return [make_loss(lin, one, **values) for one in make_customers(number, owner=lin)]


def place(name: str, loss: Loss) -> str:
    return reverse(name, args=[loss.pk])


def test_guides_have_no_business_here(client: Client):
    (loss,) = lose()
    sign_in(client, loss.staff)

    for address in (reverse("loss_list"), reverse("loss_rates"), place("loss_page", loss)):
        assert client.get(address).status_code == 403
    assert client.post(place("loss_write_off", loss)).status_code == 403
    assert client.post(reverse("loss_report")).status_code == 403


def test_a_manager_of_another_store_finds_nothing(client: Client):
    (loss,) = lose()
    sign_in(client, make_staff("Wang", role=Role.MANAGER, store=make_store("Xidan")))

    assert loss.customer.name not in client.get(reverse("loss_list")).text
    assert client.get(place("loss_page", loss)).status_code == 404
    for verb in ("loss_reason", "loss_write_off", "loss_win_back"):
        assert client.post(place(verb, loss)).status_code == 404
    loss.refresh_from_db()
    assert loss.state == LossState.OPEN


def test_the_list_shows_the_losses_of_the_period_and_adds_them_up(manager: Client):
    recent, old = lose(2), lose(1, at=timezone.now() - timedelta(days=40))

    page = manager.get(reverse("loss_list")).text

    assert all(loss.customer.name in page for loss in recent)
    assert old[0].customer.name not in page
    assert "600" in page


def test_whoever_is_still_connected_does_not_count_unless_asked_for(manager: Client):
    (kept,) = lose(1, is_last=False, state=LossState.KEPT)

    assert kept.customer.name not in manager.get(reverse("loss_list")).text
    assert kept.customer.name in manager.get(reverse("loss_list") + "?state=kept").text


@pytest.mark.parametrize(
    "query", ["?since=x&until=9999-99-99", "?since=0001-01-01", "?store=x&kind=y&after=-1"]
)
def test_nonsense_in_the_address_counts_as_not_given(manager: Client, query: str):
    assert manager.get(reverse("loss_list") + query).status_code == 200
    assert manager.get(reverse("loss_rates") + query + "&sort=id;drop&by=x").status_code == 200


def test_the_list_takes_the_same_queries_for_3_and_for_many(manager: Client):
    lose(3)
    three = queries_for(manager, reverse("loss_list"))
    for number in (1, 1, 37):
        lose(number)

    assert queries_for(manager, reverse("loss_list")) == three


def test_the_page_of_rates_takes_the_same_queries_for_3_and_for_many(manager: Client):
    address = reverse("loss_rates") + "?by=staff"
    for number in range(3):
        lose(1, staff=make_staff(f"Lin{number}"))
    three = queries_for(manager, address)
    for number in range(3, 20):
        lose(1, staff=make_staff(f"Lin{number}"))

    assert queries_for(manager, address) == three
    assert len(manager.get(address).context["rows"]) == 20


def test_an_empty_month_offers_the_last_twelve(manager: Client):
    (old,) = lose(1, at=timezone.now() - timedelta(days=200))
    page = manager.get(reverse("loss_list"))

    assert old.customer.name in manager.get(reverse("loss_list") + page.context["last_year"]).text


def test_the_second_page_goes_on_where_the_first_ended(manager: Client, monkeypatch):
    monkeypatch.setattr("crm.views.losses.PAGE_SIZE", 2)
    losses = lose(3)

    first = manager.get(reverse("loss_list"))
    second = manager.get(reverse("loss_list") + first.context["older"])

    shown = [*first.context["page"].rows, *second.context["page"].rows]
    assert {row.pk for row in shown} == {loss.pk for loss in losses}
    assert len(shown) == 3


def test_a_reason_is_saved_and_a_mistake_keeps_what_was_typed(manager: Client):
    (loss,) = lose()

    wrong = manager.post(place("loss_reason", loss), {"reason": "", "note": ""})
    assert wrong.status_code == 422
    assert "Choose a reason." in wrong.text

    manager.post(place("loss_reason", loss), {"reason": "moved", "note": "Suzhou"})
    loss.refresh_from_db()
    assert (loss.reason, loss.note) == ("moved", "Suzhou")


def test_somebody_is_asked_to_win_the_customer_back_and_then_given_up(manager: Client):
    (loss,) = lose()
    mei = make_staff("Mei")

    manager.post(place("loss_win_back", loss), {"staff": mei.pk})
    assert Task.objects.get().staff == mei
    assert "Mei" in manager.get(place("loss_page", loss)).text

    manager.post(place("loss_write_off", loss))
    loss.refresh_from_db()
    assert loss.state == LossState.WRITTEN_OFF


def test_nobody_out_of_reach_or_departed_is_asked(manager: Client):
    (loss,) = lose()
    elsewhere = make_staff("Zed", store=make_store("Xidan"))

    for person in (elsewhere, make_departed("Wei"), make_staff("Su", state=StaffState.SUSPENDED)):
        answer = manager.post(place("loss_win_back", loss), {"staff": person.pk})
        assert answer.status_code == 422
    assert not Task.objects.exists()


def test_the_download_is_written_down_with_its_rows(manager: Client, hua: Staff):
    losses = lose(2, note="=1+1")

    answer = manager.post(reverse("loss_report"))
    text = answer.getvalue().decode()

    assert all(loss.customer.name in text for loss in losses)
    assert "'=1+1" in text
    entry = HistoryEntry.objects.get(action="losses.exported")
    assert (entry.actor, entry.data) == (hua, {"rows": 2})


def test_rates_set_losses_beside_the_customers_connected_when_the_period_began(hua: Staff):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    lose(1, staff=lin)
    for customer in make_customers(3, owner=lin):
        make_follow(lin, customer)
    gone = make_follow(lin, make_customers(1, owner=lin)[0], ended=FollowEnd.TRANSFERRED)
    make_follow(mei, make_customers(1, owner=mei)[0])
    make_loss(make_staff("Zed", store=make_store("Xidan")), at=timezone.now())
    now = timezone.now()
    assert gone.ended_at
    assert hua.store

    by_staff = rates(
        viewer_for(hua), "staff", since=gone.ended_at + timedelta(minutes=1), until=now
    )
    by_store = rates(viewer_for(hua), "store", since=gone.ended_at, until=now)

    found = {row.name: (row.connected, row.lost, row.value) for row in by_staff}
    assert found == {"Lin": (3, 1, Decimal(300)), "Mei": (1, 0, Decimal(0))}
    assert [(row.name, row.lost) for row in by_store] == [(hua.store.name, 1)]
    assert [row.name for row in sorted_rates(by_staff, "rate")] == ["Lin", "Mei"]
    assert [row.name for row in sorted_rates(by_staff, "connected")] == ["Lin", "Mei"]


def test_the_page_of_rates_shows_guides_and_stores(manager: Client):
    lose(1)

    assert "Lin" in manager.get(reverse("loss_rates")).text
    assert "Nanjing Road" in manager.get(reverse("loss_rates") + "?by=store&sort=value").text
