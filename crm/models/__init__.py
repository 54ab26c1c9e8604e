"""The work: what only screens and API need to remember, and what customers bought."""

from crm.models.answers import SavedAnswer
from crm.models.orders import Order

__all__ = ["Order", "SavedAnswer"]
