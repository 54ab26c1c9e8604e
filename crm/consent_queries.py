"""What a customer agreed to, as people read it: a table of channels and purposes, and the ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaigns.channels import LABELS, REACHING
from campaigns.models import MessagingRules
from campaigns.restraint import company_rules
from contacts.enums import Purpose
from contacts.models import Consent, ConsentEntry, Customer

MOST_ENTRIES = 20


@dataclass(frozen=True, slots=True)
class ConsentCell:
    """Whether messages of a channel and a purpose may be sent, and since when that is so."""

    channel: str
    purpose: str
    channel_label: Any
    purpose_label: Any
    may: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A channel with a cell for each purpose."""

    label: Any
    cells: list[ConsentCell]


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """One entry of the ledger in words."""

    granted: bool
    about: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ConsentSheet:
    """All of it."""

    purposes: list[Any]
    rows: list[ConsentRow]
    ledger: list[ConsentLine]


def consent_sheet(customer: Customer) -> ConsentSheet:
    """Return what the customer may be sent, by the same rule as planning, and what they said."""
    words = list(Consent.objects.filter(customer=customer))
    rules = company_rules()
    rows = [
        ConsentRow(
            label,
            [_cell(customer, words, rules, channel, purpose) for purpose in Purpose],
        )
        for channel, label in REACHING.items()
    ]
    entries = ConsentEntry.objects.filter(customer=customer).order_by("-at", "-pk")
    ledger = [
        ConsentLine(entry.granted, _about(entry), entry.source, entry.at)
        for entry in entries[:MOST_ENTRIES]
    ]
    return ConsentSheet([purpose.label for purpose in Purpose], rows, ledger)


def _cell(
    customer: Customer, words: list[Consent], rules: MessagingRules, channel: str, purpose: Purpose
) -> ConsentCell:
    covering = [
        word for word in words if word.channel in {"", channel} and word.purpose in {"", purpose}
    ]
    last = max(covering, key=lambda word: (word.at, not word.granted), default=None)
    required = f"{channel}:{purpose}" in rules.consent_required
    may = customer.opted_out_at is None and (last.granted if last else not required)
    at = last.at if last else customer.opted_out_at
    return ConsentCell(channel, purpose.value, LABELS[channel], purpose.label, may, at)


def _about(entry: ConsentEntry) -> str:
    channel = LABELS.get(entry.channel, "")
    purpose = Purpose(entry.purpose).label if entry.purpose in Purpose.values else ""
    return " · ".join(str(part) for part in (channel, purpose) if part)
