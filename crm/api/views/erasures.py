"""Erasing a customer at their request."""

from typing import Any

from contacts.models import HistoryEntry
from crm.access import record_to_erase
from crm.actions.erasing import erase_customer
from crm.api.base import Verb
from crm.api.shapes.erasures import ErasedShape
from crm.erasures import tombstone_of


class EraseCustomer(Verb):
    """Erase a customer."""

    resource = "customers"
    shape = ErasedShape
    http_method_names = ("post",)

    def act(self, data: dict[str, Any], pk: int) -> HistoryEntry | None:
        """Erase a customer at their request, for good, with everybody who was merged into them.

        For administrators, and managers of the whole company. What happened stays in figures and
        dates; who it was goes. Nobody brings them back by these addresses: an API call that names
        one is refused. 400 for a record that was merged into another; 409 if it is erased already.
        """
        customer = record_to_erase(self.viewer, pk)
        erase_customer(customer, actor=self.actor, now=self.now)
        return tombstone_of(customer)
