"""What the task screens show: what is due, what comes later, and what has been done."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from contacts.enums import Role, TaskState
from contacts.models import Task
from crm.access import Viewer, store_tasks_of
from crm.paging import page_of, whole_number

DUE, LATER, CLOSED = "due", "later", "done"
TABS = {DUE: _("Due"), LATER: _("Later"), CLOSED: _("Done")}
MINE, STORE = "mine", "store"
PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of tasks; ``after`` is where the next one begins, if there is one."""

    overdue: list[Task]
    rows: list[Task]
    after: str


def tasks_for_list(viewer: Viewer, whose: str) -> QuerySet[Task]:
    """Return the person's own tasks, or those that wait for the managers of their stores."""
    if whose == STORE:
        return store_tasks_of(viewer)
    return Task.objects.filter(staff=viewer.staff)


def default_whose(viewer: Viewer) -> str:
    """Return whose tasks a person comes for: managers without customers for those of the store."""
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    return STORE if leads and not viewer.has(Role.GUIDE) else MINE


def due_among(tasks: QuerySet[Task], today: date) -> QuerySet[Task]:
    """Keep what is due today or should have been done before."""
    return tasks.filter(state=TaskState.OPEN, due_on__lte=today)


def page_of_tasks(tasks: QuerySet[Task], show: str, after: str, *, now: datetime) -> TaskPage:
    """Return one page of due, later or closed tasks: one query."""
    today = timezone.localdate(now)
    if show == CLOSED:
        rows = _after_closed(tasks.exclude(state=TaskState.OPEN), after)
        rows = rows.order_by("-state_at", "-pk")
    else:
        rows = due_among(tasks, today) if show == DUE else _later_among(tasks, today)
        rows = _after_due(rows, after).order_by(F("due_on").asc(nulls_last=True), "pk")
    page = page_of(
        rows.select_related("customer", "staff", "store", "handover__from_staff"), PAGE_SIZE
    )
    overdue = [row for row in page.rows if show == DUE and row.due_on and row.due_on < today]
    rest = page.rows[len(overdue) :]
    return TaskPage(overdue, rest, _place(page.last, show) if page.last else "")


def _later_among(tasks: QuerySet[Task], today: date) -> QuerySet[Task]:
    return tasks.filter(Q(due_on__gt=today) | Q(due_on=None), state=TaskState.OPEN)


def _place(last: Task, show: str) -> str:
    moment = last.state_at if show == CLOSED else last.due_on
    return f"{moment.isoformat() if moment else ''}~{last.pk}"


def _after_due(rows: QuerySet[Task], after: str) -> QuerySet[Task]:
    day, _tilde, number = after.partition("~")
    pk = whole_number(number)
    if pk is None:
        return rows
    if due_on := _day(day):
        return rows.filter(Q(due_on__gt=due_on) | Q(due_on=due_on, pk__gt=pk) | Q(due_on=None))
    return rows.filter(due_on=None, pk__gt=pk)


def _after_closed(rows: QuerySet[Task], after: str) -> QuerySet[Task]:
    moment, _tilde, number = after.partition("~")
    pk, at = whole_number(number), _moment(moment)
    if pk is None or at is None:
        return rows
    return rows.filter(Q(state_at__lt=at) | Q(state_at=at, pk__lt=pk))


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at and timezone.is_aware(at) else None
