"""Who may come in: user accounts and API keys."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models


class User(AbstractUser):
    """The account with which one staff member signs in."""

    def __str__(self) -> str:
        return self.username


class ApiKey(models.Model):
    """A key with which a program acts for one staff member.

    Only the SHA-256 of the key is stored; the key itself is shown once. A key never reaches
    further than its staff member, and stops with that person's account.
    """

    staff = models.ForeignKey("contacts.Staff", on_delete=models.PROTECT, related_name="api_keys")

    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), default=list)

    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
