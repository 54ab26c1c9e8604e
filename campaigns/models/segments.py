"""Segments: saved rules over customers."""

from django.db import models
from django.db.models.functions import Lower, Now


class Segment(models.Model):
    """A saved rule over customers.

    ``rule`` is ``{"all": [condition, …]}``; the conditions, their fields and operators come
    from the closed list in ``campaigns.segments``.
    """

    name = models.CharField(max_length=120)
    rule = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="segment_name_unique")]

    def __str__(self) -> str:
        return self.name
