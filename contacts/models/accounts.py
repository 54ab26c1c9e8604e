"""Who may come in: user accounts and API keys."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models


class User(AbstractUser):
    """The account with which one staff member signs in.

    ``session_version`` is part of what a session is checked against: raising it ends every
    session there is, for good, also when the account is opened again later.
    """

    session_version = models.PositiveIntegerField(default=0, db_default=0)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        plain: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]  # django-stubs leaves it out
        return f"{plain}.{self.session_version}" if self.session_version else plain

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
