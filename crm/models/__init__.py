"""The work: what only screens and API need to remember."""

from crm.models.answers import SavedAnswer

__all__ = ["SavedAnswer"]
