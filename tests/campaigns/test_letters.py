"""The engine of letters, against a gateway and a mail server that take, refuse, stall and hang up."""

from collections import Counter
from datetime import timedelta
from email import message_from_string, policy
from itertools import count
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.batches import expire_leases, look_up_batch
from campaigns.actions.due import campaigns_to_send
from campaigns.actions.letter_lease import LEASE, LONG_LEASE
from campaigns.actions.letters import LOOK_AT, Turn
from campaigns.actions.missed import end_missed
from campaigns.actions.pump import pump_campaign
from campaigns.actions.tallies import fold_tallies
from campaigns.actions.unclear import check_unclear, send_again, write_off
from campaigns.actions.wordings import Wording
from campaigns.channels import available_channels, direct_connector
from campaigns.enums import BatchState, CampaignState, DeliveryReason
from campaigns.models import Batch, Campaign, ChannelPace, Delivery, Tally
from campaigns.queries import delivery_counts
from connectors.base import Answer, Outcome
from connectors.smtp.channel import CHECK_EVERY
from connectors.smtp.line import END_SECONDS
from contacts.actions.consent import opt_out
from contacts.enums import IdentityKind
from contacts.errors import RuleBroken
from contacts.models import Customer, HistoryEntry
from tests.builders import make_content, make_customers, make_identity, make_segment, make_staff
from tests.campaigns.planning import planned
from tests.gateways import Gateway, MailServer

pytestmark = pytest.mark.django_db


def plan(
    channel: str = "webhook", text: str = "Dear {customer|friend}, {guide}", **more: Any
) -> Campaign:
    return planned(text, channel=channel, **more)


def fresh(campaign: Campaign) -> Campaign:
    campaign.refresh_from_db()
    return campaign


def states(campaign: Campaign) -> dict[str, int]:
    """What the tallies say, which has to be what there is."""
    told: dict[str, int] = {}
    for state, _reason, n in delivery_counts(campaign):
        told[state.value] = told.get(state.value, 0) + n
    rows = Delivery.objects.filter(campaign=campaign).values_list("state", flat=True)
    real = dict(Counter(rows))
    assert told == real
    return told


def people(number: int, kind: IdentityKind | None = None) -> list[Customer]:
    customers = list(make_customers(number, owner=make_staff("Lin")))
    if kind:
        for place, customer in enumerate(customers):
            value = (
                f"p{place}@example.com" if kind == IdentityKind.EMAIL else f"+861381234{place:04}"
            )
            make_identity(customer, value, kind=kind)
    return customers


def go_on(campaign: Campaign) -> None:
    """Let batches that wait a while go at once."""
    Batch.objects.filter(campaign=campaign, state="waiting").update(next_attempt_at=None)
    ChannelPace.objects.update(rest_until=None)
    pump_campaign(campaign.pk)


def test_everybody_gets_one_letter_of_their_own(gateway: Gateway) -> None:
    chen, *_rest = people(450)
    Customer.objects.filter(pk=chen.pk).update(name="Chen")

    campaign = plan()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 450}
    assert sorted(Batch.objects.values_list("size", flat=True)) == [50, 200, 200]
    assert set(Batch.objects.values_list("state", flat=True)) == {BatchState.DONE}
    assert fresh(campaign).state == CampaignState.DONE
    assert len(gateway.taken) == 450
    assert not gateway.repeats
    said = next(call for call in gateway.calls if call["to"] == str(chen.pk))
    assert said["text"] == "Dear Chen, Lin"
    assert said["key"] == f"liuke-{campaign.pk}-{chen.pk}"


@pytest.mark.parametrize("per_call", [1, 200])
def test_nobody_gets_it_twice_from_one_claim_to_the_next(
    gateway: Gateway, settings: Any, per_call: int
) -> None:
    settings.CAMPAIGN_WEBHOOK_PER_CALL = per_call
    people(1_500)

    campaign = plan()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 1_500}
    assert not gateway.repeats


def test_connections_are_kept(gateway: Gateway) -> None:
    people(300)

    for _campaign in range(4):
        pump_campaign(plan().pk)

    assert len(gateway.taken) == 1200
    assert gateway.connections < 400


def test_two_hundred_in_a_call(gateway: Gateway, settings: Any) -> None:
    settings.CAMPAIGN_WEBHOOK_PER_CALL = 200
    customers = people(450)
    refused = customers[7].pk
    gateway.answer = lambda called: {
        "results": [
            {"key": row["key"], "outcome": "refused" if row["to"] == str(refused) else "taken"}
            for row in called["messages"]
        ]
    }

    campaign = plan()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 449, "failed": 1}
    assert max(len(call["messages"]) for call in gateway.calls) <= 200


def test_what_the_gateway_refuses_has_failed_and_holds_up_nobody(gateway: Gateway) -> None:
    customers = people(30)
    bad = {str(customers[3].pk), str(customers[20].pk)}
    gateway.act = lambda called: 400 if called["to"] in bad else 200

    campaign = plan()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 28, "failed": 2}
    reasons = Delivery.objects.filter(state="failed").values_list("reason", flat=True)
    assert set(reasons) == {DeliveryReason.CHANNEL_ERROR}
    assert fresh(campaign).state == CampaignState.DONE


def test_busy_letters_go_again_under_the_same_key(gateway: Gateway) -> None:
    people(60)
    turn = count()
    gateway.act = lambda _called: 503 if next(turn) % 7 == 0 else 200

    campaign = plan()
    pump_campaign(campaign.pk)
    assert states(campaign)["sent"] < 60
    assert Batch.objects.filter(next_attempt_at__gt=timezone.now()).exists()
    for _again in range(6):
        go_on(campaign)

    assert states(campaign) == {"sent": 60}
    assert not gateway.repeats


def test_lost_answers_do_not_double_where_the_key_is_honoured(gateway: Gateway) -> None:
    people(60)
    turn = count()
    gateway.act = lambda _called: "lose" if next(turn) % 5 == 0 else 200

    campaign = plan()
    pump_campaign(campaign.pk)
    for _again in range(8):
        go_on(campaign)

    assert states(campaign) == {"sent": 60}
    assert len(gateway.taken) == 60


def test_an_unclear_letter_that_meets_a_busy_gateway_goes_again(gateway: Gateway) -> None:
    people(3)
    campaign = plan()
    gateway.act = lambda _called: "lose"
    pump_campaign(campaign.pk)
    assert states(campaign) == {"unclear": 3}
    gateway.act = lambda _called: 503
    go_on(campaign)
    assert states(campaign) == {"unclear": 3}
    gateway.act = lambda _called: 200

    go_on(campaign)

    assert states(campaign) == {"sent": 3}
    assert len(gateway.taken) == 3


def test_a_channel_that_takes_nothing_rests_ever_longer(gateway: Gateway) -> None:
    people(300)
    gateway.act = lambda _called: 503

    campaign = plan()
    pump_campaign(campaign.pk)

    pace = ChannelPace.objects.get(pk="webhook")
    assert pace.rest_until is not None
    assert pace.rest_until > timezone.now()
    calls = len(gateway.calls)
    assert calls < 300
    pump_campaign(campaign.pk)
    assert len(gateway.calls) == calls
    assert campaigns_to_send(timezone.now()) == []
    assert campaigns_to_send(timezone.now() + timedelta(minutes=2)) == [campaign.pk]
    assert states(campaign) == {"queued": 300}
    first = pace.rest_until - timezone.now()
    go_on(campaign)
    again = ChannelPace.objects.get(pk="webhook").rest_until
    assert again is not None
    assert again - timezone.now() > first * 1.5


def test_one_refused_call_for_many_is_one_trouble_and_not_many(
    gateway: Gateway, settings: Any
) -> None:
    settings.CAMPAIGN_WEBHOOK_PER_CALL = 20
    people(1_000)
    gateway.act = lambda _called: 503 if len(gateway.calls) % 10 == 5 else 200

    campaign = plan()
    pump_campaign(campaign.pk)

    assert not ChannelPace.objects.filter(channel="webhook", rest_until__isnull=False).exists()
    assert states(campaign)["sent"] >= 800


def test_a_channel_that_takes_some_in_between_does_not_rest_ever_longer(gateway: Gateway) -> None:
    people(300)
    ChannelPace.objects.create(channel="webhook", streak=5, why="long ago")
    gateway.act = lambda _called: 200 if len(gateway.calls) < 50 else 503

    pump_campaign(plan().pk)

    pace = ChannelPace.objects.get(pk="webhook")
    assert pace.rest_until is not None
    assert pace.rest_until < timezone.now() + timedelta(seconds=6)


def test_one_channels_trouble_is_not_anothers(gateway: Gateway) -> None:
    people(50)
    gateway.act = lambda _called: 503
    pump_campaign(plan().pk)

    other = plan("echo")
    pump_campaign(other.pk)

    assert states(other) == {"sent": 50}


def test_a_channel_that_works_again_is_forgiven(gateway: Gateway) -> None:
    people(50)
    gateway.act = lambda _called: 503
    campaign = plan()
    pump_campaign(campaign.pk)
    gateway.act = lambda _called: 200

    go_on(campaign)

    assert states(campaign) == {"sent": 50}
    assert ChannelPace.objects.get(pk="webhook").streak == 0


def test_pause_stops_drawing_and_resume_goes_on(gateway: Gateway) -> None:
    people(600)
    campaign = plan()

    def pause_at(called: dict[str, Any]) -> int:
        if len(gateway.calls) == 100:
            Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.PAUSED)
        return 200

    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letters = turn._letters()
    drawn = [next(letters) for _letter in range(10)]
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.PAUSED)
    turn._looked_at = 0.0  # half a second later

    assert all(drawn)
    assert next(letters, "over") == "over"
    for letter in filter(None, drawn):
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()
    assert states(campaign) == {"sent": 10, "queued": 590}
    assert set(Batch.objects.values_list("state", flat=True)) == {BatchState.WAITING}
    pump_campaign(campaign.pk)
    assert gateway.calls == []
    act.resume_campaign(fresh(campaign), actor=None, now=timezone.now())
    pump_campaign(campaign.pk)
    assert states(campaign) == {"sent": 600}


def test_cancel_ends_what_was_not_drawn(gateway: Gateway) -> None:
    people(300)
    campaign = plan()
    gateway.act = lambda called: 200 if int(called["to"]) % 2 else 503
    pump_campaign(campaign.pk)
    sent = len(gateway.taken)

    act.cancel_campaign(fresh(campaign), actor=None, now=timezone.now())
    go_on(campaign)

    assert states(campaign) == {"sent": sent, "cancelled": 300 - sent}
    assert len(gateway.taken) == sent


def test_a_batch_in_a_call_while_the_campaign_is_cancelled_ends_too(gateway: Gateway) -> None:
    people(30)
    campaign = plan()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letter = next(turn._letters())
    assert letter
    act.cancel_campaign(fresh(campaign), actor=None, now=timezone.now())
    turn._hear(Answer(letter.key, Outcome.BUSY, retry_after=1.0))
    turn._give_back()

    assert states(campaign) == {"cancelled": 30}
    assert Batch.objects.get().state == BatchState.CANCELLED


def test_whose_answer_was_lost_is_shown_when_the_campaign_is_cancelled(gateway: Gateway) -> None:
    people(60)
    turn = count()
    gateway.act = lambda _called: "lose" if next(turn) % 5 == 0 else 503
    campaign = plan()
    pump_campaign(campaign.pk)
    lost = len(gateway.taken)
    assert lost

    act.cancel_campaign(fresh(campaign), actor=None, now=timezone.now())
    go_on(campaign)

    assert states(campaign) == {"unclear": lost, "cancelled": 60 - lost}
    shown = Delivery.objects.filter(state="unclear").values_list("customer_id", flat=True)
    assert {f"liuke-{campaign.pk}-{pk}" for pk in shown} == gateway.taken.keys()
    assert Batch.objects.get().state == BatchState.UNCLEAR
    assert write_off(fresh(campaign), actor=None, now=timezone.now()) == lost
    assert fresh(campaign).state == CampaignState.CANCELLED


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_a_dead_workers_letters_are_shown_when_the_campaign_is_cancelled(
    gateway: Gateway, *, cancelled_first: bool
) -> None:
    people(50)
    campaign = plan()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    assert next(turn._letters())
    later = timezone.now() + LEASE * 2

    if not cancelled_first:
        assert expire_leases(now=later) == 1
    act.cancel_campaign(fresh(campaign), actor=None, now=timezone.now())
    if cancelled_first:
        assert expire_leases(now=later) == 1

    assert states(campaign) == {"unclear": 50}
    assert Batch.objects.get().state == BatchState.UNCLEAR


def test_who_opts_out_while_unclear_is_not_sent_to_again(gateway: Gateway) -> None:
    customers = people(10)
    gateway.act = lambda called: "lose" if called["to"] == str(customers[2].pk) else 200
    campaign = plan()
    pump_campaign(campaign.pk)
    assert states(campaign) == {"sent": 9, "unclear": 1}
    assert Batch.objects.get().state == BatchState.WAITING
    opt_out(customers[2], source="test", now=timezone.now())

    go_on(campaign)

    assert states(campaign) == {"sent": 9, "failed": 1}
    assert Delivery.objects.get(state="failed").reason == DeliveryReason.UNKNOWN
    assert not gateway.repeats
    assert Batch.objects.get().state == BatchState.DONE
    assert fresh(campaign).state == CampaignState.DONE


def test_slowest_mail_server_answers_within_the_lease() -> None:
    """A letter waits for the answer to the mail before it, then for its own."""
    each = timedelta(seconds=END_SECONDS + CHECK_EVERY)

    assert 2 * each + timedelta(seconds=LOOK_AT) < LONG_LEASE


@pytest.mark.django_db(transaction=True)
def test_a_turn_that_breaks_off_sends_no_mail_twice(mails: MailServer) -> None:
    customers = people(200, IdentityKind.EMAIL)
    campaign = plan("email", wording=Wording(subject="Spring"))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'broken off'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER break_off BEFORE UPDATE ON campaigns_delivery FOR EACH ROW"
            f" WHEN (NEW.customer_id = {customers[170].pk:d} AND NEW.state = 'sent')"
            " EXECUTE FUNCTION break_off()"
        )
    with pytest.raises(DatabaseError, match="broken off"):
        pump_campaign(campaign.pk)
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION break_off CASCADE")
    assert Batch.objects.get().state == BatchState.SENDING

    assert expire_leases(now=timezone.now() + LONG_LEASE * 2) == 1
    go_on(campaign)

    assert len({to for to, _mail in mails.mails}) == len(mails.mails)
    told = states(campaign)
    assert told["sent"] + told["unclear"] == 200
    assert told["unclear"]


def test_opting_out_counts_until_the_letter_is_drawn(gateway: Gateway) -> None:
    customers = people(40)
    campaign = plan()
    opt_out(customers[5], source="test", now=timezone.now())

    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 39, "skipped": 1}
    assert f"liuke-{campaign.pk}-{customers[5].pk}" not in gateway.taken


@pytest.mark.parametrize("how", ["opted out", "said no to the channel"])
def test_who_says_no_while_others_are_drawn_gets_nothing(gateway: Gateway, how: str) -> None:
    customers = people(40)
    campaign = plan()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letters = turn._letters()
    drawn = [next(letters) for _letter in range(5)]
    last = customers[-1]
    if how == "opted out":
        opt_out(last, source="test", now=timezone.now())
    else:
        opt_out(last, source="test", now=timezone.now(), channel="webhook")
    turn._looked_at = 0.0  # half a second later

    drawn += list(letters)

    assert f"liuke-{campaign.pk}-{last.pk}" not in {letter.key for letter in drawn if letter}
    for letter in filter(None, drawn):
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()
    pump_campaign(campaign.pk)
    assert states(campaign) == {"sent": 39, "skipped": 1}


def test_what_is_left_after_its_time_is_missed(gateway: Gateway) -> None:
    people(250)
    now = timezone.now()
    campaign = plan(send_until=now + timedelta(hours=1))
    later = now + timedelta(hours=2)

    assert campaigns_to_send(later) == [campaign.pk]
    end_missed(campaign.pk, now=later)

    assert states(campaign) == {"cancelled": 250}
    assert set(Delivery.objects.values_list("reason", flat=True)) == {DeliveryReason.MISSED}
    assert fresh(campaign).state == CampaignState.DONE
    pump_campaign(campaign.pk)
    assert gateway.calls == []


def test_a_dead_workers_letters_go_again_at_once_where_keys_are_honoured(gateway: Gateway) -> None:
    people(100)
    campaign = plan()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letters = turn._letters()
    for _letter in range(30):
        next(letters)

    now = timezone.now()
    assert expire_leases(now=now) == 0
    assert expire_leases(now=now + LEASE * 2) == 1

    assert states(campaign) == {"unclear": 100}
    assert Batch.objects.get().state == BatchState.WAITING
    pump_campaign(campaign.pk)
    assert states(campaign) == {"sent": 100}
    turn._write()
    turn._give_back()  # the dead one comes back: it may write nothing any more
    assert states(campaign) == {"sent": 100}


def test_a_dead_workers_mails_are_unclear_as_far_as_they_were_drawn(mails: MailServer) -> None:
    people(200, IdentityKind.EMAIL)
    campaign = plan("email", wording=Wording(subject="Spring"))
    turn = Turn(campaign, direct_connector("email"), end=float("inf"))
    letters = turn._letters()
    for _letter in range(30):
        next(letters)

    assert expire_leases(now=timezone.now() + LONG_LEASE * 2) == 1

    assert states(campaign) == {"unclear": 120, "queued": 80}
    pump_campaign(campaign.pk)
    assert states(campaign) == {"unclear": 120, "sent": 80}
    assert Batch.objects.get().state == BatchState.UNCLEAR
    assert fresh(campaign).state == CampaignState.WAITING
    assert len(mails.mails) == 80


def test_a_mail_that_was_drawn_leaves_late_only_if_it_still_may(mails: MailServer) -> None:
    customers = people(5, IdentityKind.EMAIL)
    campaign = plan("email", wording=Wording(subject="Spring"))
    turn = Turn(campaign, direct_connector("email"), end=float("inf"))
    letters = turn._letters()
    first, second = [letter for letter in (next(letters), next(letters)) if letter]
    assert first.may_go
    assert second.may_go

    opt_out(customers[0], source="test", now=timezone.now())

    assert not first.may_go(first.key)
    assert second.may_go(second.key)
    act.pause_campaign(campaign, actor=None, now=timezone.now())
    assert not second.may_go(second.key)


def unclear_mails(mails: MailServer) -> Campaign:
    people(10, IdentityKind.EMAIL)
    mails.after_mail = lambda to: "lose" if to == "p3@example.com" else "250 2.0.0 taken"
    campaign = plan("email", wording=Wording(subject="Spring"))
    pump_campaign(campaign.pk)
    for _again in range(3):
        go_on(campaign)
    assert states(campaign) == {"sent": 9, "unclear": 1}
    assert fresh(campaign).state == CampaignState.WAITING
    return campaign


def test_an_unclear_mail_waits_for_a_person_who_sends_it_again(mails: MailServer) -> None:
    campaign = unclear_mails(mails)
    for _look in range(3):
        look_up_batch(Batch.objects.get().pk, now=timezone.now() + timedelta(hours=1))
    go_on(campaign)
    assert len(mails.mails) == 10
    mails.after_mail = lambda _to: "250 2.0.0 taken"

    assert send_again(campaign, actor=None, now=timezone.now()) == 1
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 10}
    assert fresh(campaign).state == CampaignState.DONE
    assert HistoryEntry.objects.filter(action="campaign.sent_again").count() == 1
    with pytest.raises(RuleBroken):
        send_again(campaign, actor=None, now=timezone.now())


def test_an_unclear_mail_can_be_written_off(mails: MailServer) -> None:
    campaign = unclear_mails(mails)

    with pytest.raises(RuleBroken, match="cannot be asked"):
        check_unclear(campaign, actor=None, now=timezone.now())
    assert write_off(campaign, actor=None, now=timezone.now()) == 1

    assert states(campaign) == {"sent": 9, "failed": 1}
    assert Delivery.objects.get(state="failed").reason == DeliveryReason.WRITTEN_OFF
    assert fresh(campaign).state == CampaignState.DONE
    with pytest.raises(RuleBroken, match="Nothing"):
        write_off(campaign, actor=None, now=timezone.now())


def test_mails_have_both_kinds_of_words_and_a_way_out(mails: MailServer) -> None:
    people(1, IdentityKind.EMAIL)
    Customer.objects.update(name="陈 <b>")
    campaign = plan(
        "email",
        text="Dear {customer},\n.\nyours",
        wording=Wording(subject="春天 {customer}", html="<p>Dear {customer}</p>"),
    )
    pump_campaign(campaign.pk)

    ((to, raw),) = mails.mails
    mail = message_from_string(raw, policy=policy.default)
    assert to == "p0@example.com"
    assert mail["Subject"] == "春天 陈 <b>"
    assert mail["From"] == "Shop <news@shop.example>"
    plain, html = mail.iter_parts()
    assert plain.get_content().replace("\r\n", "\n").strip() == "Dear 陈 <b>,\n.\nyours"
    assert "<p>Dear 陈 &lt;b&gt;</p>" in html.get_content()


def test_a_refused_address_fails_alone(mails: MailServer) -> None:
    people(5, IdentityKind.EMAIL)
    mails.reply_to = lambda line: "550 5.1.1 no such user" if "p2@" in line else ""

    campaign = plan("email", wording=Wording(subject="Spring"))
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 4, "failed": 1}
    assert Delivery.objects.get(state="failed").reason == DeliveryReason.INVALID


def test_what_the_channel_says_of_a_refused_letter_stays_with_its_batch(mails: MailServer) -> None:
    people(5, IdentityKind.EMAIL)
    mails.take = lambda to, _mail: "554 5.7.1 spam" if "p2@" in to else "250 2.0.0 ok"

    campaign = plan("email", wording=Wording(subject="Spring"))
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 4, "failed": 1}
    assert Delivery.objects.get(state="failed").reason == DeliveryReason.CHANNEL_ERROR
    batch = Batch.objects.get(campaign=campaign)
    assert (batch.state, batch.error) == ("done", "the mail server refused the mail (554 5.7.1)")


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_puts_off_and_hangs_up_loses_nothing(
    mails: MailServer, *, pipelining: bool
) -> None:
    people(40, IdentityKind.EMAIL)
    turn = count()
    mails.pipelining = pipelining
    mails.reply_to = lambda line: (
        ("450 4.2.0 later" if next(turn) % 9 == 3 else "cut" if next(turn) % 11 == 5 else "")
        if line.startswith("RCPT")
        else ""
    )

    campaign = plan("email", wording=Wording(subject="Spring"))
    pump_campaign(campaign.pk)
    for _again in range(12):
        go_on(campaign)

    assert states(campaign) == {"sent": 40}
    assert len({to for to, _mail in mails.mails}) == len(mails.mails) == 40


def test_a_mail_server_that_is_not_there_makes_the_channel_rest(settings: Any) -> None:
    settings.EMAIL_URL = "smtp://127.0.0.1:1"
    people(30, IdentityKind.EMAIL)

    campaign = plan("email", wording=Wording(subject="Spring"))
    pump_campaign(campaign.pk)

    assert states(campaign) == {"queued": 30}
    assert ChannelPace.objects.get(pk="email").rest_until


def test_a_rate_is_kept(gateway: Gateway, settings: Any) -> None:
    settings.CHANNEL_RATES = {"webhook": 20}
    people(30)
    campaign = plan()

    began = timezone.now()
    pump_campaign(campaign.pk)

    assert states(campaign) == {"sent": 30}
    assert timezone.now() - began > timedelta(seconds=1)


def test_the_sum_of_tallies_survives_folding(gateway: Gateway) -> None:
    people(30)
    campaign = plan()
    pump_campaign(campaign.pk)

    before = states(campaign)
    Tally.objects.bulk_create(
        Tally(campaign=campaign, state="sent", n=n) for n in (1, -1) for _row in range(200)
    )

    assert fold_tallies() == 1

    assert states(campaign) == before == {"sent": 30}
    assert Tally.objects.filter(campaign=campaign).count() == 1
    assert fold_tallies() == 0


@pytest.mark.parametrize(
    ("channel", "text", "more", "why"),
    [
        ("email", "Hi", {}, "subject"),
        ("webhook", "", {}, "empty"),
        ("echo", "Hi", {"wording": Wording(subject="S")}, "neither"),
        ("pigeon", "Hi", {}, "no channel"),
        ("sms", "Hi", {}, "no channel"),
        ("wecom", "Hi {customer}", {}, "cannot be filled"),
    ],
)
def test_what_a_channel_would_not_take_is_not_drafted(
    mails: MailServer, gateway: Gateway, channel: str, text: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(RuleBroken, match=why):
        plan(channel, text, **more)

    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("channel", "item", "why"),
    [
        ("email", {"kind": "link", "title": "Shop", "url": "https://shop.example"}, "cannot send"),
        ("wecom", {"kind": "video", "url": "https://shop.example/v.mp4"}, "the file itself"),
        ("wecom", {"kind": "link", "title": "x" * 129, "url": "https://shop.example"}, "Title"),
        ("wecom", {"kind": "link", "title": "Shop", "url": "javascript:alert(1)"}, "address"),
    ],
)
def test_attachments_that_a_channel_cannot_send_are_refused_at_once(
    mails: MailServer, channel: str, item: dict[str, str], why: str
) -> None:
    content = make_content("Hi", attachments=[item])
    wording = Wording(subject="Spring") if channel == "email" else None

    with pytest.raises(RuleBroken, match=why):
        act.create_campaign(
            name="Spring",
            content=content,
            segment=make_segment(),
            channel=channel,
            wording=wording,
            actor=None,
            now=timezone.now(),
        )

    assert not Campaign.objects.exists()


def test_html_keeps_what_a_mail_needs_and_nothing_that_runs() -> None:
    dirty = (
        '<p style="color:red;position:fixed">Dear {customer}</p><script>alert(1)</script>'
        '<a href="{unsubscribe}" onclick="x()">out</a><a href="javascript:x()">in</a>'
        '<img src="https://shop.example/a.png" onerror="x()"><iframe src="https://x"></iframe>'
    )

    clean = Wording(html=dirty).html

    assert clean == (
        '<p style="color:red">Dear {customer}</p><a href="{unsubscribe}">out</a><a>in</a>'
        '<img src="https://shop.example/a.png">'
    )
    assert Wording(html=clean).html == clean


def test_only_channels_that_are_set_up_are_there(gateway: Gateway) -> None:
    assert available_channels() == ["wecom", "webhook", "echo"]
