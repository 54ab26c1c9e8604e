"""Answers to messages: on the timeline of who wrote them, and obeyed where they ask to stop."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from campaigns.enums import EngagementKind
from campaigns.models import Campaign
from campaigns.tracking.keywords import Wish, wish_in, wish_in_mail
from campaigns.tracking.leaving import (
    BY_KEYWORD,
    last_words,
    meant_by_stop,
    note_once,
    refuse,
    survivor,
)
from contacts.actions.consent import opt_in, opt_out
from contacts.actions.interactions import log_interaction
from contacts.enums import CustomerState, InteractionKind
from contacts.models import Customer, Interaction

_LONGEST = 4000
_EVIDENCE = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody answered in a channel, to which campaign if that is known."""

    channel: str
    customer_id: int
    campaign_id: int | None
    text: str
    at: datetime


def note_reply(reply: Reply, *, now: datetime) -> None:
    """Put an answer on the timeline, and do what it asks for; the same one again does nothing."""
    with transaction.atomic():
        person = _writer(reply)
        if person is None or _is_known(reply, person):
            return
        log_interaction(
            person,
            kind=InteractionKind.CHAT,
            text=reply.text[:_LONGEST],
            actor=None,
            now=now,
            happened_at=reply.at,
        )
        if reply.campaign_id:
            note_once(reply.campaign_id, reply.customer_id, EngagementKind.REPLIED, now=reply.at)
        read_wish = wish_in_mail if reply.channel == "email" else wish_in
        wish = read_wish(reply.text)
        if wish is Wish.STOP:
            _stop(reply, person, source=BY_KEYWORD, now=now)
        elif wish is Wish.START:
            _allow_again(reply, person, now=now)


def note_stop(reply: Reply, *, source: str, now: datetime) -> None:
    """Send the person no more advertising anywhere: the channel tells that they wish none."""
    with transaction.atomic():
        person = _writer(reply)
        if person is not None:
            _stop(reply, person, source=source, now=now)


def note_complaint(reply: Reply, *, source: str, now: datetime) -> None:
    """Send the person nothing more through this channel, in which they complained of us."""
    with transaction.atomic():
        person = _writer(reply)
        if person is not None:
            _end_channel(reply, person, source=source, now=now)


def _writer(reply: Reply) -> Customer | None:
    """Lock and return who wrote, or who speaks for them now; nobody for those who were erased."""
    customer = Customer.objects.filter(pk=reply.customer_id).first()
    if customer is None:
        return None
    person = Customer.objects.select_for_update(no_key=True).get(pk=survivor(customer).pk)
    return person if person.state == CustomerState.ACTIVE else None


def _is_known(reply: Reply, person: Customer) -> bool:
    return Interaction.objects.filter(
        customer=person,
        kind=InteractionKind.CHAT,
        staff=None,
        happened_at=reply.at,
        text=reply.text[:_LONGEST].strip(),
    ).exists()


def _stop(reply: Reply, person: Customer, *, source: str, now: datetime) -> None:
    """Do what "stop" means: it counts in every channel, in whichever it was said."""
    purposes = meant_by_stop(_purpose_answered(reply))
    if refuse(person, purposes, source=source, evidence=_evidence(reply), now=now):
        _note_opted_out(reply)


def _purpose_answered(reply: Reply) -> str | None:
    if reply.campaign_id is None:
        return None
    campaigns = Campaign.objects.filter(pk=reply.campaign_id)
    return campaigns.values_list("purpose", flat=True).first()


def _end_channel(reply: Reply, person: Customer, *, source: str, now: datetime) -> None:
    """Opt the person out of the channel, unless that is their last word already."""
    held = person.standing.filter(channel=reply.channel, purpose="").first()
    newer = person.standing.filter(granted=True, at__gt=held.at) if held else None
    if held and not held.granted and newer is not None and not newer.exists():
        return
    opt_out(person, channel=reply.channel, source=source, evidence=_evidence(reply), now=now)
    _note_opted_out(reply)


def _note_opted_out(reply: Reply) -> None:
    if reply.campaign_id:
        note_once(reply.campaign_id, reply.customer_id, EngagementKind.OPTED_OUT, now=reply.at)


def _evidence(reply: Reply) -> str:
    return reply.text[:_EVIDENCE] or f"campaign {reply.campaign_id}"


def _allow_again(reply: Reply, person: Customer, *, now: datetime) -> None:
    """Allow in this channel what a keyword ended, if that was the person's last word.

    To stop counts everywhere, to start only where it is said: nobody asked for more than that.
    """
    for word in last_words(person):
        if word.granted or word.source != BY_KEYWORD or word.channel not in {"", reply.channel}:
            continue
        opt_in(
            person,
            channel=reply.channel,
            purpose=word.purpose,
            source=BY_KEYWORD,
            evidence=reply.text[:_EVIDENCE],
            now=now,
        )
