"""Levelling the load of a store."""

from typing import Any

from rest_framework import serializers
from rest_framework.generics import get_object_or_404

from contacts.enums import Role
from contacts.levels import level_loads
from contacts.models import Store
from crm.access import require, stores_of
from crm.actions.plans import plan_levelling
from crm.api.base import Reading, Verb
from crm.api.shapes.handovers import HandoverPageShape
from crm.api.shapes.people import StaffRef


class LoadShape(serializers.Serializer[Any]):
    """What one guide of the store holds, and would hold."""

    staff = StaffRef()
    owned = serializers.IntegerField()
    target = serializers.IntegerField(help_text="Their part, in proportion to their capacity.")
    gives = serializers.IntegerField(source="given")
    gets = serializers.IntegerField()
    after = serializers.IntegerField()


class LevelShape(serializers.Serializer[Any]):
    """The guides of a store in name order."""

    loads = LoadShape(many=True)


class PlannedLevelShape(serializers.Serializer[Any]):
    """The handovers that would level the load; none has started."""

    handovers = HandoverPageShape(many=True)


class Level(Reading, Verb):
    """Read how full the guides of a store are."""

    resource = "handovers"
    shape = LevelShape
    success = 201

    @property
    def verb_shape(self) -> type[PlannedLevelShape]:
        """Show the plans."""
        return PlannedLevelShape

    def store(self, pk: int) -> Store:
        """Return the store, for its managers."""
        require(self.viewer, Role.MANAGER)
        found: Store = get_object_or_404(stores_of(self.viewer, Role.MANAGER), pk=pk)
        return found

    def row(self, pk: int) -> dict[str, Any]:
        """Return what each guide holds, and would hold if all were equally full."""
        return {"loads": level_loads(self.store(pk))}

    def act(self, data: dict[str, Any], pk: int) -> dict[str, Any]:
        """Plan a handover for each guide who holds clearly more than their part; nothing moves."""
        plans = plan_levelling(self.store(pk), actor=self.actor, now=self.now)
        return {"handovers": plans}
