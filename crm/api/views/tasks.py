"""Tasks: what people have to do, and what became of it."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from contacts.actions.tasks import (
    add_task,
    drop_task,
    finish_task,
    reassign_task,
    reschedule_task,
)
from contacts.enums import Role, TaskKind, TaskState
from contacts.models import Customer, Staff, Task
from crm.access import (
    customers_of,
    require,
    staff_of,
    stores_of,
    task_for,
    task_to_change,
    tasks_of,
)
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.shapes.work import TaskShape

BY_HAND = [TaskKind.TO_DO, TaskKind.PROMISE]


class TaskFilters(django_filters.FilterSet):
    """How tasks can be narrowed down."""

    staff = IdFilter()
    store = IdFilter()
    customer = IdFilter()
    handover = IdFilter()
    kind = django_filters.ChoiceFilter(choices=TaskKind.choices)
    state = django_filters.ChoiceFilter(choices=TaskState.choices)
    unassigned = django_filters.BooleanFilter(
        field_name="staff", lookup_expr="isnull", label="Whether it waits for a store's managers."
    )
    due_until = django_filters.DateFilter(
        field_name="due_on", lookup_expr="lte", label="Due on this day or before."
    )


class Tasks(Listing, Verb):
    """List the tasks you see: yours, about your customers, and of the stores you manage."""

    resource = "tasks"
    shape = TaskShape
    filterset_class = TaskFilters
    success = 201

    class Input(StrictInput):
        """What there is to do, until when, about whom, and for whom."""

        example: ClassVar = {
            "kind": "promise",
            "text": "Put the camel coat aside in M",
            "customer": 12,
            "due_on": "2026-12-01",
        }

        kind = serializers.ChoiceField(choices=BY_HAND, default=TaskKind.TO_DO)
        text = serializers.CharField(max_length=400)
        due_on = serializers.DateField(required=False, allow_null=True)
        customer = IdField(required=False)
        staff = IdField(required=False, help_text="Managers only; otherwise you.")

    def rows(self) -> QuerySet[Task]:
        """Return the tasks the person sees."""
        return tasks_of(self.viewer).select_related("staff", "store", "customer", "created_by")

    def act(self, data: dict[str, Any]) -> Task:
        """Add a task, for yourself or for a colleague whom you manage."""
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        customer, staff = self._customer(data), self._staff(data)
        if customer:
            store = customer.store
        else:
            store = staff.store or stores_of(self.viewer).order_by("pk")[0]
        return add_task(
            kind=TaskKind(data["kind"]),
            text=data["text"],
            due_on=data.get("due_on"),
            customer=customer,
            staff=staff,
            store=store,
            actor=self.actor,
            now=self.now,
        )

    def _customer(self, data: dict[str, Any]) -> Customer | None:
        if "customer" not in data:
            return None
        mine = customers_of(self.viewer, Role.GUIDE, Role.MANAGER).select_related("store")
        return pick(mine, [data["customer"]], "customer")[0]

    def _staff(self, data: dict[str, Any]) -> Staff:
        if "staff" not in data or data["staff"] == self.actor.pk:
            return self.actor
        require(self.viewer, Role.MANAGER)
        return pick(staff_of(self.viewer), [data["staff"]], "staff")[0]


class TaskPage(Reading):
    """Read one task."""

    resource = "tasks"
    shape = TaskShape

    def row(self, pk: int) -> Task:
        """Return the task."""
        return task_for(self.viewer, pk)


class TaskVerb(TaskPage, Verb):
    """What can be done about a task."""

    http_method_names = ["post"]


class Done(TaskVerb):
    """Mark a task as done."""

    def act(self, data: dict[str, Any], pk: int) -> Task:
        """Mark a task as done."""
        finish_task(task_to_change(self.viewer, pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Drop(TaskVerb):
    """Drop a task."""

    def act(self, data: dict[str, Any], pk: int) -> Task:
        """Drop a task that has become pointless."""
        drop_task(task_to_change(self.viewer, pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Reschedule(TaskVerb):
    """Move a task to another day."""

    class Input(StrictInput):
        """The day; null for none."""

        example: ClassVar = {"due_on": "2026-12-01"}

        due_on = serializers.DateField(allow_null=True)

    def act(self, data: dict[str, Any], pk: int) -> Task:
        """Move a task to another day, or to none."""
        task = task_to_change(self.viewer, pk)
        reschedule_task(task, data["due_on"], actor=self.actor, now=self.now)
        return self.row(pk)


class Reassign(TaskVerb):
    """Give a task to somebody else."""

    class Input(StrictInput):
        """To whom; null for whoever manages the store."""

        example: ClassVar = {"staff": 8}

        staff = IdField(allow_null=True)

    def act(self, data: dict[str, Any], pk: int) -> Task:
        """Give a task to a colleague whom you manage, or to the managers of its store."""
        require(self.viewer, Role.MANAGER)
        task = task_to_change(self.viewer, pk)
        staff = None
        if data["staff"]:
            staff = pick(staff_of(self.viewer), [data["staff"]], "staff")[0]
        reassign_task(task, staff, actor=self.actor, now=self.now)
        return self.row(pk)
