"""What one customer would get: the words filled in as the engine fills them."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils import timezone

from campaigns.attachments import Attachment, in_public_form
from campaigns.html import clean_html
from campaigns.models import Campaign, Variant
from campaigns.placeholders import COUPON_CODE, SENDER_PLACEHOLDERS, fill, unknown_in, used_in
from connectors.sms.parts import parts_of
from contacts.models import Company, Coupon, Customer

EXAMPLE_TOKEN = "example"  # noqa: S105 -- no secret: the link of a preview leads nowhere

EXAMPLE_CODE = "EXAMPLE"
"""In place of a customer's coupon, in what leaves the house as a test."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a marketer has typed for a channel."""

    channel: str
    text: str
    subject: str = ""
    html: str = ""
    attachments: Sequence[Attachment] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Preview:
    """The message of one customer, its size in bytes and, for SMS, in parts."""

    text: str
    subject: str
    html: str
    attachments: list[dict[str, Any]]
    size: int
    parts: int
    unfilled: list[str]
    """Placeholders that the channel cannot fill: it sends one text to many."""
    unknown: list[str]
    """What looks like a placeholder and is none: it goes out as it was typed."""
    customer: Customer | None = None


def words_of(campaign: Campaign, variant: Variant | None = None) -> Words:
    """Return what the campaign says, in one of its wordings if it has several."""
    said = campaign if campaign.planned_at else campaign.content or campaign
    subject, markup = campaign.subject, campaign.html
    if variant:
        subject, markup = variant.subject or subject, variant.html or markup
    text = variant.text if variant else said.text
    return Words(campaign.channel, text, subject, markup, said.attachments)


def preview_for(
    customer: Customer | None, words: Words, *, personal: bool, is_test: bool = False
) -> Preview:
    """Fill the words for a customer; without one, all placeholders have their fallbacks.

    ``personal`` says whether the channel writes to each customer by themselves. A test that is
    sent somewhere names no real coupon.
    """
    values = _values(customer)
    if COUPON_CODE in used_in("\n".join((words.text, words.subject, words.html))):
        values[COUPON_CODE] = EXAMPLE_CODE if is_test else _coupon_code(customer)
    if not personal:
        values = {name: value for name, value in values.items() if name in SENDER_PLACEHOLDERS}
    text = fill(words.text, values)
    escaped = {name: html.escape(value) for name, value in values.items()}
    return Preview(
        text=text,
        subject=fill(words.subject, values),
        html=fill(clean_html(words.html), escaped),
        attachments=in_public_form(words.attachments),
        size=len(text.encode()),
        parts=parts_of(text) if words.channel == "sms" else 0,
        unfilled=[] if personal else sorted(used_in(words.text) - SENDER_PLACEHOLDERS),
        unknown=unknown_in("\n".join((words.subject, words.text, words.html))),
        customer=customer,
    )


def _values(customer: Customer | None) -> dict[str, str]:
    company = Company.objects.first()
    values = {
        "company": company.short_name if company else "",
        "unsubscribe": f"{settings.PUBLIC_URL}/u/{EXAMPLE_TOKEN}",
    }
    if customer:
        values["customer"] = customer.name
        values["guide"] = customer.owner.name if customer.owner else ""
        values["store"] = customer.store.name
    return values


def _coupon_code(customer: Customer | None) -> str:
    """Return the code that a letter would carry if it were written now."""
    if customer is None:
        return ""
    now = timezone.now()
    held = Coupon.objects.about(customer).valid(now).filter(issued_at__lte=now)
    return held.order_by("-issued_at", "-pk").values_list("code", flat=True).first() or ""
