"""Handover screens: the plan, the progress and the report, and what each button does."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.actions.handovers import plan_handover, propose_receivers, start_handover
from contacts.actions.settlement import check_handover
from contacts.actions.sharing import Strategy
from contacts.enums import HandoverKind, HandoverState, ItemState, Role
from contacts.models import ChatItem, Customer, Handover, HandoverItem, Staff
from crm.csv_files import safe_cell
from tests.builders import (
    NOON,
    make_chat_item,
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
from tests.sandboxed import open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(hua: Staff) -> Handover:
    """Wei has left; ten customers wait in the pool."""
    return make_handover(make_departed("Wei"), customers=make_customers(10))


def propose(client: Client, handover: Handover, *receivers: Staff, **more: Any) -> Any:
    data = {"receivers": [staff.pk for staff in receivers], "strategy": "evenly"} | more
    return client.post(f"/handovers/{handover.pk}/propose/", data)


def start(client: Client, handover: Handover, **more: Any) -> Any:
    token = client.get(f"/handovers/{handover.pk}/").context["token"]
    return client.post(f"/handovers/{handover.pk}/start/", {"token": token} | more)


def state_of(handover: Handover) -> str:
    handover.refresh_from_db()
    return handover.state


def half_way(hua: Staff) -> tuple[Handover, Staff]:
    """A running handover to Mei: two accepted, three refused, one waiting."""
    mei = make_staff("Mei")
    handover = make_handover(
        make_departed("Wei"),
        customers=make_customers(6),
        to_staff=mei,
        item_state=ItemState.REFUSED,
        state=HandoverState.RUNNING,
    )
    items = list(handover.items.order_by("pk"))
    HandoverItem.objects.filter(pk__in=[items[0].pk, items[1].pk]).update(
        state=ItemState.ACCEPTED, closed_at=NOON
    )
    HandoverItem.objects.filter(pk=items[5].pk).update(state=ItemState.WAITING)
    return handover, mei


def test_guides_get_403_and_other_stores_404(client: Client, plan: Handover):
    sign_in(client, make_staff("Lin"))
    assert client.get(f"/handovers/{plan.pk}/").status_code == 403

    sign_in(client, make_staff("Yu", role=Role.MANAGER, store=make_store("Elsewhere")))
    for part in ("", "progress/", "report.csv", "briefs/"):
        assert client.get(f"/handovers/{plan.pk}/{part}").status_code == 404
    for verb in ("propose", "start", "cancel", "reassign", "finish", "refresh", "undo", "chats"):
        assert client.post(f"/handovers/{plan.pk}/{verb}/").status_code == 404
    assert state_of(plan) == HandoverState.PLANNED


def test_buttons_do_nothing_when_followed_as_a_link(manager: Client, plan: Handover):
    for verb in ("propose", "start", "cancel", "reassign", "finish", "refresh"):
        assert manager.get(f"/handovers/{plan.pk}/{verb}/").status_code == 405
    assert state_of(plan) == HandoverState.PLANNED


def test_forms_need_the_token(plan: Handover, hua: Staff):
    client = sign_in(Client(enforce_csrf_checks=True), hua)

    assert client.post(f"/handovers/{plan.pk}/cancel/").status_code == 403
    assert state_of(plan) == HandoverState.PLANNED


def test_the_list_shows_how_far_each_handover_got(manager: Client, hua: Staff):
    half_way(hua)

    page = manager.get("/handovers/?state=running").content.decode()

    assert "2 of 6" in page
    assert "Wei" not in manager.get("/handovers/?state=done").content.decode()


def test_the_list_takes_the_same_queries_for_3_and_33_handovers(manager: Client):
    for _number in range(3):
        make_handover()
    few = queries_for(manager, "/handovers/")

    for _number in range(30):
        make_handover()

    assert queries_for(manager, "/handovers/") == few <= 10


def test_the_editor_offers_the_stores_people_first_and_strangers_never(
    client: Client, plan: Handover
):
    far = make_staff("Aino", store=make_store("Xujiahui"))
    near = make_staff("Mei")
    make_staff("Sick", state="suspended")
    sign_in(client, make_staff("Root", role=Role.ADMINISTRATOR))

    rows = client.get(f"/handovers/{plan.pk}/").context["colleagues"]

    names = [row.staff.name for row in rows]
    assert names.index(near.name) < names.index(far.name)
    assert "Sick" not in names
    assert "Wei" not in names


def test_finding_somebody_keeps_what_was_ticked_and_plans_nothing(client: Client, plan: Handover):
    mei = make_staff("Mei")
    make_staff("Aino", store=make_store("Xujiahui"))
    make_staff("Zed")
    sign_in(client, make_staff("Root", role=Role.ADMINISTRATOR))

    response = propose(client, plan, mei, find="yes", q="Xujia")

    names = [row.staff.name for row in response.context["colleagues"]]
    assert names == ["Mei", "Aino"]
    assert response.context["ticked"] == {mei.pk}
    assert not plan.items.filter(to_staff__isnull=False).exists()


def test_the_preview_adds_up_and_moves_nobody(manager: Client, plan: Handover):
    lin, mei = make_staff("Lin"), make_staff("Mei")

    response = propose(manager, plan, lin, mei)

    assert response["Location"] == f"/handovers/{plan.pk}/#preview"
    shares = manager.get(f"/handovers/{plan.pk}/").context["shares"]
    assert [(share.staff.name, share.customers) for share in shares] == [("Lin", 5), ("Mei", 5)]
    assert all(len(share.sample) == 3 and share.at_once == 5 for share in shares)
    assert not Customer.objects.filter(owner__isnull=False).exists()


def test_what_fits_nowhere_is_shown_as_resting_in_the_pool(manager: Client, plan: Handover):
    lin = make_staff("Lin", capacity=4)

    propose(manager, plan, lin, strategy="capacity")

    context = manager.get(f"/handovers/{plan.pk}/").context
    assert [share.customers for share in context["shares"]] == [4, 6]
    assert context["left_over"] == 6


def test_conflicts_are_said_before_the_start(manager: Client, plan: Handover):
    lin = make_staff("Lin", capacity=4)
    propose(manager, plan, lin)
    Staff.objects.filter(pk=lin.pk).update(state="suspended")

    page = manager.get(f"/handovers/{plan.pk}/").content.decode()

    assert "6 over capacity" in page
    assert "Is not at work" in page


def test_the_editor_remembers_the_last_proposal(manager: Client, plan: Handover):
    full, mei = make_staff("Full", capacity=0), make_staff("Mei")
    propose(manager, plan, full, mei, strategy="capacity")

    context = manager.get(f"/handovers/{plan.pk}/").context

    assert context["ticked"] == {full.pk, mei.pk}
    assert context["plan"]["strategy"].value() == "capacity"
    assert context["receivers"] == "Mei"


def test_customers_connected_in_wecom_are_told_apart(manager: Client, settings: Any):
    settings.WECOM_CORP_ID = "corp"
    wei, lin, outside = (
        make_departed("Wei"),
        make_staff("Lin"),
        make_staff("Mei", wecom_userid=None),
    )
    connected = [make_customer(f"Chen {number}") for number in range(2)]
    for customer in connected:
        make_follow(wei, customer)
    handover = make_handover(wei, customers=[*connected, *make_customers(2)])

    propose(manager, handover, lin)
    (share,) = manager.get(f"/handovers/{handover.pk}/").context["shares"]
    refused = propose(manager, handover, outside)

    assert (share.by_channel, share.at_once) == (2, 2)
    assert "Mei has no WeCom account" in refused.content.decode()
    assert not handover.items.filter(to_staff=outside).exists()


def test_nobody_chosen_is_an_error_and_a_stranger_is_no_choice(manager: Client, plan: Handover):
    stranger = make_staff("Zed", store=make_store("Elsewhere"))

    assert "Choose at least one colleague." in refusal(propose(manager, plan))
    assert "cannot take customers any more" in refusal(propose(manager, plan, stranger))
    assert not plan.items.filter(to_staff__isnull=False).exists()


def refusal(response: Any) -> str:
    assert response.status_code == 400
    words: str = response.content.decode()
    return words


def test_starting_gives_the_customers_to_their_new_owners(manager: Client, plan: Handover):
    mei = make_staff("Mei")
    propose(manager, plan, mei)

    response = start(manager, plan)

    assert response["Location"] == f"/handovers/{plan.pk}/"
    assert Customer.objects.filter(owner=mei).count() == 10
    assert state_of(plan) in {HandoverState.RUNNING, HandoverState.DONE}


def test_starting_without_a_plan_says_what_is_missing(manager: Client, plan: Handover):
    response = manager.post(f"/handovers/{plan.pk}/start/")

    assert response.status_code == 400
    assert state_of(plan) == HandoverState.PLANNED


def test_words_to_the_customer_are_kept_when_they_are_too_long(manager: Client, hua: Staff):
    lin = make_staff("Lin")
    customers = make_customers(2, owner=lin)
    leave = make_handover(
        lin, customers=customers, to_staff=make_staff("Mei"), kind=HandoverKind.LEAVE
    )

    response = start(manager, leave, customer_message="好" * 201, greeting="Hello")

    assert "好" * 201 in refusal(response)
    assert response.context["start"]["greeting"].value() == "Hello"
    assert state_of(leave) == HandoverState.PLANNED

    start(manager, leave, customer_message="好" * 200, greeting="Hello", max_offers=2)
    leave.refresh_from_db()
    assert (leave.customer_message, leave.greeting, leave.max_offers) == ("好" * 200, "Hello", 2)


def test_the_second_of_two_starters_is_told_and_sees_the_fresh_page(
    manager: Client, plan: Handover
):
    propose(manager, plan, make_staff("Mei"))
    data = {"token": manager.get(f"/handovers/{plan.pk}/").context["token"]}
    manager.post(f"/handovers/{plan.pk}/start/", data)

    again = manager.post(f"/handovers/{plan.pk}/start/", data, follow=True)

    assert "Someone else has just started or cancelled" in again.content.decode()
    answer = manager.post(f"/handovers/{plan.pk}/start/", data, headers={"HX-Request": "true"})
    assert answer.status_code == 409


def test_a_cancelled_plan_leaves_the_customers_in_the_pool(manager: Client, plan: Handover):
    manager.post(f"/handovers/{plan.pk}/cancel/")

    assert state_of(plan) == HandoverState.CANCELLED
    assert Customer.objects.filter(owner=None).count() == 10
    assert manager.get(f"/handovers/{plan.pk}/").status_code == 200


def test_the_running_page_adds_up(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)

    context = manager.get(f"/handovers/{handover.pk}/").context

    assert sum(context["states"].values()) == 6
    assert context["accepted"] == 2
    assert sum(sum(row.counts) for row in context["receiver_rows"]) == 6
    assert context["progress"].undecided == 3


def test_the_live_part_polls_until_the_handover_is_over(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)
    running = manager.get(f"/handovers/{handover.pk}/progress/")
    handover.items.filter(closed_at=None).update(closed_at=NOON, state=ItemState.FAILED)
    Handover.objects.filter(pk=handover.pk).update(state=HandoverState.DONE, closed_at=NOON)

    done = manager.get(f"/handovers/{handover.pk}/progress/")

    assert 'hx-trigger="every 2s"' in running.content.decode()
    assert "HX-Refresh" not in running
    assert "hx-trigger" not in done.content.decode()
    assert done["HX-Refresh"] == "true"


def test_the_list_is_fetched_again_when_customers_have_moved_and_ticks_survive(
    manager: Client, hua: Staff
):
    handover, mei = half_way(hua)
    item = handover.items.filter(state=ItemState.REFUSED)[0]
    page = f"/handovers/{handover.pk}/"
    stand = manager.get(page).context["stand"]
    same = manager.get(f"{page}progress/?was={stand}")
    handover.items.filter(state=ItemState.WAITING).update(state=ItemState.FAILED)

    moved = manager.get(f"{page}progress/?was={stand}")
    again = manager.get(f"{page}?items={item.pk}&receivers={mei.pk}&all_of=refused").context

    assert "HX-Trigger" not in same
    assert moved["HX-Trigger"] == "handover-moved"
    assert (again["chosen_items"], again["ticked"]) == ({item.pk}, {mei.pk})
    assert again["reassign"]["all_of"].value() == "refused"


def test_customers_are_filtered_by_state(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)

    def shown(state: str) -> int:
        return len(manager.get(f"/handovers/{handover.pk}/?state={state}").context["items"])

    assert (shown(""), shown("accepted"), shown("undecided"), shown("planned")) == (6, 2, 3, 0)


def test_the_items_are_paged_without_losing_or_repeating_anybody(manager: Client):
    handover = make_handover(customers=make_customers(120), state=HandoverState.RUNNING)
    seen, address = [], f"/handovers/{handover.pk}/"
    while address:
        context = manager.get(address).context
        seen += [item.pk for item, _step in context["items"]]
        last = context["last"]
        address = f"/handovers/{handover.pk}/?after={last.pk}" if last else ""

    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("state", ["running", "planned", "done"])
def test_each_face_takes_the_same_queries_for_3_and_300_customers(
    manager: Client, state: HandoverState
):
    mei = make_staff("Mei")
    kind = ItemState.ACCEPTED if state == "done" else ItemState.PLANNED
    few, many = (
        make_handover(customers=make_customers(size), to_staff=mei, state=state, item_state=kind)
        for size in (3, 300)
    )

    cost = queries_for(manager, f"/handovers/{few.pk}/")

    assert queries_for(manager, f"/handovers/{many.pk}/") == cost <= 26


def test_refused_customers_can_be_offered_to_somebody_else(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)
    lin = make_staff("Lin")
    refused = handover.items.filter(state=ItemState.REFUSED).order_by("pk")
    chosen = refused[0]

    manager.post(
        f"/handovers/{handover.pk}/reassign/", {"items": [chosen.pk], "receivers": [lin.pk]}
    )

    chosen.refresh_from_db()
    assert chosen.to_staff == lin
    assert chosen.customer.owner == lin
    assert refused.count() == 2


def test_all_of_a_state_can_be_offered_at_once(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)
    lin = make_staff("Lin")

    manager.post(
        f"/handovers/{handover.pk}/reassign/", {"all_of": "refused", "receivers": [lin.pk]}
    )

    assert handover.items.filter(to_staff=lin).count() == 3
    assert not handover.items.filter(state=ItemState.REFUSED).exists()


def test_a_refused_offer_keeps_everything_that_was_ticked(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)
    item = handover.items.filter(state=ItemState.REFUSED)[0]
    lin = make_staff("Lin")

    nobody = manager.post(f"/handovers/{handover.pk}/reassign/", {"items": [item.pk]})
    nothing = manager.post(f"/handovers/{handover.pk}/reassign/", {"receivers": [lin.pk]})

    assert nobody.context["chosen_items"] == {item.pk}
    assert "Choose at least one colleague." in refusal(nobody)
    assert nothing.context["ticked"] == {lin.pk}
    assert "Tick customers" in refusal(nothing)


def test_settled_customers_cannot_be_offered_again(manager: Client, hua: Staff):
    handover, mei = half_way(hua)
    accepted = handover.items.filter(state=ItemState.ACCEPTED)[0]
    lin = make_staff("Lin")

    response = manager.post(
        f"/handovers/{handover.pk}/reassign/", {"items": [accepted.pk], "receivers": [lin.pk]}
    )

    assert "moved on in the meantime" in refusal(response)
    accepted.refresh_from_db()
    assert accepted.to_staff == mei


def test_the_rest_stays_in_the_pool_only_when_nobody_is_on_the_way(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)

    early = manager.post(f"/handovers/{handover.pk}/finish/", follow=True)
    assert "have not answered yet" in early.content.decode()
    assert state_of(handover) == HandoverState.RUNNING

    handover.items.filter(state=ItemState.WAITING).update(state=ItemState.FAILED)
    manager.post(f"/handovers/{handover.pk}/finish/")
    assert state_of(handover) == HandoverState.DONE
    assert "Rests in the pool" in manager.get(f"/handovers/{handover.pk}/").content.decode()


def test_asking_without_a_channel_says_so(manager: Client, hua: Staff):
    handover, _mei = half_way(hua)

    response = manager.post(f"/handovers/{handover.pk}/refresh/", follow=True)

    assert "There is nothing to ask WeCom" in response.content.decode()


@pytest.mark.parametrize(("customers", "left"), [(2, 0), (1001, 1001)])
def test_nobody_waits_for_the_answers_of_a_large_handover(
    manager: Client, redis: object, customers: int, left: int
):
    mei = make_staff("Mei", wecom_userid="Mei")
    handover = make_handover(
        make_departed("Wei", wecom_userid="Wei"),
        customers=make_customers(customers),
        to_staff=mei,
        item_state=ItemState.WAITING,
        state=HandoverState.RUNNING,
    )
    waiting = handover.items.filter(state=ItemState.WAITING)
    waiting.update(state_at=timezone.now() - timedelta(hours=30))  # of whom WeCom tells nothing
    with open_shop() as shop:
        shop.open(mei)

        page = manager.post(f"/handovers/{handover.pk}/refresh/", follow=True).text

        assert "WeCom has been asked." in page
        assert waiting.count() == left
        check_handover(handover.pk, now=timezone.now())
    assert waiting.count() == 0


def test_the_report_holds_every_customer_once_and_no_formula(manager: Client, hua: Staff):
    customers = [
        make_customer('=HYPERLINK("http://x")'),
        make_customer("陈静, 女"),
        make_customer("Zhao"),
    ]
    handover = make_handover(
        customers=customers,
        to_staff=make_staff("Mei"),
        state=HandoverState.DONE,
        item_state=ItemState.ACCEPTED,
    )

    response = manager.get(f"/handovers/{handover.pk}/report.csv")

    text = response.getvalue().decode()
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert text.startswith("\ufeff")
    assert [row[0] for row in rows[1:]] == ['\'=HYPERLINK("http://x")', "陈静, 女", "Zhao"]
    assert {row[3] for row in rows[1:]} == {"accepted"}


def test_the_report_holds_every_group_chat_and_says_which_rows_are_customers(manager: Client):
    mei = make_staff("Mei")
    handover = make_handover(
        customers=[make_customer("Chen")],
        to_staff=mei,
        state=HandoverState.DONE,
        item_state=ItemState.ACCEPTED,
    )
    moved = make_chat_item(handover, state="accepted", to_staff=mei, name="Friends of blue")
    failed = make_chat_item(handover, state="failed", name="=1+1")
    ChatItem.objects.filter(pk=failed.pk).update(reason="The group is full.", attempts=2)

    text = manager.get(f"/handovers/{handover.pk}/report.csv").getvalue().decode()

    heads, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    said = [dict(zip(heads, row, strict=True)) for row in rows]
    assert [(row["Kind"], row["Name"], row["To"], row["State"]) for row in said] == [
        ("customer", "Chen", "Mei", "accepted"),
        ("group chat", "Friends of blue", "Mei", "accepted"),
        ("group chat", "'=1+1", "", "failed"),
    ]
    assert (said[2]["Reason"], said[2]["Tries"]) == ("The group is full.", "2")
    assert said[1]["Id"] == moved.chat.chat_id


def test_the_report_says_first_how_many_were_given_back(manager: Client):
    handover = make_handover(
        customers=make_customers(3),
        to_staff=make_staff("Mei"),
        state=HandoverState.DONE,
        item_state=ItemState.ACCEPTED,
    )
    back = handover.items.order_by("pk")[:2].values_list("pk", flat=True)
    HandoverItem.objects.filter(pk__in=list(back)).update(undo_asked_at=NOON, undone_at=NOON)

    page = manager.get(f"/handovers/{handover.pk}/").content.decode()

    assert "2 given back" in page.partition('id="items"')[0]


def test_the_links_of_a_refused_offer_lead_to_the_page(manager: Client):
    handover = make_handover(
        customers=make_customers(30), state=HandoverState.RUNNING, item_state=ItemState.REFUSED
    )

    refused = manager.post(f"/handovers/{handover.pk}/reassign/")

    assert refused.status_code == 400
    assert 'href="?' not in refused.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "\nx",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "  =1",
        "\u3000=1",
        "\u00a0@x",
        "\ufeff=1",
        "\u200b=1",
        " \t=1",
    ],
)
def test_whatever_a_spreadsheet_could_run_is_made_harmless(text: str):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Chen", "陈静", "", "a=b", "3", "'=1", " x"])
def test_other_cells_are_left_alone(text: str):
    assert safe_cell(text) == text


# --- undo ---------------------------------------------------------------------------------------


def test_undo_gives_everybody_back_and_says_so(client):
    hua, lin, mei = make_staff("Hua", role=Role.MANAGER), make_staff("Lin"), make_staff("Mei")
    handover = taken_over(lin, mei)
    sign_in(client, hua)
    page = client.get(reverse("handover_page", args=[handover.pk]))
    assert "Give all 3 customers back" in page.text

    answer = client.post(reverse("handover_undo", args=[handover.pk]), follow=True)

    assert "3 customers go back." in answer.text
    assert "3 customers were given back." in answer.text
    assert Customer.objects.filter(owner=lin).count() == 3


def test_undo_of_ticked_customers_leaves_the_others(client):
    hua, lin, mei = make_staff("Hua", role=Role.MANAGER), make_staff("Lin"), make_staff("Mei")
    handover = taken_over(lin, mei)
    sign_in(client, hua)
    address = reverse("handover_undo", args=[handover.pk])
    item = handover.items.order_by("pk")[0]

    nothing = client.post(address, {"chosen": "yes"}, follow=True)
    client.post(address, {"chosen": "yes", "items": [item.pk]})

    assert "Tick the customers" in nothing.text
    assert list(Customer.objects.filter(owner=lin)) == [item.customer]


def test_nobody_undoes_the_handover_of_another_store(client):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = taken_over(lin, mei)
    sign_in(client, make_staff("Qi", role=Role.MANAGER, store=make_store("Xujiahui")))

    answer = client.post(reverse("handover_undo", args=[handover.pk]))

    assert answer.status_code == 404
    assert Customer.objects.filter(owner=mei).count() == 3


def taken_over(lin, mei):
    """Three customers of Lin, whom Mei has taken over just now."""
    make_customers(3, owner=lin)
    now = timezone.now()
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=now)
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    return handover
