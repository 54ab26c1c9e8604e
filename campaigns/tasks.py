"""Doors for Celery into campaigns: an id in, an action called. They may run twice or half."""

from celery import shared_task
from django.utils import timezone

from contacts.doorbell import ring


@shared_task
def send_batches(campaign_id: int) -> None:
    """Send batches of a campaign for one turn, and ring again if some are left."""
    from campaigns.actions.pump import pump_campaign

    if pump_campaign(campaign_id):
        ring(send_batches, campaign_id)


@shared_task
def decide_experiment(campaign_id: int) -> None:
    """Find the wording that did best, and send it to the rest."""
    from campaigns.actions.experiments import decide_experiment as decide

    decide(campaign_id, now=timezone.now())


@shared_task
def look_up_batch(batch_id: int) -> None:
    """Ask the channel about an unclear batch."""
    from campaigns.actions.batches import look_up_batch as look_up

    look_up(batch_id, now=timezone.now())


@shared_task
def check_batch(batch_id: int) -> None:
    """Ask the channel what became of a batch."""
    from campaigns.actions.results import check_batch as check

    check(batch_id, now=timezone.now())


@shared_task
def check_campaign(campaign_id: int) -> None:
    """Ask the channel about every due batch of one campaign."""
    from campaigns.actions.due import check_due_batches

    check_due_batches(campaign_id, now=timezone.now())


@shared_task
def send_post(post_id: int) -> None:
    """Send the shares of a post for one turn, and ring again if some are left."""
    from campaigns.actions.posts.sending import pump_post

    if pump_post(post_id):
        ring(send_post, post_id)


@shared_task
def check_post(post_id: int) -> None:
    """Ask the channel about every due share of one post."""
    from campaigns.actions.posts.following import check_post as check

    check(post_id, now=timezone.now())


@shared_task
def read_reactions(post_id: int) -> None:
    """Read comments and likes of a moment for one turn, and ring again if some are left."""
    from campaigns.actions.posts.reactions import read_reactions as read

    if read(post_id, now=timezone.now()):
        ring(read_reactions, post_id)


@shared_task
def send_welcome(welcome_id: int) -> None:
    """Greet one new contact."""
    from campaigns.actions.welcomes import send_welcome as send

    send(welcome_id, now=timezone.now())


@shared_task
def bring_welcome_files(rule_id: int) -> None:
    """Upload the files of one welcome before somebody is greeted with them."""
    from campaigns.actions.welcome_rules import bring_files

    bring_files(rule_id, now=timezone.now())


@shared_task
def tell_duty(code_id: int) -> None:
    """Tell WeCom who is on duty at a contact code."""
    from campaigns.actions.codes import tell_people_on_duty

    tell_people_on_duty(code_id, now=timezone.now())
