"""What gateways and providers tell us: stored once before they are answered, taken up at once."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from campaigns.tracking.receipts import note_receipts
from connectors.base import Receipt
from connectors.told import MOST, read_rows, row_of
from contacts.doorbell import ring
from contacts.enums import CallbackState
from contacts.models import Callback
from crm import tasks

PROVIDERS = {"sms": "sms", "mail": "email"}
"""Who calls, and the channel of which they speak."""


def store_receipts(
    provider: str,
    receipts: Sequence[Receipt],
    *,
    raw: bytes,
    now: datetime,
    keep_empty: bool = False,
) -> bool:
    """Store what a provider tells; the same call again changes nothing. Returns whether it is new.

    ``raw`` is what makes a call the same. With ``keep_empty`` one that tells nothing is remembered
    too, so that nothing can be told with it later.
    """
    if not receipts and not keep_empty:
        return False
    parts = [receipts[at : at + MOST] for at in range(0, len(receipts), MOST)] or [receipts]
    with transaction.atomic():
        fresh = [
            _store_part(provider, part, raw=raw + (b"#%d" % place if place else b""), now=now)
            for place, part in enumerate(parts)
        ]
    return any(fresh)


def _store_part(provider: str, part: Sequence[Receipt], *, raw: bytes, now: datetime) -> bool:
    body = json.dumps([row_of(receipt) for receipt in part], ensure_ascii=False)
    key = hashlib.sha256(raw).hexdigest()
    rows = Callback.objects.bulk_create(
        [
            Callback(
                provider=provider,
                key=key,
                event="receipts",
                body=body,
                received_at=now,
                next_attempt_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    kept = Callback.objects.get(provider=provider, key=key)
    if kept.state == CallbackState.RECEIVED:
        ring(tasks.process_callback, kept.pk)
    return bool(rows)


def take_up_receipts(callback: Callback, *, now: datetime) -> None:
    """Do what a stored call asks for; what people wrote is kept on their timeline only."""
    receipts = read_rows(json.loads(callback.body or "[]"), now=now)
    note_receipts(PROVIDERS[callback.provider], receipts, now=now)
    Callback.objects.filter(pk=callback.pk).update(body="")
