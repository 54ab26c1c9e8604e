"""Contact codes: QR codes through which people become customers."""

from django.db import models

from contacts.models.organisation import Staff, Store
from contacts.models.tags import Tag


class ContactCode(models.Model):
    """A "contact me" QR code with its staff on duty and the tags it gives.

    ``state`` is the only thing by which the channel tells which code was scanned: short,
    unique, at most 30 characters. ``duty_changed_at`` is set while WeCom has still to be told who
    is on duty now.
    """

    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="contact_codes")
    staff_on_duty = models.ManyToManyField(Staff, related_name="contact_codes", blank=True)
    tags = models.ManyToManyField(Tag, related_name="+", blank=True)

    name = models.CharField(max_length=80)
    state = models.CharField(max_length=30, unique=True)
    config_id = models.CharField(max_length=64, blank=True)
    qr_code_url = models.URLField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    duty_changed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: codes whose people on duty WeCom does not know yet.
            models.Index(
                fields=["duty_changed_at"],
                condition=models.Q(duty_changed_at__isnull=False),
                name="contact_code_duty_changed",
            ),
        ]

    def __str__(self) -> str:
        return self.name
