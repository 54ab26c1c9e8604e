"""Notices: what people should know, shown on their screens and, if they like, sent to them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.enums import NoticeKind
from contacts.models.customers import Customer
from contacts.models.handovers import Handover
from contacts.models.organisation import Staff


class Notice(models.Model):
    """One thing that one person should know.

    ``key`` says what it is about, and a person is told of it once. ``data`` holds what the words
    need, ids and figures but nothing that a customer typed. ``told_at`` is when it was sent
    through the channel or decided not to be.
    """

    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="notices", db_index=False
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    handover = models.ForeignKey(
        Handover, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    about = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    kind = models.CharField(max_length=20, choices=NoticeKind.choices)
    key = models.CharField(max_length=80)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The list of one person, newest first, and what is still to be sent.
            models.Index(fields=["staff", "-id"], name="notice_of_person"),
            models.Index(fields=["staff"], condition=Q(read_at=None), name="notice_unread"),
            models.Index(fields=["id"], condition=Q(told_at=None), name="notice_untold"),
            # An erasure: what was told about somebody.
            models.Index(
                fields=["customer"],
                condition=Q(customer__isnull=False),
                name="notice_about_customer",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["staff", "key"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(kind__in=NoticeKind.values), name="notice_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staff_id}: {self.key}"
