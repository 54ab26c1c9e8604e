"""The way out: one press on a page without a login, and the way back from there."""

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


def leave(
    recipient: Recipient, *, everything: bool, source: str, evidence: str, now: datetime
) -> bool:
    """Send the person no more of this kind, or nothing at all; returns whether that was news.

    It holds for every channel, and whenever somebody is asked before a message leaves. Said
    twice, by a person and their mail programme, it is written down once.
    """
    purpose = "" if everything else recipient.purpose.value
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=recipient.customer.pk)
        if _has_left(recipient.customer, purpose):
            return False
        opt_out(recipient.customer, purpose=purpose, source=source, evidence=evidence, now=now)
        note_once(recipient.campaign.pk, recipient.customer.pk, EngagementKind.OPTED_OUT, now=now)
    return True


def come_back(recipient: Recipient, *, now: datetime) -> None:
    """Take back what the person said last, if that was by themselves, here or by a keyword.

    Raises ``MovedOn`` if the last word was somebody else's.
    """
    with transaction.atomic():
        Customer.objects.select_for_update(no_key=True).get(pk=recipient.customer.pk)
        last = last_word(recipient.customer)
        if last is None or last.granted or last.source not in OWN_WORDS:
            raise MovedOn
        opt_in(
            recipient.customer,
            channel=last.channel,
            purpose=last.purpose,
            source=last.source,
            evidence=recipient.evidence,
            now=now,
        )
        Engagement.objects.filter(
            campaign=recipient.campaign,
            customer=recipient.customer,
            kind=EngagementKind.OPTED_OUT,
        ).delete()


def last_word(customer: Customer) -> ConsentEntry | None:
    """Return what the customer said last about messages, or the one they were merged into."""
    return ConsentEntry.objects.filter(customer=survivor(customer)).order_by("-at", "-pk").first()


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
