"""Taking customers in from outside systems, and changing what is known of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from contacts.actions.customers import (
    Address,
    add_addresses,
    add_customer,
    name_keys,
    searched_addresses,
)
from contacts.actions.erased_addresses import refuse_the_erased
from contacts.actions.history import record
from contacts.attributes import check_attributes, merged
from contacts.enums import CustomerState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Customer, Identity, Staff, Store

EDITABLE = frozenset({"name", "gender", "birthday", "city", "note", "time_zone", "attributes"})
"""What people may write about a customer; everything else moves by its own action."""


def take_in_customer(
    addresses: Sequence[Address],
    *,
    details: Mapping[str, Any],
    store: Store,
    owner: Staff | None,
    actor: Staff | None,
    now: datetime,
) -> tuple[Customer, bool]:
    """Return the customer with one of these addresses, created if there is none.

    An existing customer gets the addresses and details that were not known; what is known is
    never overwritten, and store and owner stay. Raises ``RuleBroken`` if the addresses belong
    to two customers, one of them was of somebody who was erased, or the owner has departed. Two callers who bring the same stranger at the
    same moment create one customer.
    """
    wanted = sorted(set(addresses))
    if not wanted:
        raise RuleBroken(_("Give at least one identity, so that the customer can be found again."))
    refuse_the_erased(wanted)
    customer = _find(wanted)
    if customer is None:
        try:
            with transaction.atomic():
                return _create(wanted, details, store, owner, actor, now), True
        except IntegrityError as error:
            customer = _explain(error, wanted)
    _learn(customer, wanted, details, actor=actor, now=now)
    return customer, False


def edit_customer(
    customer: Customer, changes: Mapping[str, Any], *, actor: Staff | None, now: datetime
) -> None:
    """Write what a person knows better; of ``EDITABLE`` fields only.

    Of the attributes those are changed that are named, and those that are ``None`` taken away.
    Raises ``RuleBroken`` for other fields, an empty name, attributes that nobody could ask for, or
    a merged or erased customer.
    """
    if set(changes) - EDITABLE:
        raise RuleBroken(
            _("Only name, gender, birthday, city, note, time zone and attributes can be changed.")
        )
    if customer.state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer})
    values = dict(changes)
    if "name" in values:
        values["name"] = values["name"].strip()
        if not values["name"]:
            raise RuleBroken(_("A customer needs a name."))
        values |= name_keys(values["name"], searched_addresses(customer))
    if not values:
        return
    with transaction.atomic():
        if "attributes" in values:
            values["attributes"] = merged(_attributes_held(customer), values["attributes"])
        if not Customer.objects.active().filter(pk=customer.pk).update(**values):
            raise MovedOn(_("This customer has just been merged or erased."))
        fields = {"fields": sorted(changes)}
        record(customer, "customer.edited", actor=actor, at=now, data=fields)
    customer.refresh_from_db()


def _attributes_held(customer: Customer) -> dict[str, Any]:
    """Return the attributes, and let nobody else change them until the transaction ends."""
    rows = Customer.objects.active().select_for_update(no_key=True).filter(pk=customer.pk)
    held: dict[str, Any] = rows.values_list("attributes", flat=True).first() or {}
    return held


def _attributes_learnt(held: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    fresh = {name: value for name, value in said.items() if name not in held and value is not None}
    return {"attributes": merged(held, fresh)} if fresh else {}


def _find(addresses: Sequence[Address]) -> Customer | None:
    asked = Q()
    for address in addresses:
        asked |= Q(kind=address.kind, system=address.system, value=address.value)
    rows = Identity.objects.filter(asked).select_related("customer__merged_into")
    found = {row.customer.merged_into or row.customer for row in rows}
    if len(found) > 1:
        raise RuleBroken(_("These identities belong to different customers. Merge them first."))
    return found.pop() if found else None


def _create(
    addresses: Sequence[Address],
    details: Mapping[str, Any],
    store: Store,
    owner: Staff | None,
    actor: Staff | None,
    now: datetime,
) -> Customer:
    known = {field: value for field, value in details.items() if field in EDITABLE}
    if "attributes" in known:
        known["attributes"] = merged({}, known["attributes"])
    customer = add_customer(addresses, details=known, store=store, owner=owner, now=now)
    record(customer, "customer.added", actor=actor, at=now, source="api")
    return customer


def _explain(error: IntegrityError, addresses: Sequence[Address]) -> Customer:
    """Return the customer that somebody else has just created with one of the addresses."""
    constraint = broken_constraint(error)
    if constraint == "customer_owner_is_employed":
        raise RuleBroken(_("This owner has departed. Choose somebody at work.")) from error
    customer = _find(addresses) if constraint == "identity_unique" else None
    if customer is None:
        raise error
    return customer


def _learn(
    customer: Customer,
    addresses: Sequence[Address],
    details: Mapping[str, Any],
    *,
    actor: Staff | None,
    now: datetime,
) -> None:
    blanks = {
        field: value
        for field, value in details.items()
        if field in EDITABLE - {"attributes"} and value and not getattr(customer, field)
    }
    said = details.get("attributes") or {}
    check_attributes(said)
    with transaction.atomic():
        add_addresses(customer, addresses, now=now)
        if said:
            held = _attributes_held(customer)
            blanks |= _attributes_learnt(held, said)
        if blanks:
            keys = name_keys(blanks.get("name", customer.name), searched_addresses(customer))
            if not Customer.objects.active().filter(pk=customer.pk).update(**blanks, **keys):
                raise MovedOn(_("This customer has just been merged or erased."))
            fields = {"fields": sorted(blanks)}
            record(customer, "customer.edited", actor=actor, at=now, data=fields)
    customer.refresh_from_db()
