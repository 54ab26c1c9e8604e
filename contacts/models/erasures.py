"""The addresses of people who were erased, as fingerprints: enough to refuse them, not to read them."""

from django.db import models
from django.db.models import Q

from contacts.enums import IdentityKind
from contacts.models.customers import Customer


class ErasedAddress(models.Model):
    """One address of somebody who was erased, under which nobody is taken in again by others.

    ``digest`` is a keyed hash (``contacts.erased``): without the secret of the installation not
    even a list of all phone numbers tells whose it was. Whoever adds a guide anew by themselves
    is let in, and the fingerprints of that channel go.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="erased_addresses"
    )

    kind = models.CharField(max_length=24, choices=IdentityKind.choices)
    digest = models.CharField(max_length=64)
    erased_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "erased addresses"
        indexes = [
            # The sweeper: who was erased lately.
            models.Index(fields=["erased_at"], name="erased_address_lately"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="erased_address_once"),
            models.CheckConstraint(
                condition=Q(kind__in=IdentityKind.values), name="erased_address_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="erased_address_is_a_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.kind}"
