"""Tasks: what somebody has to do, mostly about one customer."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.enums import TaskKind, TaskState
from contacts.models.customers import Customer
from contacts.models.handovers import Handover
from contacts.models.organisation import Staff, Store


class Task(models.Model):
    """Something to do for one person or, without ``staff``, for whoever manages the store.

    Open tasks about a customer change hands with the customer. The database refuses an open task
    of somebody who has departed (constraint ``task_holder_is_employed``, migration 0005). A task
    without ``text`` is called by its kind.
    """

    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="tasks",
        null=True,
        blank=True,
        db_index=False,
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="tasks",
        null=True,
        blank=True,
        db_index=False,
    )
    handover = models.ForeignKey(
        Handover,
        on_delete=models.PROTECT,
        related_name="tasks",
        null=True,
        blank=True,
        db_index=False,
    )
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    closed_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    kind = models.CharField(max_length=16, choices=TaskKind.choices, default=TaskKind.TO_DO)
    text = models.CharField(max_length=400, blank=True)
    due_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    state = models.CharField(max_length=8, choices=TaskState.choices, default=TaskState.OPEN)
    state_at = models.DateTimeField()

    class Meta:
        indexes = [
            # Today: what one person has to do, and what waits for the managers of a store.
            models.Index(
                fields=["staff", "due_on", "id"], condition=Q(state="open"), name="task_of_person"
            ),
            models.Index(
                fields=["store", "due_on", "id"],
                condition=Q(state="open", staff=None),
                name="task_of_store",
            ),
            # What a person has done or dropped, the latest first.
            models.Index(
                fields=["staff", "-state_at", "-id"],
                condition=~Q(state="open"),
                name="task_closed_of_person",
            ),
            # The page of a customer, and open tasks that change hands with the customer.
            models.Index(fields=["customer", "state", "-id"], name="task_of_customer"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TaskKind.values), name="task_kind_known"),
            models.CheckConstraint(
                condition=Q(state__in=TaskState.values), name="task_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(text="") | ~Q(kind__in=["to_do", "promise"]),
                name="task_says_what",
            ),
            models.UniqueConstraint(
                fields=["customer", "kind"],
                condition=Q(state="open", kind__in=["first_contact", "win_back"]),
                name="task_one_open_of_a_kind",
            ),
            models.UniqueConstraint(
                fields=["handover"],
                condition=Q(state="open", kind="decision"),
                name="task_one_decision_per_handover",
            ),
        ]

    def __str__(self) -> str:
        return self.text or self.get_kind_display()
