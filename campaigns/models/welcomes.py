"""Welcomes: what is said to a new contact, and what became of each welcome code."""

from django.db import models
from django.db.models import Q

from campaigns.enums import LeftOut, WelcomeState
from campaigns.models.contents import Content
from contacts.models import ContactCode, Customer, Staff, Store


class WelcomeRule(models.Model):
    """What is said to people who come by a code, to a staff member, in a store, or at all.

    The narrowest rule wins: code, then staff member, then store, then company. Its files wait at
    the channel: they are brought there at ``files_due_at``, long before they are forgotten, and
    ``files_error`` is why that did not work the last time.
    """

    contact_code = models.OneToOneField(
        ContactCode, on_delete=models.CASCADE, related_name="welcome_rule", null=True, blank=True
    )
    staff = models.OneToOneField(
        Staff, on_delete=models.CASCADE, related_name="welcome_rule", null=True, blank=True
    )
    store = models.OneToOneField(
        Store, on_delete=models.CASCADE, related_name="welcome_rule", null=True, blank=True
    )
    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="welcome_rules")
    files_due_at = models.DateTimeField(null=True, blank=True)
    files_error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            # The sweeper: welcomes whose files are to be brought to the channel, or anew.
            models.Index(
                fields=["files_due_at"],
                condition=Q(files_due_at__isnull=False),
                name="welcome_rule_files_due",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(contact_code=None, staff=None)
                | Q(contact_code=None, store=None)
                | Q(staff=None, store=None),
                name="welcome_rule_one_level",
            ),
            # nulls_distinct=False needs PostgreSQL 15; an all-null row is the company's rule.
            models.UniqueConstraint(
                fields=["contact_code", "staff", "store"],
                name="welcome_rule_one_for_company",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact_code or self.staff or self.store or "company")


class Welcome(models.Model):
    """One welcome code and its outcome. The code is used at most once, within 20 seconds.

    ``deadline_at`` is the channel's own event time plus 20 s (WeCom docs 92137). The code is
    kept out of logs and cleared when it is of no more use. Of ``attachments`` those went along
    that were ready; ``left_out`` says how many did not, so that the words were in time, and
    ``left_out_why`` why.
    """

    staff = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="welcomes")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="welcomes")
    contact_code = models.ForeignKey(
        ContactCode, on_delete=models.PROTECT, related_name="welcomes", null=True, blank=True
    )

    code_digest = models.CharField(max_length=64, unique=True)
    code = models.CharField(max_length=255, blank=True)
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True)
    left_out = models.PositiveSmallIntegerField(default=0)
    left_out_why = models.CharField(
        max_length=12, choices=LeftOut.choices, blank=True, default="", db_default=""
    )
    error = models.CharField(max_length=300, blank=True)

    state = models.CharField(
        max_length=12, choices=WelcomeState.choices, default=WelcomeState.PENDING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    issued_at = models.DateTimeField()
    received_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: codes still to be used or written off.
            models.Index(
                fields=["deadline_at"],
                condition=Q(state__in=["pending", "sending"]),
                name="welcome_open",
            ),
            # The page of welcomes: what became of those of the last days.
            models.Index(fields=["received_at"], name="welcome_received"),
            # The list of those that went without a file.
            models.Index(
                fields=["-id"],
                condition=Q(state="sent", left_out__gt=0),
                name="welcome_without_files",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=WelcomeState.values), name="welcome_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(settled_at__isnull=False),
                name="welcome_sent_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.state}"
