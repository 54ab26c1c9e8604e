"""The two ways an action says no, and the translation of a broken constraint into one of them."""

from django.db import IntegrityError


class RuleBroken(Exception):
    """The request is against a rule; the message is shown to the person and says what to do."""


class WasErased(RuleBroken):
    """Somebody with this address was erased at their request, and is not taken in again."""


class MovedOn(Exception):
    """Somebody else was faster; the message is shown and the fresh row should be loaded."""


def broken_constraint(error: IntegrityError) -> str:
    """Return the name of the constraint that refused the write, or an empty string."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""
