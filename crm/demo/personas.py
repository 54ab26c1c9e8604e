"""The accounts with which one can look around, and their passwords."""

import json
import secrets

from crm.demo.cast import PERSONAS


def make_passwords() -> str:
    """Make up a password for each persona, as the text of a file that only its owner may read."""
    return json.dumps({persona: secrets.token_urlsafe(9) for persona in PERSONAS})


def read_passwords(text: str) -> dict[str, str]:
    """The passwords by user name."""
    found: dict[str, str] = json.loads(text)
    return found
