"""The campaign editor: every step keeps what is typed, and nothing is written before it is sound."""

from datetime import time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.enums import CampaignState, DeliveryReason
from campaigns.models import (
    Campaign,
    CampaignDraft,
    Content,
    Delivery,
    MessagingRules,
    Segment,
)
from contacts.enums import Purpose, Role, Scope
from contacts.models import Customer, Staff
from tests.builders import (
    make_campaign,
    make_content,
    make_customers,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

MESSAGE = {"name": "Spring coats", "text": "{guide} has the new coats.", "channel": "wecom"}
NEW = "/campaigns/new/"


def version(client: Client, address: str = NEW) -> int:
    """The version of the draft that a page opened now shows."""
    number: int = client.get(address).context["version"]
    return number


def type_in(client: Client, step: str, go: str = "next", *, at: str = NEW, **fields: Any) -> Any:
    """Open a step, type, and press a button."""
    seen = version(client, at)
    return client.post(f"{at}{step}/", {"version": seen, "go": go, "window": ""} | fields)


def finish(client: Client, go: str, at: str = NEW) -> Any:
    return client.post(f"{at}check/", {"version": version(client, at), "go": go})


def nothing_written() -> bool:
    return not any(model.objects.exists() for model in (Campaign, Content, Segment, Delivery))


def test_six_steps_make_a_campaign(marketer: Client, yan: Staff):
    tag, store = make_tag("VIP"), make_store("Xujiahui")
    later = timezone.localtime() + timedelta(days=3)

    answers = [
        type_in(marketer, "message", **MESSAGE),
        type_in(
            marketer,
            "audience",
            tags=[tag.pk],
            stores=[store.pk],
            gender="female",
            not_met_days="30",
        ),
        type_in(marketer, "options", purpose="care", skip_if_in_another="on"),
        type_in(marketer, "test"),
        type_in(marketer, "when", when="later", send_at=later.strftime("%Y-%m-%dT%H:%M")),
    ]
    assert [answer["Location"] for answer in answers] == [
        f"{NEW}{step}/" for step in ("audience", "options", "test", "when", "check")
    ]
    assert nothing_written()

    answer = finish(marketer, "schedule")

    campaign = Campaign.objects.get()
    assert answer["Location"] == f"/campaigns/{campaign.pk}/"
    assert (campaign.state, campaign.created_by) == (CampaignState.SCHEDULED, yan)
    assert (campaign.purpose, campaign.skip_if_in_another) == (Purpose.CARE, True)
    assert campaign.send_at == later.replace(second=0, microsecond=0)
    assert campaign.content
    assert campaign.segment
    assert campaign.content.text == MESSAGE["text"]
    assert campaign.segment.rule == {
        "all": [
            {"field": "tag", "op": "any", "value": [tag.pk]},
            {"field": "store", "op": "in", "value": [store.pk]},
            {"field": "gender", "op": "is", "value": "female"},
            {"field": "last_interaction", "op": "before_days", "value": 30},
        ]
    }
    assert not CampaignDraft.objects.exists()


def test_the_count_knows_the_times_that_were_typed(marketer: Client):
    MessagingRules.objects.create(pk=1, quiet_from=time(21), quiet_to=time(9))
    lin = make_staff("Lin")
    make_customers(2, owner=lin, followed=True)
    abroad = make_customers(3, owner=lin, followed=True)
    Customer.objects.filter(pk__in=[one.pk for one in abroad]).update(time_zone="Europe/Paris")
    noon = timezone.localtime().replace(hour=12, minute=0) + timedelta(days=2)
    until = noon + timedelta(hours=2)
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "options", purpose="campaign", send_until=f"{until:%Y-%m-%dT%H:%M}")

    type_in(marketer, "when", when="later", send_at=f"{noon:%Y-%m-%dT%H:%M}")

    page = marketer.get(f"{NEW}options/")
    assert page.context["audience"].reachable == 2
    assert "Skipped: quiet hours last longer than the campaign" in page.text


@pytest.mark.parametrize(
    ("step", "wrong", "words"),
    [
        ("message", {"name": ""}, "Give the campaign a name."),
        ("message", {"text": "汉" * 1334}, "Shorten it by 2."),
        ("message", {"channel": "pigeon"}, "Select a valid choice"),
        ("audience", {"not_met_days": "0"}, "a whole number from 1 to"),
        ("audience", {"tags": ["999"]}, "999 is not one of the available choices"),
        ("options", {"send_until": "soon"}, "Enter a valid date/time."),
        ("options", {"send_until": "2020-01-01T10:00"}, "This time has passed"),
        ("when", {"when": "later", "send_at": "2020-01-01T10:00"}, "This time has passed"),
        ("when", {"when": "later", "send_at": "2080-01-01T10:00"}, "Choose a time within"),
    ],
)
def test_a_refused_step_keeps_everything_that_was_typed(
    marketer: Client, step: str, wrong: dict[str, Any], words: str
):
    typed = (MESSAGE if step == "message" else {}) | wrong

    response = type_in(marketer, step, **typed)

    assert response.status_code == 400
    assert words in response.content.decode()
    kept = CampaignDraft.objects.get().fields
    assert all(
        kept[name] == (value if isinstance(value, list) else [value])
        for name, value in typed.items()
    )
    assert nothing_written()


def test_what_is_typed_survives_sign_out_sound_or_not(client: Client, yan: Staff):
    sign_in(client, yan)
    type_in(client, "message", "keep", name="Half a na", text="汉" * 2000, channel="wecom")
    client.logout()

    page = sign_in(Client(), yan).get(NEW).content.decode()

    assert "Half a na" in page
    assert "汉" * 2000 in page


def test_going_back_and_sideways_needs_nothing_to_be_sound(marketer: Client):
    answer = type_in(marketer, "audience", "message", not_met_days="0")

    assert answer["Location"] == f"{NEW}message/"
    assert 'value="0"' in marketer.get(f"{NEW}audience/").content.decode()


def test_another_window_overwrites_nothing_and_is_told(marketer: Client):
    mine = marketer.get(NEW).context
    type_in(marketer, "message", "keep", **MESSAGE | {"name": "From the other window"})

    htmx = {"HX-Request": "true"}
    mine_typed = MESSAGE | {
        "name": "From this window",
        "version": mine["version"],
        "window": mine["desk"].window,
    }
    silent = marketer.post(f"{NEW}message/", mine_typed | {"go": "keep"}, headers=htmx)
    pressed = marketer.post(f"{NEW}message/", mine_typed | {"go": "next"})

    assert (silent.status_code, pressed.status_code) == (409, 409)
    assert "changed in another window" in silent.content.decode()
    assert "What you type here is not kept from now on. Press Next" in silent.content.decode()
    assert "go on with Next" in pressed.content.decode()
    assert "From this window" in pressed.content.decode()
    assert CampaignDraft.objects.get().fields["name"] == ["From the other window"]


def test_after_the_warning_this_window_may_win(marketer: Client):
    type_in(marketer, "message", "keep", **MESSAGE)
    old = MESSAGE | {"name": "Mine", "version": 0, "window": "a", "go": "next"}
    warned = marketer.post(f"{NEW}message/", old)

    marketer.post(f"{NEW}message/", old | {"version": warned.context["version"]})

    assert CampaignDraft.objects.get().fields["name"] == ["Mine"]


def test_a_window_saves_over_its_own_saves_however_late_they_arrive(marketer: Client):
    window = {"window": "abc", "version": 0, "go": "keep"}
    for name in ("S", "Sp", "Spring"):
        answer = marketer.post(f"{NEW}message/", MESSAGE | window | {"name": name})
        assert answer.status_code == 200

    assert CampaignDraft.objects.get().fields["name"] == ["Spring"]


def test_a_save_that_comes_after_the_next_page_was_opened_disturbs_nothing(marketer: Client):
    late = MESSAGE | {"version": 0, "window": "first page", "go": "keep"}
    marketer.post(f"{NEW}message/", late | {"go": "next"})
    page = marketer.get(f"{NEW}audience/").context

    assert marketer.post(f"{NEW}message/", late).status_code == 200
    after = {"version": page["version"], "window": page["desk"].window, "gender": "female"}
    assert marketer.post(f"{NEW}audience/", after | {"go": "keep"}).status_code == 200


def test_a_draft_changed_elsewhere_is_not_sent_unseen(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    seen = version(marketer)
    type_in(marketer, "message", "keep", **MESSAGE | {"text": "Something else"})

    answer = marketer.post(f"{NEW}check/", {"version": seen, "go": "schedule"})

    assert answer.status_code == 409
    assert nothing_written()


def test_the_check_names_what_is_wrong_on_which_step(marketer: Client):
    type_in(marketer, "message", "keep", name="", text="Hi", channel="wecom")
    type_in(marketer, "when", "keep", when="later", send_at="")

    page = marketer.get(f"{NEW}check/")

    assert [row["step"].name for row in page.context["wrong"]] == ["message", "when"]
    assert 'value="schedule"' not in page.content.decode()
    assert finish(marketer, "schedule").status_code == 400
    assert nothing_written()


def test_the_check_of_an_empty_page_asks_for_no_channel_since_one_is_chosen(marketer: Client):
    (message,) = marketer.get(f"{NEW}check/").context["wrong"]

    assert [str(label) for label, _error in message["errors"]] == ["Name", "Message"]


@pytest.mark.parametrize("where", ["subject", "text", "html", "text_b"])
def test_the_check_names_what_is_no_placeholder(marketer: Client, settings: Any, where: str):
    settings.EMAIL_URL = "smtp://127.0.0.1:25"
    words = {"channel": "email", "subject": "News", "text": "Hi", "html": "<p>Hi</p>"}
    type_in(marketer, "message", "keep", **MESSAGE | words)
    assert marketer.get(f"{NEW}check/").context["unknown"] == []
    step = "test" if where == "text_b" else "message"

    type_in(marketer, step, "keep", **MESSAGE | words | {where: "Dear {custmer}"})

    page = marketer.get(f"{NEW}check/").content.decode()
    assert "No placeholder, goes out as it stands: custmer." in page


def test_the_subject_of_an_e_mail_is_not_called_optional(marketer: Client):
    page = marketer.get(f"{NEW}message/").content.decode()

    subject = page[page.index('for="id_subject"') :]
    assert "optional" not in subject[: subject.index("</label>")]


def test_words_that_the_channel_cannot_fill_are_refused_and_kept(marketer: Client):
    answer = type_in(marketer, "message", **MESSAGE | {"text": "Dear {customer}"})

    assert answer.status_code == 400
    assert "{customer} cannot be filled" in answer.content.decode()
    assert finish(marketer, "save").status_code == 400
    assert CampaignDraft.objects.get().fields["text"] == ["Dear {customer}"]
    assert nothing_written()


def test_the_check_leads_to_the_words_that_the_channel_cannot_fill(marketer: Client):
    type_in(marketer, "message", "keep", **MESSAGE)
    type_in(marketer, "test", "keep", text_b="Dear {customer}")

    (row,) = marketer.get(f"{NEW}check/").context["wrong"]

    assert row["url"] == f"{NEW}test/"
    assert "{customer} cannot be filled" in str(row["errors"])


@pytest.mark.parametrize(
    ("step", "typed", "words"),
    [
        ("audience", {"not_met_days": "99999"}, "Give a whole number from 1 to 3,650."),
        ("options", {"conversion_days": "-3"}, "Give a whole number from 0 to 90."),
        ("test", {"control_share": "half"}, "Give a whole number from 0 to 50."),
        ("test", {"share_a": "150", "text_b": "Hi"}, "Give a whole number from 1 to 99."),
    ],
)
def test_a_number_that_does_not_fit_is_answered_with_those_that_do(
    marketer: Client, step: str, typed: dict[str, str], words: str
):
    type_in(marketer, "message", "keep", **MESSAGE)

    assert words in type_in(marketer, step, **typed).content.decode()


def test_a_campaign_that_needs_a_second_person_does_not_say_that_it_goes_out(marketer: Client):
    change_messaging_rules({"approval_above": 1}, actor=None, now=timezone.now())
    make_customers(2, owner=make_staff("Lin"), followed=True)
    type_in(marketer, "message", "keep", **MESSAGE)

    page = marketer.get(finish(marketer, "schedule")["Location"]).content.decode()

    assert Campaign.objects.get().state == CampaignState.REVIEW
    assert "It goes out once somebody else has approved it" in page
    assert "It goes out now" not in page


def test_the_longest_text_fits_exactly(marketer: Client):
    type_in(marketer, "message", **MESSAGE | {"text": "汉" * 1333 + "a"})
    finish(marketer, "save")

    content = Campaign.objects.get().content
    assert content
    assert len(content.text.encode()) == 4000


def test_an_e_mail_needs_a_subject_and_others_drop_it(marketer: Client, settings: Any):
    settings.EMAIL_URL = "smtp://127.0.0.1:1"
    mail = MESSAGE | {"channel": "email", "text": "Dear {customer}", "html": "<p>Hi</p>"}

    assert "needs a subject" in type_in(marketer, "message", **mail).content.decode()
    type_in(marketer, "message", **mail | {"subject": "Coats"})
    finish(marketer, "save")
    campaign = Campaign.objects.get()
    assert (campaign.channel, campaign.subject, campaign.html) == ("email", "Coats", "<p>Hi</p>")

    edit = f"/campaigns/{campaign.pk}/edit/"
    type_in(marketer, "message", at=edit, **MESSAGE | {"subject": "Coats"})
    finish(marketer, "save", at=edit)
    campaign.refresh_from_db()
    assert (campaign.channel, campaign.subject) == ("wecom", "")


def test_the_audience_is_counted_while_it_is_chosen_before_anything_is_written(marketer: Client):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=lin, followed=True)
    make_customers(1, owner=mei, followed=True)
    make_customers(4, owner=mei)

    answer = marketer.post(
        f"{NEW}audience/", {"version": 0, "go": "keep"}, headers={"HX-Request": "true"}
    )

    audience = answer.context["audience"]
    assert (audience.reachable, audience.batches, audience.senders) == (3, 2, 2)
    assert audience.skipped == {DeliveryReason.NO_ADDRESS: 4}
    assert "one sender per call" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert nothing_written()


def test_an_audience_that_cannot_be_counted_says_why(marketer: Client):
    answer = type_in(marketer, "audience", "keep", not_met_days="0")

    assert answer.status_code == 200
    assert "The audience could not be counted" in answer.content.decode()


def test_a_saved_segment_is_taken_over_the_conditions(marketer: Client):
    rule = {"all": [{"field": "gender", "op": "is", "value": "male"}]}
    kept = make_segment(rule, name="Men")
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "audience", saved=kept.pk, gender="female")

    finish(marketer, "save")

    segment = Campaign.objects.get().segment
    assert segment
    assert segment.rule == rule


def test_a_marketer_of_one_store_reaches_that_store_only(client: Client):
    own, other = make_store("Own"), make_store("Other")
    make_customers(2, owner=make_staff("Lin", store=own), followed=True)
    make_customers(5, owner=make_staff("Mei", store=other), followed=True)
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=own))

    seen = type_in(client, "audience", "keep").context["audience"]
    everybody = make_segment({"all": []}, name="All")
    wide = type_in(client, "audience", "keep", saved=everybody.pk).context["audience"]
    forced = type_in(client, "audience", "keep", stores=[other.pk])

    assert (seen.reachable, wide.reachable) == (2, 2)
    assert "audience" not in forced.context


def test_a_campaign_kept_as_draft_goes_on_where_it_was_left(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "when", "keep", when="later", send_at="2999-01-01T10:00")

    finish(marketer, "save")

    campaign = Campaign.objects.get()
    edit = f"/campaigns/{campaign.pk}/edit/"
    assert campaign.state == CampaignState.DRAFT
    assert "2999-01-01T10:00" in marketer.get(f"{edit}when/").content.decode()
    assert "Spring coats" not in marketer.get(NEW).content.decode()


def test_a_draft_is_changed_and_its_unchanged_parts_stay(marketer: Client):
    campaign = make_campaign(content=make_content("Old words"))
    edit = f"/campaigns/{campaign.pk}/edit/"
    assert "Old words" in marketer.get(edit).content.decode()

    type_in(marketer, "message", at=edit, **MESSAGE)
    assert finish(marketer, "save", at=edit).status_code == 302

    after = Campaign.objects.get()
    assert after.content
    assert (after.name, after.content.text) == (MESSAGE["name"], MESSAGE["text"])
    assert after.segment_id == campaign.segment_id


def test_a_campaign_changed_by_somebody_else_is_not_overwritten(marketer: Client):
    campaign = make_campaign(content=make_content("Old words"))
    edit = f"/campaigns/{campaign.pk}/edit/"
    type_in(marketer, "message", at=edit, **MESSAGE)
    Campaign.objects.filter(pk=campaign.pk).update(name="Hers")

    page = marketer.get(edit).content.decode()
    answer = finish(marketer, "save", at=edit)

    assert "Somebody else has changed this campaign" in page
    assert answer.status_code == 409
    assert Campaign.objects.get().name == "Hers"
    assert Content.objects.count() == 1


@pytest.mark.parametrize(
    "state", [CampaignState.SCHEDULED, CampaignState.SENDING, CampaignState.DONE]
)
def test_only_a_draft_can_be_changed(marketer: Client, state: CampaignState):
    campaign = make_campaign(state=state)

    answer = marketer.post(f"/campaigns/{campaign.pk}/edit/message/", MESSAGE | {"go": "next"})

    assert answer["Location"] == f"/campaigns/{campaign.pk}/"
    assert not CampaignDraft.objects.exists()


def test_everybody_has_a_draft_of_their_own(marketer: Client):
    type_in(marketer, "message", "keep", **MESSAGE)
    other = sign_in(Client(), make_staff("Hua", role=Role.MARKETER))

    assert MESSAGE["name"] not in other.get(NEW).content.decode()
    type_in(other, "message", "keep", **MESSAGE | {"name": "Hers"})
    assert MESSAGE["name"] in marketer.get(NEW).content.decode()


def typed_by(staff: Staff, at: str) -> CampaignDraft:
    """The draft of somebody who has begun to write."""
    type_in(sign_in(Client(), staff), "message", go="keep", at=at, **MESSAGE | {"name": "Mine"})
    return CampaignDraft.objects.get(staff=staff)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("go", ["keep", "discard"])
def test_nobody_sees_or_overwrites_the_draft_of_somebody_else(yan: Staff, is_new: bool, go: str):
    """Not even with its version and its window."""
    at = NEW if is_new else f"/campaigns/{make_campaign('Spring', created_by=yan).pk}/edit/"
    mine = typed_by(yan, at)
    mei = sign_in(Client(), make_staff("Mei", role=Role.MARKETER))

    assert "Mine" not in mei.get(at).text
    assert "unfinished campaign" not in mei.get("/campaigns/").text
    for version in (0, mine.version):
        seen = {"version": version, "window": mine.window, "go": go}
        mei.post(f"{at}message/", MESSAGE | {"name": "Hers"} | seen)

    mine.refresh_from_db()
    assert (mine.staff, mine.fields["name"]) == (yan, ["Mine"])


@pytest.mark.parametrize("go", ["keep", "next", "discard", "test", "count", "schedule"])
def test_who_does_not_see_the_campaign_keeps_and_drops_nothing(yan: Staff, go: str):
    at = f"/campaigns/{make_campaign(created_by=yan).pk}/edit/"
    mine = typed_by(yan, at)
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    people = {sign_in(Client(), elsewhere): 404, sign_in(Client(), make_staff("Sun")): 403}
    seen = {"version": mine.version, "window": mine.window, "go": go}

    for client, refused in people.items():
        for step in ("message", "options", "check"):
            assert client.get(f"{at}{step}/").status_code == refused
            assert client.post(f"{at}{step}/", MESSAGE | seen).status_code == refused

    assert CampaignDraft.objects.get().version == mine.version
    assert Campaign.objects.get().state == CampaignState.DRAFT


def test_a_draft_of_ones_own_is_out_of_reach_with_its_campaign(yan: Staff):
    at = f"/campaigns/{make_campaign(created_by=yan).pk}/edit/"
    mei = make_staff("Mei", role=Role.MARKETER)
    hers = typed_by(mei, at)
    mei.roles.update(scope=Scope.STORE)
    client = sign_in(Client(), mei)

    answer = client.post(f"{at}message/", MESSAGE | {"version": hers.version, "go": "keep"})

    assert answer.status_code == client.get(at).status_code == 404
    assert CampaignDraft.objects.get().fields["name"] == ["Mine"]


def test_what_was_typed_can_be_thrown_away(marketer: Client):
    type_in(marketer, "message", "keep", **MESSAGE)
    assert "unfinished campaign" in marketer.get("/campaigns/").content.decode()

    marketer.post(f"{NEW}message/", {"go": "discard"})

    assert not CampaignDraft.objects.exists()
    assert "unfinished campaign" not in marketer.get("/campaigns/").content.decode()


def test_there_is_nothing_to_throw_away_of_what_was_saved(marketer: Client):
    tag = make_tag("VIP")
    type_in(marketer, "message", **MESSAGE | {"text": "Two\r\nlines. "})
    type_in(marketer, "audience", tags=[tag.pk, make_tag("Hats").pk])
    type_in(marketer, "options", purpose=Purpose.CAMPAIGN, conversion_days="7")
    type_in(marketer, "test", share_a="", text_b="", winner_rule="")
    type_in(marketer, "when", when="now", send_at="", zone="Asia/Shanghai")
    assert "Throw away" in marketer.get(f"{NEW}check/").text

    finish(marketer, "save")

    at = f"/campaigns/{Campaign.objects.get().pk}/edit/"
    assert "Throw away" not in marketer.get(f"{at}message/").text
    type_in(marketer, "message", "keep", at=at, **MESSAGE | {"text": "Two other lines."})
    assert "Throw away" in marketer.get(f"{at}message/").text


def test_a_time_that_only_the_draft_knows_can_be_thrown_away(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    for step in ("audience", "options", "test"):
        type_in(marketer, step, conversion_days="7")
    tomorrow = timezone.localtime() + timedelta(days=1)
    type_in(marketer, "when", when="later", send_at=f"{tomorrow:%Y-%m-%dT%H:%M}", zone="")

    finish(marketer, "save")

    at = f"/campaigns/{Campaign.objects.get().pk}/edit/"
    assert "Throw away" in marketer.get(at).text


def test_two_campaigns_may_have_the_same_name(marketer: Client):
    for name in ("Spring coats", "SPRING COATS"):
        type_in(marketer, "message", **MESSAGE | {"name": name})
        finish(marketer, "save")

    assert Campaign.objects.count() == Segment.objects.count() == 2


def test_forms_need_the_token_and_steps_have_names(yan: Staff, marketer: Client):
    strict = sign_in(Client(enforce_csrf_checks=True), yan)

    assert strict.post(f"{NEW}message/", MESSAGE).status_code == 403
    assert marketer.get(f"{NEW}nonsense/").status_code == 404
    assert not CampaignDraft.objects.exists()


@pytest.mark.parametrize("step", ["message", "audience", "options", "test", "when", "check"])
def test_a_step_takes_few_queries(marketer: Client, step: str):
    type_in(marketer, "message", "keep", **MESSAGE)
    cost = queries_for(marketer, f"{NEW}{step}/")
    for number in range(10):
        make_segment({"all": []}, name=f"Segment {number}")
        make_tag(f"Tag {number}")

    assert queries_for(marketer, f"{NEW}{step}/") == cost <= 23
