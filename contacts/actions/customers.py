"""Finding, adding and tagging customers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from connectors.wecom.api.customers import Profile as ChannelProfile
from contacts.actions.history import record
from contacts.actions.ownership import begin_ownership
from contacts.enums import CustomerState, Gender, IdentityKind, OwnershipReason
from contacts.erased import erased_among
from contacts.errors import RuleBroken, broken_constraint
from contacts.models import Customer, CustomerTag, Identity, Staff, Store, Tag
from contacts.names import name_key, search_key

_SEARCHED = (IdentityKind.PHONE, IdentityKind.MEMBER)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One address of a person in an outside system, as an identity holds it."""

    kind: IdentityKind
    value: str
    system: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What an outside system tells about a person. Empty means unknown, never "clear it"."""

    name: str = ""
    gender: str = ""
    unionid: str = ""
    phones: tuple[str, ...] = ()


_GENDERS = {1: Gender.MALE, 2: Gender.FEMALE}


def from_channel(person: ChannelProfile) -> Profile:
    """Read what WeCom tells of a person."""
    return Profile(
        name=person.name,
        gender=_GENDERS.get(person.gender, Gender.UNKNOWN),
        unionid=person.union_id,
    )


def find_customer(kind: IdentityKind, value: str) -> Customer | None:
    """Return the customer with this address, followed through a merge, or ``None``."""
    identity = (
        Identity.objects.select_related("customer__merged_into")
        .filter(kind=kind, value=value)
        .first()
    )
    if identity is None:
        return None
    return identity.customer.merged_into or identity.customer


def find_or_create_customer(
    kind: IdentityKind,
    value: str,
    *,
    profile: Profile,
    store: Store,
    staff: Staff | None,
    now: datetime,
) -> tuple[Customer, bool]:
    """Return the customer with this address, creating customer, identity and ownership if new.

    Two workers that meet the same stranger at once create one customer: the identity's unique
    constraint lets one win, and the other returns the winner's row. Of an unknown address with
    a known unionid the customer of the unionid is taken.
    """
    found = find_customer(kind, value) or _find_by_unionid(profile)
    if found is None:
        try:
            with transaction.atomic():
                found = add_customer(
                    [Address(kind, value)],
                    details={"name": profile.name, "gender": profile.gender},
                    store=store,
                    owner=staff,
                    now=now,
                )
                add_addresses(found, _more_of(profile), now=now)
                return found, True
        except IntegrityError as error:
            if broken_constraint(error) != "identity_unique":
                raise
            found = find_customer(kind, value) or _find_by_unionid(profile)
            if found is None:
                raise
    add_addresses(found, [Address(kind, value), *_more_of(profile)], now=now)
    return found, False


def _find_by_unionid(profile: Profile) -> Customer | None:
    return find_customer(IdentityKind.WECHAT, profile.unionid) if profile.unionid else None


def _more_of(profile: Profile) -> list[Address]:
    union = [Address(IdentityKind.WECHAT, profile.unionid)] if profile.unionid else []
    return [*union, *(Address(IdentityKind.PHONE, phone) for phone in profile.phones)]


def add_customer(
    addresses: Sequence[Address],
    *,
    details: Mapping[str, Any],
    store: Store,
    owner: Staff | None,
    now: datetime,
) -> Customer:
    """Create a customer with ownership and these addresses; a name nobody knows stays empty.

    Call it in a transaction. Raises ``IntegrityError`` if one of the addresses is taken
    (``identity_unique``), or the owner has departed (``customer_owner_is_employed``).
    """
    name = str(details.get("name", "")).strip()[:255]
    searched = [address.value for address in addresses if address.kind in _SEARCHED]
    values = dict(details) | {"name": name} | name_keys(name, searched)
    customer = Customer.objects.create(store=store, owner=owner, created_at=now, **values)
    begin_ownership(
        customer.pk, store_id=store.pk, staff=owner, reason=OwnershipReason.ADDED, now=now
    )
    Identity.objects.bulk_create(_identities(customer, addresses, now))
    return customer


def add_addresses(customer: Customer, addresses: Sequence[Address], *, now: datetime) -> None:
    """Note the addresses that are not known yet; what belongs to somebody else stays there.

    Those of somebody who was erased are left out.
    """
    gone = erased_among(addresses)
    addresses = [address for address in addresses if address not in gone]
    if not addresses:
        return
    Identity.objects.bulk_create(_identities(customer, addresses, now), ignore_conflicts=True)
    if any(address.kind in _SEARCHED for address in addresses):
        keys = name_keys(customer.name, searched_addresses(customer))
        Customer.objects.active().filter(pk=customer.pk).update(**keys)
        customer.refresh_from_db(fields=list(keys))


def searched_addresses(customer: Customer) -> list[str]:
    """Return the phone and member numbers under which a search finds the customer."""
    rows = customer.identities.filter(kind__in=_SEARCHED).order_by("pk")
    return list(rows.values_list("value", flat=True))


def name_keys(name: str, searched: Sequence[str]) -> dict[str, str]:
    """Return the columns by which a customer of this name is sorted and found."""
    return {"name_key": name_key(name), "search_key": search_key(name, *searched)}


def _identities(customer: Customer, addresses: Sequence[Address], now: datetime) -> list[Identity]:
    return [
        Identity(
            customer=customer,
            kind=address.kind,
            system=address.system,
            value=address.value,
            created_at=now,
        )
        for address in addresses
    ]


def learn_profile(customer: Customer, profile: Profile) -> None:
    """Fill in what was not known of the customer; what a person wrote is never overwritten.

    A unionid that belongs to another customer is left there: the two are for a person to merge.
    """
    union = [Address(IdentityKind.WECHAT, profile.unionid)] if profile.unionid else []
    Identity.objects.bulk_create(
        [
            Identity(customer=customer, kind=address.kind, value=address.value)
            for address in union
            if not erased_among(union)
        ],
        ignore_conflicts=True,
    )
    changes: dict[str, str] = {}
    if profile.name.strip() and not customer.name:
        name = profile.name.strip()[:255]
        changes |= {"name": name} | name_keys(name, searched_addresses(customer))
    if profile.gender and not customer.gender:
        changes["gender"] = profile.gender
    if changes:
        Customer.objects.active().filter(pk=customer.pk).update(**changes)
        customer.refresh_from_db(fields=list(changes))


def tag_customer(
    customer: Customer, tags: Iterable[Tag], *, actor: Staff | None, now: datetime, source: str = ""
) -> list[Tag]:
    """Give the customer these tags, and return those that were new.

    Of an exclusive group the new tag replaces the old one. A tag the customer already carries
    is left alone.
    """
    added = []
    with transaction.atomic():
        locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if locked.state != CustomerState.ACTIVE:
            raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": locked})
        carried = set(
            CustomerTag.objects.filter(customer=customer).values_list("tag_id", flat=True)
        )
        for tag in tags:
            if tag.pk in carried:
                continue
            exclusive = tag.group if tag.group.is_exclusive else None
            if exclusive:
                CustomerTag.objects.filter(customer=customer, exclusive_group=exclusive).delete()
            CustomerTag.objects.create(
                customer=customer, tag=tag, exclusive_group=exclusive, added_by=actor, added_at=now
            )
            added.append(tag)
        if added:
            names = [tag.name for tag in added]
            record(
                customer,
                "customer.tagged",
                actor=actor,
                at=now,
                data={"tags": names},
                source=source,
            )
    return added


def untag_customer(customer: Customer, tag: Tag, *, actor: Staff | None, now: datetime) -> bool:
    """Take the tag away; returns whether the customer carried it."""
    with transaction.atomic():
        gone, _detail = CustomerTag.objects.filter(customer=customer, tag=tag).delete()
        if gone:
            record(customer, "customer.untagged", actor=actor, at=now, data={"tags": [tag.name]})
    return bool(gone)
