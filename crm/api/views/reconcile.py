"""Comparisons with WeCom, and what they found."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers

from contacts.enums import FindingKind, FindingState, ReconciliationState, Role
from contacts.models import Finding, Reconciliation
from crm.access import (
    finding_for,
    findings_of,
    reconciliations_of,
    refusal_to_repair,
    require,
)
from crm.actions.findings import dismiss_finding, repair_finding
from crm.actions.reconcile import start_reconciliation
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.filters import IdFilter
from crm.api.shapes.reconcile import FindingShape, ReconciliationShape


class ReconciliationFilters(django_filters.FilterSet):
    """How comparisons can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=ReconciliationState.choices)


class Reconciliations(Listing, Verb):
    """List the comparisons with WeCom, if you see the whole company."""

    resource = "reconciliations"
    shape = ReconciliationShape
    filterset_class = ReconciliationFilters
    success = 201

    def rows(self) -> QuerySet[Reconciliation]:
        """Return the comparisons the person sees."""
        return reconciliations_of(self.viewer).select_related("asked_by")

    def act(self, data: dict[str, Any]) -> Reconciliation:
        """Start a comparison now (administrators of the whole company)."""
        require(self.viewer)
        if self.viewer.stores_for(Role.ADMINISTRATOR) is not None:
            raise PermissionDenied(_("Only an administrator of the whole company can do this."))
        return start_reconciliation(actor=self.actor, now=self.now)


class FindingFilters(django_filters.FilterSet):
    """How findings can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=FindingState.choices)
    kind = django_filters.ChoiceFilter(choices=FindingKind.choices)
    staff = IdFilter()
    customer = IdFilter()


class Findings(Listing):
    """List what comparisons with WeCom found about your customers and colleagues."""

    resource = "findings"
    shape = FindingShape
    filterset_class = FindingFilters

    def rows(self) -> QuerySet[Finding]:
        """Return the findings the person sees."""
        return findings_of(self.viewer).select_related("staff", "customer", "settled_by")


class FindingPage(Reading):
    """Read one finding."""

    resource = "findings"
    shape = FindingShape

    def row(self, pk: int) -> Finding:
        """Return the finding."""
        return finding_for(self.viewer, pk)


class Repair(FindingPage, Verb):
    """Put it right."""

    http_method_names = ["post"]

    def act(self, data: dict[str, Any], pk: int) -> Finding:
        """Put right what a finding says, where `can_repair` says that this is possible."""
        finding = finding_for(self.viewer, pk)
        if refusal := refusal_to_repair(self.viewer, finding):
            raise PermissionDenied(refusal)
        repair_finding(finding, actor=self.actor, now=self.now)
        return self.row(pk)


class Dismiss(FindingPage, Verb):
    """Leave it as it is."""

    http_method_names = ["post"]

    class Input(StrictInput):
        """Why it is all right as it is."""

        example: ClassVar = {"note": "Both look after the family"}

        note = serializers.CharField(max_length=200)

    def act(self, data: dict[str, Any], pk: int) -> Finding:
        """Say that it is all right as it is; it is not reported again while it stays so."""
        finding = finding_for(self.viewer, pk)
        dismiss_finding(finding, actor=self.actor, now=self.now, **data)
        return self.row(pk)
