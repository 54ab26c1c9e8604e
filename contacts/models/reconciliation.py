"""Comparisons with WeCom, and what they found."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.enums import FindingKind, FindingState, ReconcileStep, ReconciliationState
from contacts.models.customers import Customer
from contacts.models.handovers import Handover
from contacts.models.organisation import Staff


class Reconciliation(models.Model):
    """One comparison of everything here with everything in WeCom; one runs at a time.

    A worker takes it with a lease and saves after each page where it is: ``step`` and, within it,
    ``place``. Whoever comes after one that died goes on there. ``attempts`` counts the leases
    since the last page. ``seen`` counts what WeCom told of, ``repaired`` what was put right and
    ``listed`` what was left to people, each by kind.
    """

    asked_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    step = models.CharField(
        max_length=12, choices=ReconcileStep.choices, default=ReconcileStep.TAGS
    )
    place = models.JSONField(default=dict, blank=True)
    seen = models.JSONField(default=dict, blank=True)
    repaired = models.JSONField(default=dict, blank=True)
    listed = models.JSONField(default=dict, blank=True)
    error = models.CharField(max_length=300, blank=True)

    state = models.CharField(
        max_length=8, choices=ReconciliationState.choices, default=ReconciliationState.RUNNING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="running"), name="reconciliation_one_running"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ReconciliationState.values, step__in=ReconcileStep.values),
                name="reconciliation_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="running", finished_at=None)
                | (~Q(state="running") & Q(finished_at__isnull=False, lease_token=None)),
                name="reconciliation_end_has_time",
            ),
            models.CheckConstraint(
                condition=Q(lease_token=None, lease_until=None)
                | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="reconciliation_lease_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.state}"


class Finding(models.Model):
    """One difference between here and WeCom.

    ``key`` says what it is about: while it is open or dismissed there is no second one of the
    kind. ``run`` is the comparison that has seen it last; one that a later comparison does not
    see is gone. ``detail`` holds ids and figures for its words, nothing that a customer typed.
    """

    run = models.ForeignKey(Reconciliation, on_delete=models.PROTECT, related_name="findings")
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="findings", null=True, blank=True
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="findings", null=True, blank=True
    )
    handover = models.ForeignKey(
        Handover, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    settled_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    kind = models.CharField(max_length=16, choices=FindingKind.choices)
    key = models.CharField(max_length=60)
    address = models.CharField(max_length=255, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=200, blank=True)
    found_at = models.DateTimeField(db_default=Now())

    state = models.CharField(max_length=10, choices=FindingState.choices, default=FindingState.OPEN)
    state_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The list of a kind, newest first, and the counts of what is open.
            models.Index(fields=["state", "kind", "-id"], name="finding_by_state"),
            # An erasure: what was found of somebody whom nobody knew.
            models.Index(fields=["address"], condition=~Q(address=""), name="finding_by_address"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(state__in=["open", "dismissed"]),
                name="finding_one_per_thing",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=FindingKind.values, state__in=FindingState.values),
                name="finding_kind_and_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.state}"


class SeenFollow(models.Model):
    """A follow that WeCom has shown to the running comparison, until its guides are compared.

    The table is not logged (see its migration): after a crash of the database it is empty, the
    comparison notices and reads these guides again.
    """

    follow_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.follow_id)
