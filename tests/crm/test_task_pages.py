"""The task screens: what is due on a phone, one task, and what is pressed where."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.actions.tasks import finish_task
from contacts.enums import Role, TaskKind, TaskState
from contacts.models import Staff, Task
from crm.task_queries import PAGE_SIZE
from tests.builders import (
    make_customer,
    make_handover,
    make_staff,
    make_store,
    make_task,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

LIST = "/tasks/"


def day(ahead: int = 0):
    return timezone.localdate() + timedelta(days=ahead)


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def hers(client: Client, lin: Staff) -> Client:
    return sign_in(client, lin)


def shown(client: Client, address: str = LIST) -> list[int]:
    """The tasks of the page, in their order."""
    page = client.get(address)
    assert page.status_code == 200
    return [task.pk for task in [*page.context["page"].overdue, *page.context["page"].rows]]


# --- the list -------------------------------------------------------------------------------------


def test_a_long_text_is_read_in_full_below_a_short_heading(hers: Client, lin: Staff) -> None:
    text = "Put aside " + 20 * "the blue coat, "
    task = make_task(staff=lin, text=text.strip())

    page = hers.get(f"/tasks/{task.pk}/").text

    assert f'<p class="task-text">{text.strip()}</p>' in page
    assert f"<h1>{text[:79]}…</h1>" in page


def test_nothing_due_for_the_managers_leads_to_what_comes_later(client: Client, hua: Staff) -> None:
    make_task(staff=None, due_on=day(1))

    page = sign_in(client, hua).get(f"{LIST}?whose=store").text

    assert "Nothing is due for the managers" in page
    assert f'class="btn" href="{LIST}?whose=store&amp;show=later"' in page


def test_what_is_due_stands_first_and_what_comes_later_apart(hers: Client, lin: Staff) -> None:
    later, undated = make_task(staff=lin, due_on=day(3)), make_task(staff=lin)
    today, overdue = make_task(staff=lin, due_on=day()), make_task(staff=lin, due_on=day(-2))
    done = make_task(staff=lin, state=TaskState.DONE, due_on=day())
    make_task(staff=make_staff("Mei"), due_on=day())

    assert shown(hers) == [overdue.pk, today.pk]
    assert hers.get(LIST).context["page"].overdue == [overdue]
    assert shown(hers, f"{LIST}?show=later") == [later.pk, undated.pk]
    assert shown(hers, f"{LIST}?show=done") == [done.pk]
    assert shown(hers, f"{LIST}?show=nonsense") == [overdue.pk, today.pk]


@pytest.mark.parametrize("show", ["due", "later", "done"])
def test_pages_follow_one_another_without_gap(hers: Client, lin: Staff, show: str) -> None:
    ahead = -1 if show == "due" else 1
    values: dict[str, Any] = {"state": TaskState.DONE} if show == "done" else {}
    tasks = [
        make_task(staff=lin, due_on=day(ahead * (n % 3)) if n % 3 else None, **values)
        if show != "due"
        else make_task(staff=lin, due_on=day(-(n % 3)))
        for n in range(2 * PAGE_SIZE + 3)
    ]
    address, seen = f"{LIST}?show={show}", []

    for _page in range(3):
        seen += shown(hers, address)
        address = f"{LIST}?show={show}&after={hers.get(address).context['page'].after}".replace(
            "+", "%2B"
        )

    assert sorted(seen) == sorted(task.pk for task in tasks)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("after", ["~", "x~1", "2026-13-01~5", "~x", "2026-03-01T25:00~4", "\0"])
@pytest.mark.parametrize("show", ["due", "done"])
def test_a_place_that_makes_no_sense_is_the_beginning(
    hers: Client, lin: Staff, show: str, after: str
) -> None:
    make_task(staff=lin, due_on=day())

    assert hers.get(LIST, {"show": show, "after": after}).status_code == 200


@pytest.mark.parametrize("show", ["due", "later", "done"])
def test_an_empty_list_says_what_to_do(hers: Client, show: str) -> None:
    assert "empty-state" in hers.get(f"{LIST}?show={show}").text


def test_the_list_takes_the_same_queries_for_1_and_20(hers: Client, lin: Staff) -> None:
    make_task(staff=lin, due_on=day(), customer=make_customer(owner=lin))
    one = queries_for(hers, LIST)
    for _ in range(19):
        make_task(staff=lin, due_on=day(), customer=make_customer(owner=lin))

    assert queries_for(hers, LIST) == one <= 10


def test_managers_see_what_waits_for_their_store_and_no_other(client: Client, hua: Staff) -> None:
    handover = make_handover()
    decision = make_task(kind=TaskKind.DECISION, due_on=day(), handover=handover)
    make_task(staff=make_staff("Lin"), due_on=day())
    make_task(store=make_store("Xidan"), due_on=day())
    mine = make_task(staff=hua, due_on=day())
    sign_in(client, hua)

    assert shown(client) == [decision.pk]
    assert shown(client, f"{LIST}?whose=mine") == [mine.pk]
    assert f'href="/handovers/{handover.pk}/"' in client.get(LIST).text


def test_a_guide_cannot_look_at_the_tasks_of_the_store(hers: Client) -> None:
    make_task(due_on=day())

    assert shown(hers, f"{LIST}?whose=store") == []


def test_visitors_are_sent_to_the_door(client: Client) -> None:
    assert client.get(LIST).status_code == 302


@pytest.mark.parametrize(
    ("role", "sees"),
    [(Role.GUIDE, True), (Role.MANAGER, True), (Role.MARKETER, False)],
)
def test_tasks_stand_in_the_navigation_of_guides_and_managers(
    client: Client, role: Role, sees: bool
) -> None:
    page = sign_in(client, make_staff("Lin", role=role)).get("/me/")

    assert ('href="/tasks/"' in page.text) == sees


# --- adding ---------------------------------------------------------------------------------------


def test_a_task_of_ones_own_is_added(hers: Client, lin: Staff) -> None:
    answer = hers.post("/tasks/add/", {"text": "Water the plants", "due_on": day().isoformat()})

    task = Task.objects.get()
    assert (task.staff, task.kind, task.text, task.due_on) == (
        lin,
        "to_do",
        "Water the plants",
        day(),
    )
    assert answer["Location"] == "/tasks/?show=due&whose=mine"


@pytest.mark.parametrize(
    "data", [{"text": ""}, {"text": "Call", "due_on": "never"}, {"text": "x" * 401}]
)
def test_a_mistake_keeps_what_was_typed(hers: Client, data: dict[str, str]) -> None:
    answer = hers.post("/tasks/add/", data)

    assert answer.status_code == 422
    assert f'value="{data["text"]}"' in answer.text or not data["text"]
    assert "field-errors" in answer.text
    assert not Task.objects.exists()


def test_a_day_that_has_passed_is_refused_in_words(hers: Client) -> None:
    answer = hers.post("/tasks/add/", {"text": "Call", "due_on": day(-1).isoformat()})

    assert answer.status_code == 422
    assert "That day has passed" in answer.text
    assert 'href="?' not in answer.text, "leads to an address that only takes forms"


def test_a_promise_is_added_on_the_page_of_the_customer(hers: Client, lin: Staff) -> None:
    chen = make_customer(owner=lin)

    answer = hers.post(
        f"/customers/{chen.pk}/tasks/", {"kind": "promise", "text": "Coat in M", "due_on": ""}
    )

    assert answer["Location"] == f"/customers/{chen.pk}/#tasks"
    task = Task.objects.get()
    assert (task.kind, task.customer, task.staff) == (TaskKind.PROMISE, chen, lin)
    assert "Coat in M" in hers.get(f"/customers/{chen.pk}/").text


def test_a_mistake_on_the_page_of_the_customer_keeps_what_was_typed(
    hers: Client, lin: Staff
) -> None:
    chen = make_customer(owner=lin)

    answer = hers.post(f"/customers/{chen.pk}/tasks/", {"kind": "decision", "text": "Coat in <M>"})

    assert answer.status_code == 422
    assert "Coat in &lt;M&gt;" in answer.text
    assert 'href="?' not in answer.text
    assert not Task.objects.exists()


def test_a_marketer_adds_nothing_to_a_customer(client: Client) -> None:
    chen = make_customer()
    sign_in(client, make_staff("Tao", role=Role.MARKETER))

    answer = client.post(f"/customers/{chen.pk}/tasks/", {"kind": "to_do", "text": "Call"})

    assert answer.status_code == 403
    assert not Task.objects.exists()


# --- one task -------------------------------------------------------------------------------------

PRESSES = {
    "done": ({}, lambda task: task.state == TaskState.DONE),
    "drop": ({}, lambda task: task.state == TaskState.DROPPED),
    "reschedule": ({"due_on": day(4).isoformat()}, lambda task: task.due_on == day(4)),
}


@pytest.mark.parametrize("press", PRESSES)
def test_whose_task_it_is_may_press(hers: Client, lin: Staff, press: str) -> None:
    task = make_task(staff=lin, due_on=day())
    data, came_about = PRESSES[press]

    assert hers.post(f"/tasks/{task.pk}/{press}/", data).status_code == 302

    task.refresh_from_db()
    assert came_about(task)


@pytest.mark.parametrize("press", PRESSES)
def test_a_stranger_finds_no_task(client: Client, lin: Staff, press: str) -> None:
    task = make_task(staff=lin, due_on=day(), customer=make_customer(owner=lin))
    sign_in(client, make_staff("Mei"))

    assert client.get(f"/tasks/{task.pk}/").status_code == 404
    assert client.post(f"/tasks/{task.pk}/{press}/", PRESSES[press][0]).status_code == 404

    task.refresh_from_db()
    assert (task.state, task.due_on) == (TaskState.OPEN, day())


def test_a_marketer_reads_and_changes_nothing(client: Client, lin: Staff) -> None:
    task = make_task(staff=lin, customer=make_customer(owner=lin))
    sign_in(client, make_staff("Tao", role=Role.MARKETER))

    page = client.get(f"/tasks/{task.pk}/")

    assert page.status_code == 200
    assert f"/tasks/{task.pk}/done/" not in page.text
    assert client.post(f"/tasks/{task.pk}/done/").status_code == 403


def test_the_owner_may_do_what_a_manager_was_to_do(hers: Client, lin: Staff, hua: Staff) -> None:
    task = make_task(staff=hua, customer=make_customer(owner=lin))

    hers.post(f"/tasks/{task.pk}/done/")

    task.refresh_from_db()
    assert (task.state, task.closed_by) == (TaskState.DONE, lin)


def test_a_manager_gives_a_task_to_a_colleague(client: Client, lin: Staff, hua: Staff) -> None:
    task, mei = make_task(staff=lin), make_staff("Mei")
    sign_in(client, hua)

    client.post(f"/tasks/{task.pk}/reassign/", {"staff": mei.pk})

    task.refresh_from_db()
    assert task.staff == mei


def test_nobody_outside_the_store_is_given_a_task(client: Client, lin: Staff, hua: Staff) -> None:
    task = make_task(staff=lin)
    far = make_staff("Far", store=make_store("Xidan"))
    sign_in(client, hua)

    assert client.post(f"/tasks/{task.pk}/reassign/", {"staff": far.pk}).status_code == 422

    task.refresh_from_db()
    assert task.staff == lin


def test_a_guide_gives_no_task_away(hers: Client, lin: Staff) -> None:
    task = make_task(staff=lin)

    assert hers.post(f"/tasks/{task.pk}/reassign/", {"staff": ""}).status_code == 403

    task.refresh_from_db()
    assert task.staff == lin


def test_who_comes_too_late_is_told(hers: Client, lin: Staff) -> None:
    task = make_task(staff=lin)
    finish_task(task, actor=None, now=timezone.now())

    answer = hers.post(f"/tasks/{task.pk}/done/", follow=True)

    assert "Someone else has just closed this task." in answer.text


@pytest.mark.parametrize(
    ("back", "place"),
    [("today", "/"), ("customer", "/customers/{}/#tasks"), ("https://evil.example/", "/tasks/")],
)
def test_a_press_returns_to_where_it_was_pressed(
    hers: Client, lin: Staff, back: str, place: str
) -> None:
    chen = make_customer(owner=lin)
    task = make_task(staff=lin, customer=chen)

    answer = hers.post(f"/tasks/{task.pk}/done/", {"back": back})

    assert answer["Location"] == place.format(chen.pk)


@pytest.mark.parametrize("press", [*PRESSES, "reassign"])
def test_looking_changes_nothing_and_another_site_neither(lin: Staff, press: str) -> None:
    task = make_task(staff=lin)
    client = sign_in(Client(enforce_csrf_checks=True), lin)

    assert client.get(f"/tasks/{task.pk}/{press}/").status_code == 405
    assert client.post(f"/tasks/{task.pk}/{press}/").status_code == 403

    task.refresh_from_db()
    assert task.state == TaskState.OPEN


# --- Today ----------------------------------------------------------------------------------------


def test_today_shows_what_is_due_but_first_words_once(hers: Client, lin: Staff) -> None:
    chen = make_customer("Chen", owner=lin)
    due = make_task(staff=lin, customer=chen, due_on=day(-1))
    make_task(staff=lin, customer=chen, kind=TaskKind.FIRST_CONTACT, due_on=day())
    make_task(staff=lin, customer=chen, due_on=day(1))

    assert hers.get("/").context["day"].guide.tasks == [due]


def test_today_shows_managers_what_waits_for_them(client: Client, hua: Staff) -> None:
    handover = make_handover()
    decision = make_task(kind=TaskKind.DECISION, handover=handover)
    make_task(store=make_store("Xidan"))

    page = sign_in(client, hua).get("/")

    assert page.context["day"].manager.tasks == [decision]
    assert f'href="/handovers/{handover.pk}/"' in page.text
