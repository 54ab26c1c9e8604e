"""The addresses of people who were erased: kept as fingerprints, refused, let back in."""

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

from django.utils.translation import gettext as _

from contacts.enums import IdentityKind
from contacts.erased import Addressed, digest_of, digests_of, erased_among
from contacts.errors import WasErased
from contacts.models import ErasedAddress, Identity

A = TypeVar("A", bound=Addressed)

OF_THE_CHANNEL = (IdentityKind.WECOM, IdentityKind.WECHAT)
"""What somebody brings back with them who adds a guide anew."""


def bar_addresses(identities: Collection[Identity], *, now: datetime) -> None:
    """Keep the fingerprints of these addresses, so that nobody brings them back."""
    ErasedAddress.objects.bulk_create(
        [
            ErasedAddress(
                customer_id=row.customer_id, kind=row.kind, digest=digest_of(row), erased_at=now
            )
            for row in identities
        ],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["customer", "erased_at"],
    )


def refuse_the_erased(addresses: Collection[A]) -> None:
    """Raise ``WasErased`` if one of the addresses was of somebody who was erased."""
    if erased_among(addresses):
        raise WasErased(
            _(
                "Somebody with one of these identities was erased at their request, and is not"
                " taken in again."
            )
        )


def let_back_in(addresses: Collection[A], *, began_at: datetime | None) -> None:
    """Let in who adds a guide anew, at ``began_at``; raise ``WasErased`` for anything older.

    What the person brings along in that channel is known again. Their other addresses stay
    barred: they have told us of none of them since.
    """
    gone = erased_among(addresses)
    if not gone:
        return
    if began_at is None or max(gone.values()) >= began_at:
        raise WasErased(_("This customer was erased at their request."))
    rows = ErasedAddress.objects.filter(
        digest__in=[digest for one in gone for digest in digests_of(one)]
    )
    theirs = list(rows.values_list("customer", flat=True))
    ErasedAddress.objects.filter(customer__in=theirs, kind__in=OF_THE_CHANNEL).delete()
