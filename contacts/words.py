"""The words a handover says to a customer: a look-up, no template language.

Campaigns fill theirs in ``campaigns.placeholders``; these have two people in them.
"""

import re
from collections.abc import Mapping

from contacts.models import Handover, Staff

HANDOVER_PLACEHOLDERS = frozenset({"customer", "guide", "former_guide", "store"})
"""Every placeholder there is; other words in braces stay as they were typed."""

_PLACEHOLDER = re.compile(r"\{(" + "|".join(sorted(HANDOVER_PLACEHOLDERS)) + r")\}")


def fill_words(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each known placeholder replaced; one without a value vanishes."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text)


def handover_words(text: str, handover: Handover, receiver: Staff) -> str:
    """Return what is said when ``receiver`` takes over in this handover.

    It is for many at once: WeCom takes one text for all customers of a request or of a message,
    so that no name of a customer can stand in it.
    """
    values = {
        "guide": receiver.name,
        "former_guide": handover.from_staff.name,
        "store": receiver.store.name if receiver.store else "",
    }
    return fill_words(text, values)
