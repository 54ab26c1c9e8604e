"""Texts that a channel would not take."""

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext

from campaigns.actions.wordings import check_placeholders
from campaigns.channels import LABELS, abilities_of
from contacts.errors import RuleBroken


def over_limit(text: str, channel: str) -> str:
    """Say by how much a text is too long for a channel; empty if it fits."""
    limit = abilities_of(channel).text_bytes
    size = len(text.encode())
    if size <= limit:
        return ""
    return gettext(
        "The text has %(size)s bytes; %(channel)s takes %(limit)s. Shorten it by %(over)s."
    ) % {
        "size": intcomma(size),
        "channel": LABELS[channel],
        "limit": intcomma(limit),
        "over": intcomma(size - limit),
    }


def cannot_fill(text: str, channel: str) -> str:
    """Say which placeholder of a text the channel cannot fill; empty if there is none."""
    try:
        check_placeholders(text, channel)
    except RuleBroken as error:
        return str(error)
    return ""
