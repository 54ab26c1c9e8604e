"""Trying wordings: setting it up, and sending the rest the words that did best."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.approvals import tell_maker
from campaigns.actions.campaigns import PUMPS, begin_sending
from campaigns.actions.changes import open_for_change
from campaigns.actions.wordings import Wording, check_words
from campaigns.enums import BatchState, CampaignState, WinnerRule
from campaigns.experiments import standing_of, why_not_told
from campaigns.html import clean_html
from campaigns.models import Batch, Campaign, Content, Experiment, Variant
from campaigns.models.experiments import LETTERS, MOST_CONTROL, MOST_VARIANTS
from campaigns.tasks import send_batches
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff

UNDER_WAY = (
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.PAUSED,
)
LONGEST_TEST = 720
WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantWords:
    """One wording to try, and its part of those who are split in per cent."""

    share: int
    text: str
    subject: str = ""
    html: str = ""

    def __post_init__(self) -> None:
        """Keep nothing of the HTML that has no place in a mail."""
        object.__setattr__(self, "html", clean_html(self.html))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How recipients are to be split; the fields are those of ``Experiment``."""

    variants: Sequence[VariantWords] = ()
    control_share: int = 0
    test_share: int | None = None
    winner_rule: str = ""
    winner_after_hours: int | None = None


def set_experiment(
    campaign: Campaign,
    trial: Trial,
    *,
    actor: Staff | None,
    now: datetime,
    seed: int | None = None,
) -> None:
    """Split the recipients of a campaign that is not planned yet; it is a draft again.

    An empty trial splits nobody. With the ``seed`` that they were counted with, the same people
    fall into the same parts; otherwise those fall where they fell before. Raises ``RuleBroken`` if
    the parts do not go together or the channel would not take the words.
    """
    _check(campaign, trial)
    with open_for_change(campaign, "campaign.split", actor=actor, now=now):
        if seed is None:
            before = Experiment.objects.filter(campaign=campaign)
            seed = before.values_list("seed", flat=True).first()
        Variant.objects.filter(campaign=campaign).delete()
        Experiment.objects.filter(campaign=campaign).delete()
        if not trial.variants and not trial.control_share:
            return
        Experiment.objects.create(
            campaign=campaign,
            seed=seed,
            control_share=trial.control_share,
            test_share=trial.test_share,
            winner_rule=trial.winner_rule,
            winner_after_hours=trial.winner_after_hours,
        )
        Variant.objects.bulk_create(
            Variant(
                campaign=campaign,
                number=number,
                share=words.share,
                text=words.text,
                subject=words.subject.strip(),
                html=words.html,
            )
            for number, words in enumerate(trial.variants)
        )


def choose_winner(campaign: Campaign, number: int, *, actor: Staff, now: datetime) -> None:
    """Send the rest the words of one variant. Raises ``MovedOn`` if that has been decided."""
    if not campaign.variants.filter(number=number).exists():
        raise RuleBroken(_("There is no such variant."))
    _decide(campaign, number, actor=actor, now=now)


def decide_experiment(campaign_id: int, *, now: datetime) -> None:
    """Find the variant that did best by the rule, and send the rest its words.

    If too few were reached, or the best two did equally well, a person is asked instead: words
    that nobody preferred are not sent to everybody. Safe to call at any time and by anybody.
    """
    due = Experiment.objects.filter(pk=campaign_id, decide_at__lte=now)
    experiment = due.select_related("campaign").first()
    if experiment is None:
        return
    campaign = experiment.campaign
    standing = standing_of(campaign)
    if standing.leader is not None:
        try:
            _decide(campaign, standing.leader.number, actor=None, now=now)
        except MovedOn:
            return  # somebody was faster, or the campaign is over
        return
    with transaction.atomic():
        if due.update(decide_at=None):
            data = {"reason": "tie" if standing.is_enough else "too_few"}
            record(campaign, "campaign.winner_unclear", actor=None, at=now, data=data)
            tell_maker(campaign, "winner", now=now)


def _decide(campaign: Campaign, number: int, *, actor: Staff | None, now: datetime) -> None:
    with transaction.atomic():
        # Nobody cancels it meanwhile: what is released here would wait for ever.
        open_one = Campaign.objects.select_for_update().filter(pk=campaign.pk, state__in=UNDER_WAY)
        if open_one.first() is None:
            raise MovedOn(_("This campaign does not wait for a winner."))
        decided = Experiment.objects.filter(
            pk=campaign.pk, winner=None, test_share__isnull=False
        ).update(winner=number, decided_at=now, decided_by=actor, decide_at=None)
        if not decided:
            raise MovedOn(_("This campaign does not wait for a winner."))
        released = Batch.objects.filter(campaign=campaign, state=BatchState.HELD).update(
            state=BatchState.WAITING, variant=number
        )
        data = {"variant": LETTERS[number].lower(), "batches": released}
        record(campaign, "campaign.winner_chosen", actor=actor, at=now, data=data)
        if not released:
            return
        begin_sending(campaign.pk, now=now)
        for _pump in range(PUMPS):
            ring(send_batches, campaign.pk)


def _check(campaign: Campaign, trial: Trial) -> None:
    if campaign.segment_id is None:
        raise RuleBroken(_("An announcement is not split."))
    if not 0 <= trial.control_share <= MOST_CONTROL:
        raise RuleBroken(_("A control group is at most half of the recipients."))
    if len(trial.variants) == 1 or len(trial.variants) > MOST_VARIANTS:
        raise RuleBroken(_("Compare two, three or four wordings."))
    if trial.variants and sum(words.share for words in trial.variants) != WHOLE:
        raise RuleBroken(_("The shares of the wordings add up to 100."))
    if any(words.share < 1 for words in trial.variants):
        raise RuleBroken(_("Each wording has a share of at least 1."))
    for words in trial.variants:
        _check_wording(campaign, words)
    _check_test(campaign, trial)


def _check_wording(campaign: Campaign, words: VariantWords) -> None:
    attachments: list[Any] = campaign.content.attachments if campaign.content else []
    content = Content(text=words.text, attachments=attachments)
    check_words(content, campaign.channel, Wording(subject=words.subject, html=words.html))


def _check_test(campaign: Campaign, trial: Trial) -> None:
    if trial.test_share is None:
        if trial.winner_rule or trial.winner_after_hours:
            raise RuleBroken(_("Without a test there is no winner."))
        return
    if not trial.variants:
        raise RuleBroken(_("A test compares two, three or four wordings."))
    if not 1 <= trial.test_share < WHOLE:
        raise RuleBroken(_("A test takes between 1 and 99 per cent."))
    _check_winner_rule(campaign, trial)


def _check_winner_rule(campaign: Campaign, trial: Trial) -> None:
    if trial.winner_rule not in WinnerRule.values:
        raise RuleBroken(_("Say how the winner is found."))
    if trial.winner_rule == WinnerRule.HAND:
        if trial.winner_after_hours:
            raise RuleBroken(_("A winner that is chosen by hand has no hour."))
        return
    if not 1 <= (trial.winner_after_hours or 0) <= LONGEST_TEST:
        raise RuleBroken(_("A test lasts between 1 and %(n)s hours.") % {"n": LONGEST_TEST})
    if why := why_not_told(trial.winner_rule, campaign.channel):
        raise RuleBroken(why)
