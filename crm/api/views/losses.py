"""Losses, and how often they happen."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers

from contacts.actions.loss_decisions import give_reason, write_off
from contacts.enums import LossKind, LossReason, LossState, Role
from contacts.models import Loss
from crm.access import loss_for, losses_of, require, staff_member_for
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.filters import IdFilter
from crm.api.shapes.losses import LossShape, RatesShape, WhatIfShape
from crm.forms.losses import LossFilter
from crm.loss_queries import rates
from crm.what_if import WhatIf, what_if


class LossFilters(django_filters.FilterSet):
    """How losses can be narrowed down."""

    store = IdFilter()
    staff = IdFilter()
    customer = IdFilter()
    kind = django_filters.ChoiceFilter(choices=LossKind.choices)
    state = django_filters.ChoiceFilter(choices=LossState.choices)
    is_last = django_filters.BooleanFilter()


class Losses(Listing):
    """List the losses of your stores (managers)."""

    resource = "losses"
    shape = LossShape
    filterset_class = LossFilters

    def rows(self) -> QuerySet[Loss]:
        """Return the losses the person sees."""
        return losses_of(self.viewer).select_related("customer", "staff", "owner", "store")


class LossVerb(Verb):
    """What can be done about one loss."""

    resource = "losses"
    shape = LossShape

    def row(self, pk: int) -> Loss:
        """Return the loss, for the managers of its store."""
        return loss_for(self.viewer, pk)

    def fresh(self) -> Any:
        """Return the loss as it is now, for somebody who came too late."""
        return self.show(self.row(**self.kwargs))


class Reason(LossVerb):
    """A reason."""

    class Input(StrictInput):
        """Why the customer left."""

        reason = serializers.ChoiceField(choices=[(r.value, r.label) for r in LossReason if r])
        note = serializers.CharField(max_length=400, required=False, allow_blank=True)

    def act(self, data: dict[str, Any], pk: int) -> Loss:
        """Say why a customer left; may be said anew."""
        loss = self.row(pk)
        reason, note = LossReason(data["reason"]), data.get("note", "")
        give_reason(loss, reason=reason, note=note, actor=self.actor, now=self.now)
        return loss


class WriteOff(LossVerb):
    """Giving a customer up."""

    def act(self, data: dict[str, Any], pk: int) -> Loss:
        """Give a customer up: the task to win them back is dropped."""
        loss = self.row(pk)
        write_off(loss, actor=self.actor, now=self.now)
        return loss


class Rates(Reading):
    """Read how many customers your colleagues and stores lost (managers).

    The period is the last 30 days, today included.
    """

    resource = "losses"
    shape = RatesShape

    def row(self) -> dict[str, Any]:
        """Return the rates."""
        require(self.viewer, Role.MANAGER)
        period = LossFilter.read(QueryDict(), now=self.now)
        span = {"since": period.begins, "until": period.ends}
        return {
            "since": period.since,
            "until": period.until,
            "staff": rates(self.viewer, "staff", **span),
            "stores": rates(self.viewer, "store", **span),
        }


class StaffWhatIf(Reading):
    """Read what would be at stake if a colleague left today (managers)."""

    resource = "staff"
    shape = WhatIfShape

    def row(self, pk: int) -> WhatIf:
        """Return the figures."""
        require(self.viewer, Role.MANAGER)
        return what_if(staff_member_for(self.viewer, pk), now=self.now)
