"""Doors for Celery into crm: callbacks, comparisons, webhooks, and the sweeper."""

from contextlib import suppress

from celery import shared_task
from django.utils import timezone

from connectors.wecom.errors import WeComError
from contacts.errors import MovedOn


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
    """Start the nightly comparison with WeCom, unless one is under way."""
    from contacts.wecom import wecom
    from crm.actions.reconcile import start_reconciliation

    if wecom() is not None:
        with suppress(MovedOn):
            start_reconciliation(actor=None, now=timezone.now())


@shared_task
def plan_campaign(campaign_id: int) -> None:
    """Plan a scheduled campaign whose time has come, or give it back."""
    from crm.actions.scheduling import plan_due

    plan_due(campaign_id, now=timezone.now())


@shared_task
def announce_handover(handover_id: int) -> None:
    """Tell the customers of a handover who is there for them now."""
    from crm.actions.announcing import announce_due

    announce_due(handover_id, now=timezone.now())


@shared_task
def run_series(series_id: int) -> None:
    """Make the campaign of a series whose time has come, or pause it."""
    from crm.actions.series import run_series_due

    run_series_due(series_id, now=timezone.now())


@shared_task
def reconcile(run_id: int) -> None:
    """Go on with a comparison for a while."""
    from crm.actions.reconcile import go_on

    go_on(run_id, now=timezone.now())


@shared_task
def let_go_due(staff_id: int) -> None:
    """Let somebody go whose last day is over."""
    from crm.actions.departures import let_go_due as let_go

    with suppress(MovedOn):
        let_go(staff_id, now=timezone.now())


@shared_task
def carry_out_staff_file(file_id: int) -> None:
    """Carry out the rows of a file of the human resources department."""
    from crm.actions.staff_files import carry_out

    carry_out(file_id, now=timezone.now())


@shared_task
def count_campaign(campaign_id: int) -> None:
    """Count what became of a campaign, and the orders that followed."""
    from crm.actions.conversions import count_campaign as count

    count(campaign_id, now=timezone.now())


@shared_task
def tell_of_unusual() -> None:
    """Tell managers of colleagues who removed or exported unusually many customers."""
    from crm.unusual import tell_of_unusual as tell

    tell(now=timezone.now())


@shared_task
def collect_events(_cursor: int) -> None:
    """Turn what history says into events for webhooks."""
    from crm.actions.webhook_collecting import collect_events as collect

    collect(now=timezone.now())


@shared_task
def call_webhook(webhook_id: int) -> None:
    """Send a webhook what is due for it."""
    from crm.actions.webhook_sending import call_webhook as call

    call(webhook_id, now=timezone.now())


@shared_task
def read_mailbox(reading_id: int) -> None:
    """Read what came back in the mailbox for bounces."""
    from crm.actions.mailbox import read_mailbox as read

    read(reading_id, now=timezone.now())


@shared_task
def sweep() -> None:
    """Ring for everything that is due and may have been forgotten."""
    from crm.actions.sweeping import ring_for_due

    ring_for_due(now=timezone.now())
