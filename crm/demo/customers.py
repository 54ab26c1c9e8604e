"""Loading the customers: addresses, ownership, follows, tags, consents, history, conversations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.utils import timezone

from contacts.enums import Channel, FollowEnd, IdentityKind, OwnershipReason
from contacts.models import (
    ConsentEntry,
    Customer,
    CustomerTag,
    Follow,
    HistoryEntry,
    Identity,
    Interaction,
    OwnershipPeriod,
    Staff,
)
from contacts.names import name_key, search_key
from crm.demo.copying import copy_in
from crm.demo.names import is_english
from crm.demo.organisation import Organisation
from crm.demo.people import Person
from crm.demo.talk import something_said

CONVERSATION_DAYS = 180
ADDED_BY_CODE, ADDED_BY_PHONE = 1, 2
"""WeCom's add_way: scanned a code, found by phone number (docs 92114)."""

Pairs = Sequence[tuple[Customer, Person]]


def load_customers(
    people: Sequence[Person], organisation: Organisation, *, now: datetime
) -> list[Customer]:
    """Write the people and all that is known of them, and return their rows in the same order.

    Call it in a transaction: the customers and their ownership belong together.
    """
    talk = list(_conversations(people, now))
    latest: dict[int, datetime] = {}
    for spoken in talk:
        number = spoken.person.number
        latest[number] = max(spoken.at, latest.get(number, spoken.at))
    rows = copy_in(Customer, [_customer(person, organisation, latest) for person in people])
    pairs = list(zip(rows, people, strict=True))
    copy_in(Identity, _identities(pairs))
    copy_in(OwnershipPeriod, _periods(pairs, organisation))
    copy_in(Follow, _follows(pairs, organisation))
    copy_in(CustomerTag, _tags(pairs, organisation))
    copy_in(ConsentEntry, _consents(pairs))
    copy_in(HistoryEntry, _history(pairs, organisation))
    by_number = {person.number: customer for customer, person in pairs}
    copy_in(Interaction, _interactions(talk, by_number, organisation))
    return rows


def _customer(
    person: Person, organisation: Organisation, latest: Mapping[int, datetime]
) -> Customer:
    owner = organisation.staff.get(person.owner)
    return Customer(
        store=organisation.stores[person.shop],
        owner=owner,
        name=person.name,
        name_key=name_key(person.name),
        search_key=search_key(person.name, person.phone, person.member_no),
        gender=person.gender,
        birthday=person.birthday,
        city=person.city,
        last_interaction_at=latest.get(person.number),
        opted_out_at=person.opted_out_at,
        created_at=person.since,
    )


def _identities(pairs: Pairs) -> Iterator[Identity]:
    for customer, person in pairs:
        values = (
            (IdentityKind.WECOM, person.address),
            (IdentityKind.WECHAT, person.unionid),
            (IdentityKind.PHONE, person.phone),
            (IdentityKind.MEMBER, person.member_no),
        )
        for kind, value in values:
            if value:
                yield Identity(customer=customer, kind=kind, value=value, created_at=person.since)


def _periods(pairs: Pairs, organisation: Organisation) -> Iterator[OwnershipPeriod]:
    """The open period of everybody, and before it the one of an earlier guide."""
    for customer, person in pairs:
        earlier = organisation.staff.get(person.earlier_owner)
        began = person.changed_hands_at or person.since
        if earlier:
            yield OwnershipPeriod(
                customer=customer,
                staff=earlier,
                store=customer.store,
                reason=OwnershipReason.ADDED,
                began_at=person.since,
                ended_at=began,
            )
        yield OwnershipPeriod(
            customer=customer,
            staff=organisation.staff.get(person.owner),
            store=customer.store,
            reason=_reason(person),
            began_at=began,
        )


def _reason(person: Person) -> OwnershipReason:
    if person.changed_hands_at:
        return OwnershipReason.TRANSFER
    return OwnershipReason.ADDED if person.owner else OwnershipReason.IMPORTED


def _follows(pairs: Pairs, organisation: Organisation) -> Iterator[Follow]:
    """Who is connected in the channel is so with the owner, and sometimes with a second guide."""
    for customer, person in pairs:
        if not person.address:
            continue
        began = person.changed_hands_at or person.since
        if person.changed_hands_at:
            yield Follow(
                staff=organisation.staff[person.earlier_owner],
                customer=customer,
                channel=Channel.WECOM,
                add_way=ADDED_BY_PHONE,
                began_at=person.since,
                ended_at=began,
                end_reason=FollowEnd.TRANSFERRED,
            )
        for userid in filter(None, (person.owner, person.second_guide)):
            yield Follow(
                staff=organisation.staff[userid],
                customer=customer,
                channel=Channel.WECOM,
                add_way=ADDED_BY_CODE,
                began_at=began,
            )


def _tags(pairs: Pairs, organisation: Organisation) -> Iterator[CustomerTag]:
    for customer, person in pairs:
        for name in person.tags:
            tag = organisation.tags[name]
            yield CustomerTag(
                customer=customer,
                tag=tag,
                exclusive_group=tag.group if tag.group.is_exclusive else None,
                added_by=customer.owner,
                added_at=person.since,
            )


def _consents(pairs: Pairs) -> Iterator[ConsentEntry]:
    for customer, person in pairs:
        if person.opted_out_at:
            yield ConsentEntry(
                customer=customer, granted=False, source="chat", at=person.opted_out_at
            )


def _history(pairs: Pairs, organisation: Organisation) -> Iterator[HistoryEntry]:
    for customer, person in pairs:
        first = organisation.staff.get(person.earlier_owner or person.owner)
        yield _entry(customer, "customer.added", person.since, staff=first)
        if person.changed_hands_at:
            yield _entry(
                customer, "customer.transferred", person.changed_hands_at, staff=customer.owner
            )
        if person.opted_out_at:
            yield _entry(customer, "customer.opted_out", person.opted_out_at, staff=None)


def _entry(customer: Customer, action: str, at: datetime, *, staff: Staff | None) -> HistoryEntry:
    return HistoryEntry(
        customer=customer,
        action=action,
        subject_kind="customer",
        subject_id=customer.pk,
        source="demo",
        data={"staff": staff.pk} if staff else {},
        at=at,
    )


@dataclass(frozen=True)
class Spoken:
    """One conversation: with whom, when, what about."""

    person: Person
    at: datetime
    kind: str
    text: str


def _conversations(people: Sequence[Person], now: datetime) -> Iterator[Spoken]:
    """About 12,000 over half a year: many with a few, some with most, none before they came."""
    dice = Random("liuke talk")  # noqa: S311 -- a shop window, no secret
    for person in people:
        times = dice.choices((0, 1, 2, 3, 5, 9), (16, 24, 26, 18, 11, 5))[0]
        days = min(CONVERSATION_DAYS, (now - person.since).days)
        english = is_english(person.name)
        for _ in range(times if person.owner else min(times, 1)):
            kind, text = something_said(dice, english=english)
            yield Spoken(person, _shop_hour(dice, now, days), kind, text)


def _shop_hour(dice: Random, now: datetime, days: int) -> datetime:
    """A moment within the last ``days`` while shops are open, rather lately than long ago."""
    day = timezone.localtime(now) - timedelta(days=int(days * dice.random() ** 1.4))
    at = day.replace(
        hour=dice.randrange(10, 21), minute=dice.randrange(60), second=0, microsecond=0
    )
    return at if at < now else at - timedelta(days=1)


def _interactions(
    talk: Sequence[Spoken], customers: Mapping[int, Customer], organisation: Organisation
) -> Iterator[Interaction]:
    for spoken in talk:
        person = spoken.person
        changed = person.changed_hands_at
        speaker = person.earlier_owner if changed and spoken.at < changed else person.owner
        yield Interaction(
            customer=customers[person.number],
            staff=organisation.staff.get(speaker),
            kind=spoken.kind,
            text=spoken.text,
            happened_at=spoken.at,
            created_at=spoken.at,
        )
