"""Doors for Celery into crm: callbacks, and the sweeper."""

from celery import shared_task
from django.utils import timezone


@shared_task
def process_callback(callback_id: int) -> None:
    """Work on one stored callback."""
    from crm.actions.callbacks import process_callback as process

    process(callback_id, now=timezone.now())


@shared_task
def learn_customer(customer_id: int, address: str) -> None:
    """Fetch what WeCom knows of a new customer."""
    from crm.actions.callbacks import learn_customer as learn

    learn(customer_id, address)


@shared_task
def sweep() -> None:
    """Ring for everything that is due and may have been forgotten."""
    from crm.actions.sweeping import ring_for_due

    ring_for_due(now=timezone.now())
