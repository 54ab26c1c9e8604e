"""Handovers: customers moving from one staff member to others, one item each."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from contacts.enums import HandoverKind, HandoverState, ItemState, RequestState, UndoNote
from contacts.models.customers import Customer
from contacts.models.organisation import Staff, Store

REQUEST_LIMIT = 100
"""Customers in one transfer call; more are refused by the channel (WeCom docs 92125, 94081)."""


class Handover(models.Model):
    """The handing over of ``size`` customers of one staff member.

    The states of its items always add up to ``size``. Items are never deleted. ``steps`` are the
    rules by which the plan gave each customer a receiver, in order. A customer whom the first
    colleague does not get is offered to others of the plan, to ``max_offers`` in all.
    ``customer_message`` is what customers read, ``greeting`` what receivers may say first;
    ``announced_at`` is when customers of a departure were told. An undo says what it ``undoes``.
    """

    from_staff = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="handovers")
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="handovers")
    planned_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )

    undoes = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="undone_by", null=True, blank=True
    )

    kind = models.CharField(max_length=12, choices=HandoverKind.choices)
    size = models.PositiveIntegerField()
    steps = models.JSONField(default=list, blank=True)
    max_offers = models.PositiveSmallIntegerField(default=3)
    customer_message = models.CharField(max_length=200, blank=True)
    greeting = models.CharField(max_length=400, blank=True)
    announced_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(
        max_length=12, choices=HandoverState.choices, default=HandoverState.PLANNED
    )
    planned_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: running handovers whose results are due.
            models.Index(fields=["check_at"], condition=Q(state="running"), name="handover_due"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=HandoverState.values), name="handover_state_known"
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=["done", "cancelled"], closed_at__isnull=False)
                    | Q(state__in=["planned", "running"], closed_at=None)
                ),
                name="handover_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "cancelled"]) | Q(started_at__isnull=False),
                name="handover_started_has_time",
            ),
            models.UniqueConstraint(
                fields=["from_staff"],
                condition=Q(state="planned"),
                name="handover_one_plan_per_person",
            ),
            models.UniqueConstraint(
                fields=["undoes", "from_staff"],
                condition=Q(state="running", undoes__isnull=False),
                name="handover_one_undo_per_receiver",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_staff_id}: {self.size}"


class HandoverRequest(models.Model):
    """One transfer call of at most 100 customers to one receiver.

    It is committed as *calling* before the call and written down after it. A worker that dies
    in between leaves it to be made again: the channel answers a repeated transfer with "already
    in transfer", which counts as requested. ``as_leaver`` says which of the channel's two sets of
    endpoints was called, for people at work or for those who have left: results are asked there.
    """

    handover = models.ForeignKey(Handover, on_delete=models.PROTECT, related_name="requests")
    to_staff = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="+")

    state = models.CharField(
        max_length=12, choices=RequestState.choices, default=RequestState.PREPARED
    )
    as_leaver = models.BooleanField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: requests still to be made.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["prepared", "calling", "unclear"]),
                name="handover_request_open",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=RequestState.values), name="handover_request_state_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.handover_id} to {self.to_staff_id}"


class HandoverItem(models.Model):
    """One customer of a handover: to whom, and how far it got.

    ``slot`` numbers the items of one request, which caps it at 100. ``closed_at`` is set when
    nothing more will happen to the item in this handover; until then no other handover may
    take the customer. ``step`` is the step of the plan that found the receiver; ``by_hand`` items
    were moved by a person, and steps leave their receiver alone. ``tried`` are the colleagues who
    did not get the customer, ``tries`` counts the requests made. An accepted item that is to be
    undone has ``undo_asked_at``, and then either ``undone_at`` or an ``undo_note`` that says why
    not.
    """

    handover = models.ForeignKey(
        Handover, on_delete=models.PROTECT, related_name="items", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="handover_items")
    to_staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="received_items", null=True, blank=True
    )
    request = models.ForeignKey(
        HandoverRequest,
        on_delete=models.PROTECT,
        related_name="items",
        null=True,
        blank=True,
        db_index=False,
    )

    step = models.PositiveSmallIntegerField(null=True, blank=True)
    by_hand = models.BooleanField(default=False, db_default=False)
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    tried = ArrayField(models.BigIntegerField(), default=list, blank=True)
    errcode = models.IntegerField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    state = models.CharField(max_length=14, choices=ItemState.choices, default=ItemState.PLANNED)
    state_at = models.DateTimeField()
    takeover_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    undo_asked_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undo_note = models.CharField(max_length=12, choices=UndoNote.choices, blank=True, db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["handover", "state"], name="handover_item_states"),
            # The sweeper: customers who are still to be given back.
            models.Index(
                fields=["handover", "id"],
                condition=Q(undo_asked_at__isnull=False, undone_at=None, undo_note=""),
                name="handover_item_to_undo",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["handover", "customer"], name="handover_item_once_per_handover"
            ),
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(closed_at=None),
                name="handover_item_one_open_per_customer",
            ),
            models.UniqueConstraint(fields=["request", "slot"], name="handover_request_slot_once"),
            models.CheckConstraint(
                condition=Q(slot=None, request=None)
                | Q(slot__isnull=False, slot__gte=0, slot__lt=REQUEST_LIMIT, request__isnull=False),
                name="handover_request_at_most_100",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ItemState.values), name="handover_item_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["accepted", "cancelled"]) | Q(closed_at__isnull=False),
                name="handover_item_final_is_closed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["planned", "requested", "waiting"]) | Q(closed_at=None),
                name="handover_item_moving_is_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.state}"
