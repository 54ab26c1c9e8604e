"""Writing letters: one message's words for one recipient after the other.

The words are taken apart once a turn, so that a letter costs a few joins: this is the hot path.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.attachments import in_public_form
from campaigns.channels import abilities_of
from campaigns.models import Campaign, Variant
from campaigns.placeholders import COUPON_CODE, PLACEHOLDER, used_in
from campaigns.recipients import Recipient
from campaigns.tracking.links import Cut, Linker
from campaigns.tracking.tokens import TokenUse, maker
from connectors.base import Letter
from contacts.models import Company

Values = Mapping[str, str]


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
        has_mark = abilities_of(campaign.channel).has_mark
        self._mark = maker(TokenUse.RETURN, campaign.pk) if has_mark else _no_mark
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

    def letter(self, person: Recipient, variant: int | None = None) -> Letter:
        """Write the letter of one recipient in one of the wordings that are compared, if any.

        The same words and key on every attempt.
        """
        unsubscribe_url = self._unsubscribe_url(person.customer_id)
        values = {
            "unsubscribe": unsubscribe_url,
            "customer": person.customer,
            "guide": person.guide,
            "store": person.store,
            "company": self._company,
            COUPON_CODE: person.coupon_code,
        }
        words = self._words[variant]
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


def _no_mark(_customer_id: int) -> str:
    return ""


def _taken_apart(
    text: str, cuts: Sequence[Cut] = (), *, written: Callable[[str], str] = str
) -> Callable[[Values, int], str]:
    """Return what fills this text; ``written`` makes a value fit for where it will stand.

    ``cuts`` are the places of links, which no placeholder is in.
    """
    found: list[tuple[int, int, Cut | re.Match[str]]] = [(cut.begin, cut.end, cut) for cut in cuts]
    found += [(match.start(), match.end(), match) for match in PLACEHOLDER.finditer(text)]
    if not found:
        return lambda _values, _customer_id: text
    pieces: list[str] = []
    named: list[tuple[int, str, str]] = []
    made: list[tuple[int, Callable[[int], str]]] = []
    literal, at = "", 0
    for begin, end, hole in sorted(found, key=lambda one: one[:2]):
        literal += text[at:begin]
        place = len(pieces) + 1
        if isinstance(hole, Cut):
            made.append((place, hole.make))
            pieces += [literal + hole.before, ""]
            literal = hole.after
        else:
            named.append((place, hole[1], written(hole[2] or "")))
            pieces += [literal, ""]
            literal = ""
        at = end
    pieces.append(literal + text[at:])

    def fill(values: Values, customer_id: int) -> str:
        filled = pieces.copy()
        for place, name, fallback in named:
            value = values.get(name)
            filled[place] = written(value) if value else fallback
        for place, make in made:
            filled[place] = make(customer_id)
        return "".join(filled)

    return fill
