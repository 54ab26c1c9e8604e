"""Two records of one person become one, and two again."""

from typing import Any, ClassVar

from django.db.models import Q

from contacts.enums import Role
from contacts.models import Customer
from crm.access import customer_for, customers_of, merge_for, require
from crm.actions.merges import merge_customers, undo_merge
from crm.api.base import IdField, StrictInput, Verb, pick
from crm.api.shapes.people import CustomerShape
from crm.api.views.customers import shown


class MergeVerb(Verb):
    """What can be done about two records of one person."""

    resource = "customers"
    shape = CustomerShape
    http_method_names = ("post",)

    def fresh(self) -> Any:
        """Return who the record is now, for somebody who came too late."""
        pk = self.kwargs["pk"]
        rows = customers_of(self.viewer).filter(Q(pk=pk) | Q(merged__pk=pk))
        row = shown(rows).first()
        return self.show(row) if row else None


class Merge(MergeVerb):
    """Merge a customer into another record of the same person."""

    class Input(StrictInput):
        """The record that stays, and stands for both."""

        example: ClassVar = {"into": 811}

        into = IdField()

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Merge one record into another, which is the answer (managers).

        Addresses, connections, tags, open tasks, lists and refusals go along, and whatever was not
        known of the record that stays; its owner and store stay. Orders, coupons and the history
        are read together from now on. Refused while an open handover holds one of them. `unmerge`
        takes it apart again.
        """
        require(self.viewer, Role.MANAGER)
        customer = customer_for(self.viewer, pk, Role.MANAGER)
        managed = customers_of(self.viewer, Role.MANAGER)
        into = pick(managed, [data["into"]], "into")[0]
        merge_customers(customer, into=into, actor=self.actor, now=self.now)
        return shown(managed).get(pk=into.pk)


class Unmerge(MergeVerb):
    """Take a merge apart."""

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Make a merged record a customer again, which is the answer (managers).

        It gets back what the other record still has of it, and its former owner; the pool of its
        store if that one has departed. What has changed since stays with the other record.
        """
        require(self.viewer, Role.MANAGER)
        customer = undo_merge(merge_for(self.viewer, pk), actor=self.actor, now=self.now)
        # Whoever managed both may not manage the one that went back to another store.
        return shown(Customer.objects.filter(pk=customer.pk)).get()
