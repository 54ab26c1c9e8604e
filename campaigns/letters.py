"""Writing letters: one message's words for one recipient after the other.

The words are taken apart once a turn, so that a letter costs a few joins: this is the hot path.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns.attachments import in_public_form
from campaigns.enums import DeliveryState
from campaigns.models import Campaign, Variant
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.placeholders import COUPON_CODE, PLACEHOLDER, used_in
from campaigns.tracking.links import Cut, Linker
from campaigns.tracking.tokens import TokenUse, maker
from connectors.base import Letter
from contacts.models import Company

Values = Mapping[str, str]

_RECIPIENTS = """
SELECT mine.batch_id, mine.slot, mine.customer_id, mine.address, customer.name,
       coalesce(staff.name, ''), store.name, batch.variant{coupon_code}
FROM (
    SELECT batch_id, slot, customer_id, address FROM campaigns_delivery
    WHERE batch_id = ANY(%(batches)s) AND state = %(state)s
    ORDER BY batch_id, slot
    LIMIT %(most)s  -- no limit but a hint: the planner knows nothing of fresh deliveries
) AS mine
JOIN contacts_customer AS customer ON customer.id = mine.customer_id
JOIN campaigns_batch AS batch ON batch.id = mine.batch_id
JOIN contacts_store AS store ON store.id = customer.store_id
LEFT JOIN contacts_staff AS staff ON staff.id = customer.owner_id{coupon_join}
ORDER BY mine.batch_id, mine.slot
"""

# What was valid when the batch was claimed: whoever asks a provider afterwards whether it has these
# words writes the same ones, also if the customer has redeemed the coupon by then.
_COUPON_JOIN = """
LEFT JOIN LATERAL (
    SELECT held.code FROM contacts_coupon AS held
    WHERE held.customer_id IN (
        SELECT mine.customer_id
        UNION ALL SELECT id FROM contacts_customer WHERE merged_into_id = mine.customer_id
    )
      AND held.issued_at <= coalesce(batch.claimed_at, now())
      AND held.expires_at > coalesce(batch.claimed_at, now())
      AND (held.redeemed_at IS NULL OR held.redeemed_at > batch.claimed_at)
    ORDER BY held.issued_at DESC, held.id DESC LIMIT 1
) AS coupon ON true"""

_WITHOUT_COUPONS = _RECIPIENTS.format(coupon_code="", coupon_join="")
_WITH_COUPONS = _RECIPIENTS.format(
    coupon_code=", coalesce(coupon.code, '')", coupon_join=_COUPON_JOIN
)


@dataclass(slots=True)
class Recipient:
    """Whom a letter is for, as the engine reads them in one query a claim."""

    batch_id: int
    slot: int
    customer_id: int
    address: str
    customer: str
    guide: str
    store: str
    variant: int | None = None
    coupon_code: str = ""


def recipients_in(
    batches: list[int], state: DeliveryState, *, coupons: bool = False
) -> list[Recipient]:
    """Read the recipients of these batches that are in one state, batch by batch: one query.

    Codes of ``coupons`` are read only for words that name them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _WITH_COUPONS if coupons else _WITHOUT_COUPONS,
            {
                "batches": batches,
                "state": state.value,
                "most": len(batches) * BATCH_LIMIT,
            },
        )
        return [Recipient(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class _Words:
    """One wording, taken apart."""

    text: Callable[[Values, int], str]
    subject: Callable[[Values, int], str]
    html: Callable[[Values, int], str]


class Writer:
    """Writes the letters of one campaign, each in the wording of its batch."""

    def __init__(self, campaign: Campaign) -> None:
        company = Company.objects.first()
        self._prefix = f"liuke-{campaign.pk}-"
        self._company = company.short_name if company else ""
        linker = Linker(campaign)
        self._unsubscribe_url = linker.unsubscribe_url
        self._mark = maker(TokenUse.RETURN, campaign.pk)
        wordings: list[Campaign | Variant] = [campaign, *campaign.variants.all()]
        self._words: dict[int | None, _Words] = {
            wording.number if isinstance(wording, Variant) else None: _Words(
                text=_taken_apart(wording.text, linker.cuts_in_text(wording.text)),
                subject=_taken_apart(wording.subject),
                html=_taken_apart(
                    wording.html, linker.cuts_in_html(wording.html), written=html.escape
                ),
            )
            for wording in wordings
        }
        self._attachments: list[dict[str, Any]] = in_public_form(campaign.attachments)
        self.names_coupons = any(
            COUPON_CODE in used_in(words)
            for wording in wordings
            for words in (wording.text, wording.subject, wording.html)
        )

    def letter(self, person: Recipient) -> Letter:
        """Write the letter of one recipient; the same words and key on every attempt."""
        unsubscribe_url = self._unsubscribe_url(person.customer_id)
        values = {
            "unsubscribe": unsubscribe_url,
            "customer": person.customer,
            "guide": person.guide,
            "store": person.store,
            "company": self._company,
            COUPON_CODE: person.coupon_code,
        }
        words = self._words[person.variant]
        return Letter(
            key=f"{self._prefix}{person.customer_id}",
            address=person.address,
            text=words.text(values, person.customer_id),
            subject=words.subject(values, person.customer_id),
            html=words.html(values, person.customer_id),
            unsubscribe_url=unsubscribe_url,
            mark=self._mark(person.customer_id),
            attachments=self._attachments,
        )


def _taken_apart(
    text: str, cuts: Sequence[Cut] = (), *, written: Callable[[str], str] = lambda value: value
) -> Callable[[Values, int], str]:
    """Return what fills this text; ``written`` makes a value fit for where it will stand.

    ``cuts`` are the places of links, which no placeholder is in.
    """
    found: list[tuple[int, int, Cut | re.Match[str]]] = [(cut.begin, cut.end, cut) for cut in cuts]
    found += [(match.start(), match.end(), match) for match in PLACEHOLDER.finditer(text)]
    if not found:
        return lambda _values, _customer_id: text
    parts: list[tuple[str, str, str, Callable[[int], str] | None]] = []
    literal, at = "", 0
    for begin, end, hole in sorted(found, key=lambda one: one[:2]):
        literal += text[at:begin]
        if isinstance(hole, Cut):
            parts.append((literal + hole.before, "", "", hole.make))
            literal = hole.after
        else:
            parts.append((literal, hole[1], written(hole[2] or ""), None))
            literal = ""
        at = end
    last = literal + text[at:]

    def fill(values: Values, customer_id: int) -> str:
        filled = []
        for before, name, fallback, make in parts:
            filled.append(before)
            if make is not None:
                filled.append(make(customer_id))
            else:
                value = values.get(name)
                filled.append(written(value) if value else fallback)
        filled.append(last)
        return "".join(filled)

    return fill
