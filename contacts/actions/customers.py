"""Finding, adding and tagging customers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from connectors.wecom.api.customers import Profile as ChannelProfile
from contacts.actions.history import record
from contacts.actions.ownership import begin_ownership
from contacts.enums import CustomerState, Gender, IdentityKind, OwnershipReason
from contacts.errors import RuleBroken, broken_constraint
from contacts.models import Customer, CustomerTag, Identity, Staff, Store, Tag
from contacts.names import name_key, search_key


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
                return _create_customer(kind, value, profile, store, staff, now), True
        except IntegrityError as error:
            if broken_constraint(error) != "identity_unique":
                raise
            found = find_customer(kind, value) or _find_by_unionid(profile)
            if found is None:
                raise
    Identity.objects.bulk_create(_identities(found, kind, value, profile), ignore_conflicts=True)
    return found, False


def _find_by_unionid(profile: Profile) -> Customer | None:
    return find_customer(IdentityKind.WECHAT, profile.unionid) if profile.unionid else None


def _create_customer(
    kind: IdentityKind,
    value: str,
    profile: Profile,
    store: Store,
    staff: Staff | None,
    now: datetime,
) -> Customer:
    name = profile.name.strip()[:255]
    customer = Customer.objects.create(
        store=store,
        owner=staff,
        name=name,
        name_key=name_key(name),
        search_key=search_key(name, *profile.phones),
        gender=profile.gender,
        created_at=now,
    )
    begin_ownership(
        customer.pk, store_id=store.pk, staff=staff, reason=OwnershipReason.ADDED, now=now
    )
    Identity.objects.create(customer=customer, kind=kind, value=value, created_at=now)
    others = [row for row in _identities(customer, kind, value, profile) if row.kind != kind]
    Identity.objects.bulk_create(others, ignore_conflicts=True)
    return customer


def _identities(
    customer: Customer, kind: IdentityKind, value: str, profile: Profile
) -> list[Identity]:
    rows = [Identity(customer=customer, kind=kind, value=value)]
    if profile.unionid:
        rows.append(Identity(customer=customer, kind=IdentityKind.WECHAT, value=profile.unionid))
    rows += [Identity(customer=customer, kind=IdentityKind.PHONE, value=p) for p in profile.phones]
    return rows


def learn_profile(customer: Customer, profile: Profile) -> None:
    """Fill in what was not known of the customer; what a person wrote is never overwritten.

    A unionid that belongs to another customer is left there: the two are for a person to merge.
    """
    if profile.unionid:
        Identity.objects.bulk_create(
            [Identity(customer=customer, kind=IdentityKind.WECHAT, value=profile.unionid)],
            ignore_conflicts=True,
        )
    changes: dict[str, str] = {}
    if profile.name and not customer.name:
        name = profile.name.strip()[:255]
        changes |= {
            "name": name,
            "name_key": name_key(name),
            "search_key": search_key(name, *profile.phones),
        }
    if profile.gender and not customer.gender:
        changes["gender"] = profile.gender
    if changes:
        Customer.objects.filter(pk=customer.pk).update(**changes)
        customer.refresh_from_db(fields=list(changes))


def tag_customer(
    customer: Customer, tags: Iterable[Tag], *, actor: Staff | None, now: datetime, source: str = ""
) -> list[Tag]:
    """Give the customer these tags, and return those that were new.

    Of an exclusive group the new tag replaces the old one. A tag the customer already carries
    is left alone.
    """
    if customer.state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer.name})
    added = []
    with transaction.atomic():
        Customer.objects.select_for_update().filter(pk=customer.pk).first()
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


def opt_out(customer: Customer, *, source: str, now: datetime, actor: Staff | None = None) -> None:
    """Send the customer no campaigns from this moment on."""
    with transaction.atomic():
        Customer.objects.filter(pk=customer.pk, opted_out_at=None).update(opted_out_at=now)
        customer.consents.create(granted=False, source=source, at=now)
        record(customer, "customer.opted_out", actor=actor, at=now, source=source)
