"""The first part of the story: a campaign for 1,050 customers, from the plan to the last result."""

from collections import Counter
from datetime import timedelta

import httpx
from django.utils import timezone

from campaigns.actions.campaigns import create_campaign, refresh_campaign
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.queries import campaign_progress
from connectors.wecom.sandbox.client import SandboxControl
from crm.access import viewer_for
from crm.actions.scheduling import schedule
from crm.demo import cast
from crm.demo.report import Report
from crm.demo.stage import Stage

NAME = "秋冬新品预览 · 周六专场"

RECIPIENTS = sum(post.invited for post in cast.POSTS)
SKIPPED = cast.OPTED_OUT_INVITED + cast.WITHOUT_ADDRESS_INVITED
LOST_ON_THE_WAY = 3
"""Customers who remove their guide before the guide confirms: WeCom then reports "not a friend"."""

ASK_EVERY = timedelta(seconds=5)  # WeCom says nothing about a message in its first minute
PATIENCE = timedelta(minutes=3)

_FATES = {
    DeliveryState.SENT: 1,
    DeliveryReason.NOT_A_FRIEND: 2,
    DeliveryReason.RECEIVE_LIMIT: 3,
}
"""Our words for the statuses of get_groupmsg_send_result."""


def launch(stage: Stage) -> None:
    """Draft and schedule the campaign, and wait until all its batches are with the channel."""
    campaign = Campaign.objects.filter(name=NAME).first()
    now = timezone.now()
    if campaign is None:
        campaign = create_campaign(
            name=NAME,
            content=stage.company.content,
            segment=stage.company.segment,
            actor=stage.company.marketer,
            now=now,
        )
    if campaign.state == CampaignState.DRAFT:
        schedule(campaign, viewer_for(stage.company.marketer), send_at=now, now=now)
    stage.wait(lambda: _is_planned(campaign), at_most=PATIENCE)
    stage.terminal.say(_plan_in_words(campaign))
    stage.wait(lambda: _is_handed(campaign), at_most=PATIENCE)


def confirm(stage: Stage) -> None:
    """Let a few customers go away, then all senders confirm."""
    campaign = Campaign.objects.get(name=NAME)
    if stage.control is None:
        stage.terminal.say(
            "campaign: the senders of this WeCom confirm by themselves, or not at all"
        )
        return
    references = set(Batch.objects.filter(campaign=campaign).values_list("reference", flat=True))
    waiting = [task for task in stage.control.tasks() if task["msgid"] in references]
    if not waiting:
        return
    _lose_a_few(stage.control, campaign)
    for task in waiting:
        stage.control.confirm(userid=task["userid"], msgid=task["msgid"])
    stage.terminal.say(
        f"campaign: the senders have looked at their phones and confirmed {len(waiting)} tasks"
    )


def fetch_results(stage: Stage) -> None:
    """Ask for the results, now and then, until nobody's fate is open."""
    campaign = Campaign.objects.get(name=NAME)
    next_question = timezone.now()

    def look() -> tuple[bool, str]:
        nonlocal next_question
        now = timezone.now()
        if now >= next_question:
            refresh_campaign(campaign, now=now)
            next_question = now + ASK_EVERY
        return _is_settled(campaign)

    stage.wait(look, at_most=PATIENCE)


def measure(stage: Stage) -> Report:
    """Count what became of everybody, and compare it with what the channel says."""
    campaign = Campaign.objects.get(name=NAME)
    progress = campaign_progress(campaign)
    report = Report(f"Campaign “{NAME}”")
    sizes = list(Batch.objects.filter(campaign=campaign).values_list("size", flat=True))
    senders = Batch.objects.filter(campaign=campaign).values("sender").distinct().count()
    report.say("customers in the segment", progress.total)
    report.say("recipients", campaign.recipients or 0)
    report.say("batches", f"{len(sizes)}, the largest of {max(sizes, default=0)}")
    report.say(
        "why more than 6", f"WeCom takes one sender per call, and {senders} people have recipients"
    )
    states = progress.states
    report.say("sent", states.get(DeliveryState.SENT, 0))
    for state, reason, count in progress.reasons:
        report.say(f"{state.label}: {reason.label}", count)
    report.expect("recipients planned", campaign.recipients, RECIPIENTS)
    report.expect("skipped, with a reason", campaign.skipped, SKIPPED)
    report.expect_that(
        f"no batch over {BATCH_LIMIT}", max(sizes, default=0), right=max(sizes) <= BATCH_LIMIT
    )
    _expect_everybody_accounted_for(report, states, why_not=stage.why_not)
    if stage.control:
        _compare(report, campaign, stage.control)
    return report


def _expect_everybody_accounted_for(
    report: Report, states: dict[DeliveryState, int], *, why_not: str
) -> None:
    over = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SKIPPED)
    report.expect("in some state", sum(states.values()), RECIPIENTS + SKIPPED)
    report.expect(
        "sent + failed + skipped",
        sum(states.get(state, 0) for state in over),
        RECIPIENTS + SKIPPED,
        why_not=why_not,
    )


def _is_planned(campaign: Campaign) -> tuple[bool, str]:
    campaign.refresh_from_db()
    planned = campaign.state not in {CampaignState.DRAFT, CampaignState.SCHEDULED}
    return planned, "" if planned else "campaign: scheduled, a worker is freezing its audience"


def _plan_in_words(campaign: Campaign) -> str:
    batches = Batch.objects.filter(campaign=campaign)
    return (
        f"campaign: {campaign.recipients or 0:,} recipients, {batches.count()} batches of at most "
        f"{BATCH_LIMIT}, {batches.values('sender').distinct().count()} senders "
        "(WeCom takes one sender per call, so more than 6 batches); "
        f"{campaign.skipped} skipped with a reason"
    )


def _is_handed(campaign: Campaign) -> tuple[bool, str]:
    states = campaign_progress(campaign).batch_states
    moving = (BatchState.WAITING, BatchState.SENDING, BatchState.UNCLEAR)
    total = sum(states.values())
    left = sum(states.get(state, 0) for state in moving)
    return not left, f"campaign: {total - left} of {total} batches handed to WeCom"


def _lose_a_few(control: SandboxControl, campaign: Campaign) -> None:
    handed = Delivery.objects.filter(campaign=campaign, state=DeliveryState.HANDED)
    for delivery in handed.select_related("batch__sender").order_by("customer")[:LOST_ON_THE_WAY]:
        sender = delivery.batch.sender if delivery.batch else None
        try:
            control.remove(
                external_userid=delivery.address,
                userid=(sender.wecom_userid or "") if sender else "",
            )
        except httpx.HTTPStatusError:
            continue  # gone already: an interrupted demo had come this far


def _is_settled(campaign: Campaign) -> tuple[bool, str]:
    campaign.refresh_from_db()
    states = campaign_progress(campaign).states
    sent, failed = states.get(DeliveryState.SENT, 0), states.get(DeliveryState.FAILED, 0)
    words = f"campaign: results of {sent + failed:,} of {campaign.recipients or 0:,} recipients"
    return campaign.state == CampaignState.DONE, words


def _compare(report: Report, campaign: Campaign, control: SandboxControl) -> None:
    """Hold every recipient against the sandbox's own ledger."""
    references = set(Batch.objects.filter(campaign=campaign).values_list("reference", flat=True))
    messages = [row for row in control.rows("messages") if row["msgid"] in references]
    texts = {row["text"] for row in messages}
    received: Counter[str] = Counter()
    for row in control.rows("deliveries"):
        if row["text"] in texts:
            received[row["external_userid"]] += row["times"]
    ours = dict(
        Delivery.objects.filter(campaign=campaign, state=DeliveryState.SENT).values_list(
            "address", "customer"
        )
    )
    statuses = {
        who: status
        for message in messages
        for task in message["tasks"]
        for who, status in task["recipients"].items()
    }
    report.expect("messages at WeCom, one per batch", len(messages), len(references))
    report.expect("got it twice", sum(times > 1 for times in received.values()), 0)
    report.expect("got it, and we do not know", len(received.keys() - ours.keys()), 0)
    report.expect("did not get it, and we say sent", len(ours.keys() - received.keys()), 0)
    report.expect("fate differs from WeCom's", _differences(campaign, statuses), 0)
    report.expect("not a friend any more", _failed(campaign), LOST_ON_THE_WAY)
    report.expect("calls beyond a documented limit", control.ledger()["violations_total"], 0)


def _differences(campaign: Campaign, statuses: dict[str, int]) -> int:
    rows = Delivery.objects.filter(campaign=campaign, batch__isnull=False)
    ours = {
        address: _FATES.get(DeliveryReason(reason)) or _FATES.get(DeliveryState(state), 0)
        for address, state, reason in rows.values_list("address", "state", "reason")
    }
    return sum(ours.get(who) != statuses.get(who) for who in ours.keys() | statuses.keys())


def _failed(campaign: Campaign) -> int:
    rows = Delivery.objects.filter(campaign=campaign, reason=DeliveryReason.NOT_A_FRIEND)
    return rows.count()
