"""What a customer says about messages, and which of their addresses lead nowhere."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import CustomerState, Purpose
from contacts.errors import RuleBroken
from contacts.models import Consent, ConsentEntry, Customer, Identity, Staff


@dataclass(frozen=True, slots=True)
class _Word:
    """Yes or no to one channel and purpose; empty means all of them."""

    channel: str
    purpose: str
    granted: bool = field(kw_only=True)


def opt_out(
    customer: Customer,
    *,
    channel: str = "",
    purpose: str = "",
    source: str,
    evidence: str = "",
    now: datetime,
    actor: Staff | None = None,
) -> None:
    """Send the customer no more of this from now on; without channel and purpose, nothing at all.

    Somebody who was merged into another speaks for both. Saying it twice is no error. Raises
    ``RuleBroken`` for somebody who was erased, who gets nothing anyway.
    """
    said = _Word(channel, purpose, granted=False)
    _say(customer, said, source=source, evidence=evidence, now=now, actor=actor)


def opt_in(
    customer: Customer,
    *,
    channel: str = "",
    purpose: str = "",
    source: str,
    evidence: str = "",
    now: datetime,
    actor: Staff | None = None,
) -> None:
    """Let the customer get this again; what they refused beside it stays refused.

    Raises ``RuleBroken`` for somebody who was erased.
    """
    said = _Word(channel, purpose, granted=True)
    _say(customer, said, source=source, evidence=evidence, now=now, actor=actor)


def join_consents(
    kept: Customer, gone: Customer, *, now: datetime, since: datetime | None = None
) -> None:
    """Make every refusal of ``gone`` hold for ``kept`` from now on, into whom they are merged.

    Consents are not taken along: two records that disagree are better asked than written to.
    What ``kept`` got before was not refused. With ``since`` only what was refused after it counts.
    Call it in the transaction of the merge.
    """
    refusals = list(Consent.objects.filter(customer=gone, granted=False).order_by("at", "pk"))
    if gone.opted_out_at and not any(_is_full(refusal) for refusal in refusals):
        refusals.append(Consent(granted=False, at=gone.opted_out_at))
    for refusal in refusals:
        if since and refusal.at <= since:
            continue
        newest = max([now, refusal.at, *kept.standing.values_list("at", flat=True)])
        said = _Word(refusal.channel, refusal.purpose, granted=False)
        _say(kept, said, source="merge", evidence="", now=newest, actor=None)


def mark_addresses_dead(kind: str, values: Collection[str], *, now: datetime) -> int:
    """Write to these addresses no more: the channel says that they lead nowhere; return how many.

    A channel may be one of several kinds of address; call it once for each.
    """
    living = Identity.objects.filter(kind=kind, value__in=values, dead_at=None)
    return living.update(dead_at=now)


def mark_address_alive(identity: Identity) -> None:
    """Write to the address again, after somebody has put it right."""
    Identity.objects.filter(pk=identity.pk).update(dead_at=None)


def _say(
    customer: Customer,
    said: _Word,
    *,
    source: str,
    evidence: str,
    now: datetime,
    actor: Staff | None,
) -> None:
    if said.purpose and said.purpose not in Purpose.values:
        raise RuleBroken(_("There is no purpose “%(name)s”.") % {"name": said.purpose})
    with transaction.atomic():
        person = _who_answers(customer)
        if person.state != CustomerState.ACTIVE:
            raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": person})
        _keep_the_rest(person)
        _hold(person, said, now=now)
        _mark_customer(person, said, now=now)
        ConsentEntry.objects.create(
            customer=person, **asdict(said), source=source, evidence=evidence, at=now
        )
        action = "customer.opted_in" if said.granted else "customer.opted_out"
        data = {"channel": said.channel, "purpose": said.purpose}
        record(person, action, actor=actor, at=now, source=source, data=data)


def _who_answers(customer: Customer) -> Customer:
    """Lock and return the customer, or the one whom they were merged into."""
    found = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    while found.merged_into_id:
        found = Customer.objects.select_for_update(no_key=True).get(pk=found.merged_into_id)
    return found


def _keep_the_rest(person: Customer) -> None:
    """A customer marked as refusing everything has a row that says so."""
    if person.opted_out_at:
        Consent.objects.get_or_create(
            customer=person,
            channel="",
            purpose="",
            defaults={"granted": False, "at": person.opted_out_at},
        )


def _hold(person: Customer, said: _Word, *, now: datetime) -> None:
    """Write the new word down, and drop every narrower one, which it replaces."""
    covered = Consent.objects.filter(customer=person)
    if said.channel:
        covered = covered.filter(channel=said.channel)
    if said.purpose:
        covered = covered.filter(purpose=said.purpose)
    covered.exclude(channel=said.channel, purpose=said.purpose).delete()
    Consent.objects.update_or_create(
        customer=person,
        channel=said.channel,
        purpose=said.purpose,
        defaults={"granted": said.granted, "at": now},
    )


def _mark_customer(person: Customer, said: _Word, *, now: datetime) -> None:
    rows = Customer.objects.filter(pk=person.pk)
    if said.granted:
        rows.update(opted_out_at=None)
    elif not said.channel and not said.purpose:
        rows.filter(opted_out_at=None).update(opted_out_at=now)


def _is_full(consent: Consent) -> bool:
    return not consent.channel and not consent.purpose
