"""What of campaigns somebody leaves behind: sends in their name stop, what they made is handed on."""

from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext_noop

from campaigns.actions.approvals import UNAPPROVED
from campaigns.actions.posts.life import advance_post, stop_shares
from campaigns.actions.series import pause_series_of
from campaigns.actions.stopping import stop_waiting
from campaigns.enums import BatchState, CampaignState, DeliveryReason, PostState
from campaigns.models import Batch, Campaign, Post, PostShare, QuickReply, Segment
from contacts.actions.history import record
from contacts.models import Staff

OPEN = (
    CampaignState.DRAFT,
    CampaignState.REVIEW,
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.PAUSED,
)

MADE_BY_A_LEAVER = gettext_noop("Whoever scheduled it has departed. Look at it again.")


def stop_sends(staff: Staff, *, now: datetime) -> int:
    """Send nothing more in the name of this person; returns how many batches that stops.

    What is in a call at this moment is written down when the call returns. What the person has not
    confirmed yet is withdrawn at the next check, which is due at once. Call it in the transaction
    in which the person departs.
    """
    out = Q(state=BatchState.HANDED, confirmed_at=None, withdrawn_at=None)
    Batch.objects.filter(out, sender=staff).update(next_attempt_at=now)
    shares = PostShare.objects.filter(sender=staff)
    posts = set(shares.filter(state=BatchState.WAITING).values_list("post_id", flat=True))
    stop_shares(shares, now=now, reason=DeliveryReason.SENDER_LEFT)
    shares.filter(out).update(next_attempt_at=now)
    for post_id in sorted(posts):
        advance_post(post_id, now=now)
    return stop_waiting(Batch.objects.filter(sender=staff), DeliveryReason.SENDER_LEFT, now=now)


def hand_on_campaigns(staff: Staff, successor: Staff | None, *, now: datetime) -> int:
    """Give campaigns and quick replies to a colleague; what was scheduled is a draft again.

    Nothing goes out because somebody who has left had planned it. Returns how many campaigns
    that are. Without a successor they belong to nobody, and everybody who sees all sees them.
    """
    scheduled = Campaign.objects.select_for_update().filter(
        Q(state__in=[CampaignState.REVIEW, CampaignState.SCHEDULED])
        | Q(state=CampaignState.PAUSED, planned_at=None),
        created_by=staff,
    )
    for campaign in scheduled.order_by("pk"):
        Campaign.objects.filter(pk=campaign.pk).update(
            state=CampaignState.DRAFT, state_at=now, **UNAPPROVED
        )
        record(
            campaign,
            "campaign.draft",
            actor=None,
            at=now,
            data={"why": MADE_BY_A_LEAVER},
        )
    Segment.objects.filter(created_by=staff).update(created_by=successor)
    _take_back_posts(staff, successor, now=now)
    pause_series_of(staff, successor, now=now)
    QuickReply.objects.filter(owner=staff, archived_at=None).update(owner=successor)
    open_ones = Campaign.objects.filter(created_by=staff, state__in=OPEN)
    their_own = open_ones.filter(approved_by=successor) if successor else open_ones.none()
    orphaned = their_own.update(created_by=None)  # nobody has made what they approved
    return orphaned + open_ones.update(created_by=successor)


def _take_back_posts(staff: Staff, successor: Staff | None, *, now: datetime) -> None:
    posts = Post.objects.select_for_update().filter(created_by=staff)
    for post in posts.filter(state=PostState.SCHEDULED).order_by("pk"):
        Post.objects.filter(pk=post.pk, state=PostState.SCHEDULED).update(
            state=PostState.DRAFT, state_at=now, send_at=None
        )
        record(post, "post.draft", actor=None, at=now, data={"why": MADE_BY_A_LEAVER})
    Post.objects.filter(created_by=staff, closed_at=None).update(created_by=successor)
