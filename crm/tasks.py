"""Doors for Celery into crm: callbacks, and the sweeper."""

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from connectors.wecom.errors import WeComError

ONE_SYNC = 6 * 3600
"""Seconds in which a task that the broker delivers again does not start a second one."""


@shared_task
def process_callback(callback_id: int) -> None:
    """Work on one stored callback."""
    from crm.actions.callbacks import process_callback as process

    process(callback_id, now=timezone.now())


@shared_task(autoretry_for=(WeComError,), max_retries=6, default_retry_delay=20)
def learn_customer(customer_id: int, address: str) -> None:
    """Fetch what WeCom knows of a new customer; it may need some seconds to know them itself."""
    from crm.actions.callbacks import learn_customer as learn

    learn(customer_id, address)


@shared_task
def sync_wecom() -> None:
    """Bring in what callbacks never told, once a night."""
    from contacts.actions.sync import sync_from_wecom
    from contacts.wecom import SYNCHRONISING, wecom

    client = wecom(patience=SYNCHRONISING)
    if client is not None and cache.add("sync_wecom", "running", timeout=ONE_SYNC):
        sync_from_wecom(client, now=timezone.now())


@shared_task
def sweep() -> None:
    """Ring for everything that is due and may have been forgotten."""
    from crm.actions.sweeping import ring_for_due

    ring_for_due(now=timezone.now())
