"""What is due in campaigns: the work that a sweeper finds when no doorbell rang."""

from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q

from campaigns.actions.batches import look_up_batch
from campaigns.actions.campaigns import PUMPS
from campaigns.actions.missed import LIVE
from campaigns.actions.results import check_batch
from campaigns.channels import DIRECT
from campaigns.enums import BatchState, CampaignState, SeriesState, WelcomeState
from campaigns.models import Batch, Campaign, ChannelPace, Experiment, Series, Welcome


def campaigns_to_plan(now: datetime) -> list[int]:
    """Scheduled campaigns whose time has come."""
    due = Campaign.objects.filter(state=CampaignState.SCHEDULED, send_at__lte=now)
    return list(due.order_by("send_at").values_list("pk", flat=True)[:50])


def campaigns_to_send(now: datetime) -> list[int]:
    """Campaigns under way with a batch that may be claimed, or that can be moved on.

    Whoever sends now goes on by themselves; with letters there is work for some more.
    """
    waiting = Batch.objects.filter(campaign=OuterRef("pk"), state=BatchState.WAITING)
    claimable = waiting.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    sending = Batch.objects.filter(campaign=OuterRef("pk"), state=BatchState.SENDING)
    workers = (
        sending.order_by()
        .values("campaign")
        .annotate(n=Count("lease_token", distinct=True))
        .filter(n__gte=PUMPS)
        .values("n")
    )
    letters = Q(channel__in=DIRECT) & ~Exists(workers)
    idle = Campaign.objects.filter(~Exists(sending) | letters & Exists(claimable)).exclude(
        channel__in=ChannelPace.objects.filter(rest_until__gt=now).values("channel")
    )
    under_way = idle.filter(state__in=[CampaignState.PLANNED, CampaignState.SENDING])
    unsent = Batch.objects.filter(
        campaign=OuterRef("pk"), state__in=[BatchState.WAITING, BatchState.HELD]
    )
    ready = under_way.filter(Exists(claimable) | ~Exists(unsent))
    once_more = idle.filter(Exists(claimable), state=CampaignState.WAITING)
    over = Campaign.objects.filter(send_until__lte=now, state__in=LIVE)
    found = (ready | once_more | over).order_by("pk")
    return list(found.values_list("pk", flat=True)[:50])


def experiments_to_decide(now: datetime) -> list[int]:
    """Campaigns of whose wordings the best is to be found now."""
    due = Experiment.objects.filter(decide_at__lte=now, campaign__state__in=LIVE)
    return list(due.order_by("decide_at").values_list("pk", flat=True)[:50])


def series_to_run(now: datetime) -> list[int]:
    """Series whose next run is due."""
    due = Series.objects.filter(state=SeriesState.ACTIVE, next_run_at__lte=now)
    return list(due.order_by("next_run_at").values_list("pk", flat=True)[:50])


def batches_to_look_up(now: datetime) -> list[int]:
    """Unclear batches that the channel should be asked about."""
    due = Batch.objects.filter(state=BatchState.UNCLEAR, next_attempt_at__lte=now)
    return list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:200])


def batches_to_check(now: datetime) -> list[int]:
    """Batches at the channel whose results are due."""
    due = Batch.objects.filter(state=BatchState.HANDED, next_attempt_at__lte=now)
    return list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:200])


def welcomes_to_send(now: datetime) -> list[int]:
    """Welcome codes that can still be used."""
    due = Welcome.objects.filter(state=WelcomeState.PENDING, deadline_at__gt=now)
    return list(due.order_by("deadline_at").values_list("pk", flat=True)[:500])


def check_due_batches(campaign_id: int, *, now: datetime) -> None:
    """Ask the channel about every due batch of one campaign."""
    due = Batch.objects.filter(
        campaign=campaign_id,
        state__in=[BatchState.HANDED, BatchState.UNCLEAR],
        next_attempt_at__lte=now,
    ).order_by("pk")
    for batch_id, state in due.values_list("pk", "state"):
        if state == BatchState.UNCLEAR:
            look_up_batch(batch_id, now=now)
        else:
            check_batch(batch_id, now=now)
