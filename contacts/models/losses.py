"""Losses: connections that ended because somebody removed the other, and what became of them."""

from django.db import models
from django.db.models import Q

from contacts.enums import LossKind, LossReason, LossState
from contacts.models.customers import Customer
from contacts.models.follows import Follow
from contacts.models.organisation import Staff, Store


class Loss(models.Model):
    """One follow that ended by a removal, or because nobody took the customer over.

    ``is_last`` says that no other connection of the customer remained: only such a loss counts,
    and waits (``open``) until the customer is won back or written off. The others are *kept*. A
    customer has at most one open loss. ``owner``, ``value`` and ``last_contact_at`` are as they
    were at that time; ``staff`` is whose connection ended.
    """

    follow = models.OneToOneField(Follow, on_delete=models.PROTECT, related_name="loss")
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="losses", db_index=False
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="losses", db_index=False
    )
    owner = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="losses", db_index=False
    )

    kind = models.CharField(max_length=12, choices=LossKind.choices)
    is_last = models.BooleanField(default=False)
    value = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    last_contact_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField()

    reason = models.CharField(max_length=12, choices=LossReason.choices, blank=True)
    note = models.CharField(max_length=400, blank=True)
    state = models.CharField(max_length=12, choices=LossState.choices, default=LossState.KEPT)
    state_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "losses"
        indexes = [
            # The list of losses of some stores or of all, newest first, and the rates of a period.
            models.Index(fields=["store", "-at", "-id"], name="loss_of_store"),
            models.Index(fields=["-at", "-id"], name="loss_newest"),
            models.Index(fields=["staff", "-at", "-id"], name="loss_of_staff"),
            models.Index(fields=["customer", "-at"], name="loss_of_customer"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=LossKind.values), name="loss_kind_known"),
            models.CheckConstraint(
                condition=Q(reason__in=LossReason.values), name="loss_reason_known"
            ),
            models.CheckConstraint(
                condition=Q(is_last=False, state=LossState.KEPT)
                | Q(is_last=True, state__in=["open", "won_back", "written_off"]),
                name="loss_state_fits",
            ),
            models.UniqueConstraint(
                fields=["customer"],
                condition=Q(state=LossState.OPEN),
                name="loss_one_open_per_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} lost by {self.staff_id}"
