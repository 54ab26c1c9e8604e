"""Holding everything back that would go out by itself, as after a restored backup."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.actions.campaigns import pause_campaign
from campaigns.actions.posts.life import cancel_post, unschedule_post
from campaigns.actions.series import pause_series
from campaigns.enums import CampaignState, PostState, SeriesState
from campaigns.models import Campaign, Post, Series

GOES_BY_ITSELF = [
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
]


@dataclass(frozen=True, slots=True)
class Held:
    """How many were held back."""

    campaigns: int
    series: int
    posts: int
    cancelled_posts: int


def hold_everything(*, now: datetime) -> Held:
    """Let nothing go out until a person says so for each: workers started later send nothing.

    Campaigns and series are paused, scheduled posts are drafts again. A post that is being sent
    cannot be paused and is cancelled. To be called while no worker runs; called twice it does
    nothing more.
    """
    campaigns = Campaign.objects.filter(state__in=GOES_BY_ITSELF).order_by("pk")
    for campaign in (found := list(campaigns)):
        pause_campaign(campaign, actor=None, now=now)
    for series in (running := list(Series.objects.filter(state=SeriesState.ACTIVE).order_by("pk"))):
        pause_series(series, actor=None, now=now)
    for post in (due := list(Post.objects.filter(state=PostState.SCHEDULED).order_by("pk"))):
        unschedule_post(post, actor=None, now=now)
    for post in (going := list(Post.objects.filter(state=PostState.SENDING).order_by("pk"))):
        cancel_post(post, actor=None, now=now)
    return Held(len(found), len(running), len(due), len(going))
