"""Splitting an audience, trying wordings, and the control group."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.batches import claim_batch, parcel_of
from campaigns.actions.changes import clone_campaign
from campaigns.actions.due import experiments_to_decide
from campaigns.actions.experiments import (
    Trial,
    VariantWords,
    choose_winner,
    decide_experiment,
    set_experiment,
)
from campaigns.actions.pump import pump_campaign
from campaigns.audience import preview_campaign
from campaigns.enums import CampaignState, DeliveryReason, DeliveryState
from campaigns.experiments import standing_of
from campaigns.letters import Writer
from campaigns.models import Batch, Campaign, Delivery, Engagement, Experiment
from campaigns.recipients import recipients_in
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry, Notice
from tests.builders import make_content, make_customers, make_segment, make_staff

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TWO = (VariantWords(share=50, text="One"), VariantWords(share=50, text="Two"))


def plan(trial: Trial, *, people: int = 400, channel: str = "echo") -> Campaign:
    make_customers(people, owner=make_staff("Lin"), followed=channel == "wecom")
    campaign = act.create_campaign(
        name="Spring", content=make_content("None"), segment=make_segment(),
        channel=channel, actor=make_staff("Tao"), now=NOW,
    )  # fmt: skip
    set_experiment(campaign, trial, actor=None, now=NOW)
    act.schedule_campaign(campaign, send_at=NOW, actor=None, now=NOW)
    act.plan_campaign(campaign.pk, now=NOW)
    campaign.refresh_from_db()
    return campaign


def counts(campaign: Campaign) -> Counter[object]:
    return Counter(
        Delivery.objects.filter(campaign=campaign, state="queued").values_list("variant", flat=True)
    )


def test_everybody_is_split_by_the_shares_and_a_batch_has_one_wording():
    thirds = (VariantWords(share=70, text="One"), VariantWords(share=30, text="Two"))

    campaign = plan(Trial(variants=thirds))

    found = counts(campaign)
    assert set(found) == {0, 1}
    assert 230 < found[0] < 330
    for batch in Batch.objects.filter(campaign=campaign):
        rows = batch.deliveries.values_list("variant", flat=True)
        assert set(rows) == {batch.variant}
        assert batch.state == "waiting"


def test_the_same_people_always_get_the_same():
    campaign = plan(Trial(variants=TWO, control_share=10))
    first = dict(Delivery.objects.filter(campaign=campaign).values_list("customer", "variant"))
    preview = preview_campaign(campaign)

    Delivery.objects.filter(campaign=campaign).delete()
    Batch.objects.filter(campaign=campaign).delete()
    Campaign.objects.filter(pk=campaign.pk).update(
        state="scheduled", planned_at=None, recipients=None, skipped=None
    )
    act.plan_campaign(campaign.pk, now=NOW)

    again = dict(Delivery.objects.filter(campaign=campaign).values_list("customer", "variant"))
    assert again == first
    control = Delivery.objects.filter(campaign=campaign, reason=DeliveryReason.CONTROL).count()
    assert preview.skipped == {DeliveryReason.CONTROL: control}
    assert 15 < control < 70


def test_the_control_group_gets_nothing_and_says_so():
    campaign = plan(Trial(control_share=50), people=100)

    control = Delivery.objects.filter(campaign=campaign, reason="control")
    assert {(row.state, row.batch_id, row.variant) for row in control} == {("skipped", None, None)}
    assert campaign.skipped == control.count()
    assert campaign.recipients == 100 - control.count()


def test_letters_carry_the_words_of_their_batch():
    campaign = plan(Trial(variants=TWO), people=30)
    writer = Writer(campaign)

    for batch in Batch.objects.filter(campaign=campaign):
        said = {
            writer.letter(person, batch.variant).text
            for person in recipients_in([batch.pk], DeliveryState.QUEUED)
        }
        assert said == {"One" if batch.variant == 0 else "Two"}


def test_a_call_to_wecom_carries_one_wording():
    campaign = plan(Trial(variants=TWO), people=30, channel="wecom")
    said = set()
    while batch := claim_batch(campaign.pk, now=NOW):
        said.add((batch.variant, parcel_of(batch).text))

    assert said == {(0, "One"), (1, "Two")}


def on_trial(rule: str = "reply", hours: int | None = 24, channel: str = "echo") -> Campaign:
    campaign = plan(
        Trial(variants=TWO, test_share=50, winner_rule=rule, winner_after_hours=hours),
        channel=channel,
    )
    pump_campaign(campaign.pk)
    campaign.refresh_from_db()
    return campaign


def replies(campaign: Campaign, variant: int, number: int) -> None:
    sent = Delivery.objects.filter(campaign=campaign, variant=variant, state="sent")
    for row in sent[:number]:
        Engagement.objects.create(
            campaign=campaign, customer_id=row.customer_id, kind="replied", count=1,
            first_at=NOW, last_at=NOW,
        )  # fmt: skip


def test_the_rest_waits_for_the_winner():
    campaign = on_trial()

    held = Batch.objects.filter(campaign=campaign, state="held")
    assert held
    assert not held.exclude(variant=None).exists()
    assert campaign.state == CampaignState.SENDING
    assert set(counts(campaign)) == {None}
    assert experiments_to_decide(NOW + timedelta(hours=23)) == []
    assert experiments_to_decide(NOW + timedelta(hours=24)) == [campaign.pk]


def test_the_best_goes_to_the_rest():
    campaign = on_trial()
    replies(campaign, 0, 3)
    replies(campaign, 1, 9)
    later = NOW + timedelta(hours=24)

    decide_experiment(campaign.pk, now=later)
    decide_experiment(campaign.pk, now=later)

    experiment = Experiment.objects.get(campaign=campaign)
    assert (experiment.winner, experiment.decided_at, experiment.decided_by) == (1, later, None)
    released = Batch.objects.filter(campaign=campaign, state="waiting")
    assert set(released.values_list("variant", flat=True)) == {1}
    assert HistoryEntry.objects.filter(action="campaign.winner_chosen").count() == 1
    pump_campaign(campaign.pk)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DONE
    assert Delivery.objects.filter(campaign=campaign, state="sent").count() == 400


def test_those_whom_it_left_out_at_last_are_no_recipients_of_a_wording():
    campaign = on_trial()
    left_out = Delivery.objects.filter(campaign=campaign, variant=0, state="sent")[:1].get()
    before = standing_of(campaign).variants[0].recipients

    Delivery.objects.filter(pk=left_out.pk).update(state="skipped", reason="opted_out")

    assert standing_of(campaign).variants[0].recipients == before - 1


def test_a_tie_asks_a_person_who_chooses():
    campaign = on_trial()

    decide_experiment(campaign.pk, now=NOW + timedelta(hours=24))

    experiment = Experiment.objects.get(campaign=campaign)
    assert (experiment.winner, experiment.decide_at) == (None, None)
    assert Batch.objects.filter(campaign=campaign, state="held").exists()
    assert Notice.objects.get().data["what"] == "winner"
    jin = make_staff("Jin")
    choose_winner(campaign, 0, actor=jin, now=NOW)
    with pytest.raises(MovedOn):
        choose_winner(campaign, 1, actor=jin, now=NOW)
    experiment.refresh_from_db()
    assert (experiment.winner, experiment.decided_by) == (0, jin)


def test_a_paused_campaign_may_have_its_winner_and_sends_later():
    campaign = on_trial(rule="hand", hours=None)
    act.pause_campaign(campaign, actor=None, now=NOW)

    choose_winner(campaign, 0, actor=make_staff("Jin"), now=NOW)

    assert claim_batch(campaign.pk, now=NOW) is None


def test_a_cancelled_campaign_has_no_winner_and_nothing_held():
    campaign = on_trial()
    act.cancel_campaign(campaign, actor=None, now=NOW)

    with pytest.raises(MovedOn):
        choose_winner(campaign, 0, actor=make_staff("Jin"), now=NOW)

    assert not Batch.objects.filter(campaign=campaign, state="held").exists()
    assert not Delivery.objects.filter(campaign=campaign, state="queued").exists()


def test_a_difference_is_weighed():
    campaign = on_trial()
    replies(campaign, 0, 5)
    replies(campaign, 1, 30)

    standing = standing_of(campaign)

    assert standing.leader is not None
    assert standing.leader.letter == "B"
    assert standing.is_significant
    assert [one.replied for one in standing.variants] == [5, 30]


@pytest.mark.parametrize("trial", [
    Trial(variants=TWO[:1]),
    Trial(variants=(TWO[0], VariantWords(share=49, text="Two"))),
    Trial(variants=(*TWO, *TWO, *TWO)),
    Trial(variants=(TWO[0], VariantWords(share=50, text=" "))),
    Trial(variants=TWO, test_share=100, winner_rule="hand"),
    Trial(variants=TWO, test_share=20),
    Trial(variants=TWO, test_share=20, winner_rule="reply"),
    Trial(variants=TWO, test_share=20, winner_rule="hand", winner_after_hours=2),
    Trial(variants=TWO, winner_rule="reply", winner_after_hours=2),
    Trial(test_share=20, winner_rule="hand"),
    Trial(variants=TWO, test_share=20, winner_rule="read", winner_after_hours=2),
    Trial(variants=TWO, test_share=20, winner_rule="click", winner_after_hours=2),
    Trial(variants=TWO, test_share=20, winner_rule="reply", winner_after_hours=2),
    Trial(control_share=51),
])  # fmt: skip
def test_what_does_not_go_together_is_refused_and_changes_nothing(trial):
    campaign = act.create_campaign(
        name="Spring", content=make_content(), segment=make_segment(), actor=None, now=NOW
    )

    with pytest.raises(RuleBroken):
        set_experiment(campaign, trial, actor=None, now=NOW)

    assert not Experiment.objects.exists()
    assert not campaign.variants.exists()


def test_a_draft_whose_winner_nobody_would_find_is_not_scheduled():
    """Drafted, or copied from one, before the channel's word on replies was asked for."""
    campaign = act.create_campaign(
        name="Spring", content=make_content(), segment=make_segment(), actor=None, now=NOW
    )
    trial = Trial(variants=TWO, test_share=20, winner_rule="conversion", winner_after_hours=2)
    set_experiment(campaign, trial, actor=None, now=NOW)
    Experiment.objects.update(winner_rule="reply")
    copy = clone_campaign(campaign, actor=None, now=NOW)

    for draft in (campaign, copy):
        with pytest.raises(RuleBroken, match="which wording is most answered"):
            act.schedule_campaign(draft, send_at=NOW, actor=None, now=NOW)
        draft.refresh_from_db()
        assert draft.state == CampaignState.DRAFT

    set_experiment(campaign, trial, actor=None, now=NOW)
    act.schedule_campaign(campaign, send_at=NOW, actor=None, now=NOW)
    assert campaign.state == CampaignState.SCHEDULED
