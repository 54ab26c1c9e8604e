"""The way out: one press on a page without a login, and the way back from there."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.enums import EngagementKind
from campaigns.models import Campaign, Engagement
from campaigns.tracking.tokens import BadToken, Token
from contacts.actions.consent import opt_in, opt_out
from contacts.enums import CustomerState, Purpose
from contacts.errors import MovedOn
from contacts.models import ConsentEntry, Customer

BY_LINK = "link"
BY_KEYWORD = "keyword"

OWN_WORDS = (BY_LINK, BY_KEYWORD)
"""Sources by which customers speak for themselves, and may take back what they said."""

EVERYTHING = ("",)
ADVERTISING = (Purpose.CAMPAIGN.value, Purpose.CARE.value)
"""What nobody needs to be sent; service is what they asked for."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who was sent a campaign, found by the token that they got."""

    campaign: Campaign
    customer: Customer

    @property
    def purpose(self) -> Purpose:
        """What kind of message it was."""
        return purpose_of(self.campaign)

    @property
    def evidence(self) -> str:
        """Which message led to what they said."""
        return f"campaign {self.campaign.pk}"


def purpose_of(campaign: Campaign) -> Purpose:
    """Return what a campaign is for."""
    return Purpose(campaign.purpose)


def recipient_of(token: Token) -> Recipient:
    """Return whom a token speaks of. Raises ``BadToken`` if they are not there any more."""
    campaign = Campaign.objects.filter(pk=token.campaign_id).first()
    customer = Customer.objects.filter(pk=token.customer_id).first()
    if campaign is None or customer is None or customer.state == CustomerState.ERASED:
        raise BadToken
    return Recipient(campaign, customer)


def meant_by_stop(purpose: str | None) -> Collection[str]:
    """Return the purposes that a bare "stop" refuses, said to a message of this purpose or to none.

    All advertising; said to a service message, it can only mean everything.
    """
    return EVERYTHING if purpose == Purpose.SERVICE else ADVERTISING


def leave(
    recipient: Recipient, *, everything: bool, source: str, evidence: str, now: datetime
) -> bool:
    """Send the person no more advertising, or nothing at all; returns whether that was news.

    It holds for every channel, and whenever somebody is asked before a message leaves. Said
    twice, by a person and their mail programme, it is written down once.
    """
    purposes = EVERYTHING if everything else meant_by_stop(recipient.purpose)
    with transaction.atomic():
        speaker = survivor(recipient.customer)
        person = Customer.objects.select_for_update(no_key=True).get(pk=speaker.pk)
        if not refuse(person, purposes, source=source, evidence=evidence, now=now):
            return False
        note_once(recipient.campaign.pk, recipient.customer.pk, EngagementKind.OPTED_OUT, now=now)
    return True


def refuse(
    customer: Customer, purposes: Iterable[str], *, source: str, evidence: str, now: datetime
) -> bool:
    """Refuse these purposes in every channel, as far as they are not yet; whether any was news.

    Call it in the transaction that has locked the customer.
    """
    news = [purpose for purpose in purposes if not _has_left(customer, purpose)]
    for purpose in news:
        opt_out(customer, purpose=purpose, source=source, evidence=evidence, now=now)
    return bool(news)


def come_back(recipient: Recipient, *, now: datetime) -> None:
    """Take back what the person said last, if that was by themselves, here or by a keyword.

    Raises ``MovedOn`` if the last word was somebody else's.
    """
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=recipient.customer.pk)
        words = last_words(recipient.customer)
        if not words or words[0].granted or words[0].source not in OWN_WORDS:
            raise MovedOn
        for word in words:
            opt_in(
                recipient.customer,
                channel=word.channel,
                purpose=word.purpose,
                source=word.source,
                evidence=recipient.evidence,
                now=now,
            )
        Engagement.objects.filter(
            campaign=recipient.campaign,
            customer=recipient.customer,
            kind=EngagementKind.OPTED_OUT,
        ).delete()


def last_words(customer: Customer) -> list[ConsentEntry]:
    """Return what the customer, or who speaks for them, said last: all words of that moment."""
    said = ConsentEntry.objects.filter(customer=survivor(customer))
    last = said.order_by("-at", "-pk").first()
    if last is None:
        return []
    return list(said.filter(at=last.at, source=last.source, granted=last.granted).order_by("pk"))


def note_once(campaign_id: int, customer_id: int, kind: EngagementKind, *, now: datetime) -> bool:
    """Write down that a recipient did something; returns whether it is the first time."""
    sql = """
        INSERT INTO campaigns_engagement
            (campaign_id, customer_id, kind, link, count, bots, first_at, last_at)
        SELECT campaign_id, customer_id, %(kind)s, 0, 1, 0, %(now)s, %(now)s
        FROM campaigns_delivery WHERE campaign_id = %(campaign)s AND customer_id = %(customer)s
        ON CONFLICT DO NOTHING
    """
    values: dict[str, Any] = {
        "campaign": campaign_id,
        "customer": customer_id,
        "kind": kind.value,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return bool(cursor.rowcount)


def survivor(customer: Customer) -> Customer:
    """Return who speaks for somebody who was merged."""
    person = customer
    while person.merged_into is not None:
        person = person.merged_into
    return person


def _has_left(customer: Customer, purpose: str) -> bool:
    """Whether this is refused already, in every channel, and nothing of it was allowed since."""
    person = survivor(customer)
    if not purpose:
        return person.opted_out_at is not None
    words = list(person.standing.filter(purpose__in=["", purpose]))
    refusals = [word.at for word in words if not word.granted and not word.channel]
    if person.opted_out_at:
        refusals.append(person.opted_out_at)
    consents = [word.at for word in words if word.granted]
    return bool(refusals) and max(refusals) >= max(consents, default=min(refusals))
