"""Writing letters: one message's words for one recipient after the other.

The words are taken apart once a turn, so that a letter costs a few joins: this is the hot path.
"""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns.enums import DeliveryState
from campaigns.models import Campaign
from campaigns.placeholders import PLACEHOLDER
from connectors.base import Letter
from contacts.models import Company

Values = Mapping[str, str]

_RECIPIENTS = """
SELECT delivery.batch_id, delivery.slot, delivery.customer_id, delivery.address, customer.name,
       coalesce(staff.name, ''), store.name
FROM campaigns_delivery AS delivery
JOIN contacts_customer AS customer ON customer.id = delivery.customer_id
JOIN contacts_store AS store ON store.id = customer.store_id
LEFT JOIN contacts_staff AS staff ON staff.id = customer.owner_id
WHERE delivery.batch_id = ANY(%(batches)s) AND delivery.state = %(state)s
ORDER BY delivery.batch_id, delivery.slot
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a letter is for, as the engine reads them in one query a claim."""

    batch_id: int
    slot: int
    customer_id: int
    address: str
    customer: str
    guide: str
    store: str


def recipients_in(batches: list[int], state: DeliveryState) -> list[Recipient]:
    """Read the recipients of these batches that are in one state, batch by batch: one query."""
    with connection.cursor() as cursor:
        cursor.execute(_RECIPIENTS, {"batches": batches, "state": state.value})
        return [Recipient(*row) for row in cursor.fetchall()]


class Writer:
    """Writes the letters of one campaign."""

    def __init__(self, campaign: Campaign) -> None:
        company = Company.objects.first()
        self._prefix = f"liuke-{campaign.pk}-"
        self._company = company.short_name if company else ""
        self._text = _taken_apart(campaign.text)
        self._subject = _taken_apart(campaign.subject)
        self._html = _taken_apart(campaign.html, written=html.escape)
        self._attachments: list[dict[str, Any]] = campaign.attachments

    def letter(self, person: Recipient) -> Letter:
        """Write the letter of one recipient; the same words and key on every attempt."""
        values = {
            "customer": person.customer,
            "guide": person.guide,
            "store": person.store,
            "company": self._company,
        }
        return Letter(
            key=f"{self._prefix}{person.customer_id}",
            address=person.address,
            text=self._text(values),
            subject=self._subject(values),
            html=self._html(values),
            attachments=self._attachments,
        )


def _taken_apart(
    text: str, *, written: Callable[[str], str] = lambda value: value
) -> Callable[[Values], str]:
    """Return what fills this text; ``written`` makes a value fit for where it will stand."""
    literals: list[str] = []
    holes: list[tuple[str, str]] = []
    at = 0
    for found in PLACEHOLDER.finditer(text):
        literals.append(text[at : found.start()])
        holes.append((found[1], written(found[2] or "")))
        at = found.end()
    literals.append(text[at:])
    if not holes:
        return lambda _values: text

    def fill(values: Values) -> str:
        parts = [literals[0]]
        for place, (name, fallback) in enumerate(holes, start=1):
            value = values.get(name)
            parts.append(written(value) if value else fallback)
            parts.append(literals[place])
        return "".join(parts)

    return fill
