"""The screens of series: the list, the form, the page with its runs, and the buttons."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from campaigns.actions.series import run_series
from campaigns.enums import RunState, SeriesState
from campaigns.models import Campaign, Series, SeriesRun
from contacts.enums import NoticeKind, Role, Scope
from contacts.models import HistoryEntry, Notice, Staff
from crm.actions.sweeping import do_what_is_due
from tests.builders import (
    NOON,
    fill_the_shop,
    make_campaign,
    make_content,
    make_media,
    make_segment,
    make_series,
    make_staff,
    make_tag,
    queries_for,
    sign_in,
)
from tests.losing_reach import (
    be_suspended,
    lose_all_roles,
    lose_the_role,
    move_to_another_store,
)

pytestmark = pytest.mark.django_db

LIST = "/campaigns/series/"
NEW = f"{LIST}new/"
TOMORROW = (timezone.localdate() + timedelta(days=1)).isoformat()
TYPED = {
    "name": "Mondays",
    "text": "{guide} has news.",
    "channel": "wecom",
    "kind": "repeat",
    "freq": "weekly",
    "every": "1",
    "weekdays": ["0", "3"],
    "at_time": "10:30",
    "zone": "Europe/Paris",
    "starts_on": TOMORROW,
}


def press(client: Client, series: Series, verb: str) -> Any:
    return client.post(f"{LIST}{series.pk}/{verb}/")


@pytest.mark.parametrize(
    ("typed", "kind", "rule"),
    [
        ({}, "repeat", {"freq": "weekly", "every": 1, "weekdays": [0, 3]}),
        ({"freq": "daily", "every": "2"}, "repeat", {"freq": "daily", "every": 2}),
        ({"freq": "monthly", "day": "-1"}, "repeat", {"freq": "monthly", "every": 1, "day": -1}),
        ({"kind": "birthday", "days_before": "3"}, "birthday", {"days_before": 3}),
        ({"kind": "birthday", "days": "none"}, "birthday", {"days_before": 0}),
        (
            {"kind": "after_purchase", "days": "7", "pause_days": "30"},
            "after_purchase",
            {"days": 7, "pause_days": 30},
        ),
    ],
)
def test_a_series_of_every_kind_begins(
    marketer: Client, yan: Staff, typed: dict[str, str], kind: str, rule: dict[str, Any]
):
    tag = make_tag("VIP")

    answer = marketer.post(NEW, TYPED | {"tags": [tag.pk]} | typed)

    series = Series.objects.get()
    assert answer["Location"] == f"{LIST}{series.pk}/"
    assert (series.kind, series.rule, series.created_by) == (kind, rule, yan)
    assert (series.at_time, series.zone) == (time(10, 30), "Europe/Paris")
    assert series.segment.rule == {"all": [{"field": "tag", "op": "any", "value": [tag.pk]}]}
    assert series.content.text == TYPED["text"]
    assert marketer.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "Give the series a name."),
        ({"text": ""}, "Write a text.<"),
        ({"text": "汉" * 1334}, "Shorten it by 2."),
        ({"text": "Dear {customer}"}, "{customer} cannot be filled"),
        ({"weekdays": []}, "Tick at least one day."),
        ({"weekdays": ["9"]}, "9 is not one of the available choices"),
        ({"kind": "after_purchase", "days": ""}, "Say how many days."),
        ({"kind": "birthday", "days_before": "61"}, "whole number from 0 to 60."),
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"at_time": "25:00"}, "Enter a valid time."),
        ({"starts_on": "0001-01-01"}, "out of range"),
        ({"until": "9999-12-31"}, "out of range"),
        ({"until": "2020-01-01"}, "A series ends after it begins."),
        ({"send_for_hours": "0"}, "a whole number from 1 to"),
        ({"control_share": "51"}, "whole number from 0 to 50."),
        ({"conversion_days": "91"}, "whole number from 0 to 90."),
        (
            {"freq": "monthly", "day": "31", "starts_on": "2099-01-01", "until": "2099-01-02"},
            "would never run",
        ),
    ],
)
def test_a_refused_form_says_why_and_keeps_what_was_typed(
    marketer: Client, wrong: dict[str, Any], words: str
):
    answer = marketer.post(NEW, TYPED | {"not_met_days": "44"} | wrong)

    assert answer.status_code == 400
    assert words in answer.text
    assert 'value="44"' in answer.text
    assert not Series.objects.exists()


def test_a_series_is_changed_from_its_next_run_on(marketer: Client):
    series = make_series(content=make_content("Old words"))
    edit = f"{LIST}{series.pk}/edit/"
    page = marketer.get(edit)
    assert "Old words" in page.text

    answer = marketer.post(edit, TYPED | {"base": page.context["form"].initial["base"]})

    assert answer.status_code == 302
    series.refresh_from_db()
    assert (series.rule["weekdays"], series.content.text) == ([0, 3], TYPED["text"])


def test_its_options_are_kept_shown_and_changed(marketer: Client):
    options = {"send_for_hours": "48", "control_share": "10", "conversion_days": "3"}
    marketer.post(NEW, TYPED | options | {"skip_if_in_another": "on", "track_clicks": "on"})
    series = Series.objects.get()
    edit = f"{LIST}{series.pk}/edit/"

    page = marketer.get(f"{LIST}{series.pk}/").text
    form = marketer.get(edit)
    marketer.post(edit, TYPED | {"base": form.context["form"].initial["base"]})

    assert (series.send_for_hours, series.control_share, series.conversion_days) == (48, 10, 3)
    assert (series.skip_if_in_another, series.track_clicks, series.track_opens) == (
        True,
        True,
        False,
    )
    assert "48 hours after a run began" in page
    assert "10 % get nothing" in page
    for name, value in options.items():
        assert f'name="{name}" value="{value}"' in form.text
    changed = Series.objects.get()
    assert (changed.send_for_hours, changed.control_share, changed.conversion_days) == (None, 0, 7)
    assert (changed.skip_if_in_another, changed.track_clicks) == (False, False)


def test_a_series_changed_by_somebody_else_is_not_overwritten(marketer: Client):
    series = make_series()
    edit = f"{LIST}{series.pk}/edit/"
    base = marketer.get(edit).context["form"].initial["base"]
    Series.objects.filter(pk=series.pk).update(name="Hers")

    answer = marketer.post(edit, TYPED | {"base": base})

    assert answer.status_code == 409
    assert "Somebody else has changed this series" in answer.text
    assert "{guide} has news." in answer.text
    assert Series.objects.get().name == "Hers"


def test_the_audience_is_counted_and_nothing_is_written(marketer: Client):
    answer = marketer.post(NEW, {"go": "count"}, headers={"HX-Request": "true"})

    assert answer.context["audience"].reachable == 0
    assert "<html" not in answer.text
    assert "<html" in marketer.post(NEW, {"go": "count"}).text
    assert not Series.objects.exists()


def test_it_is_paused_resumed_and_ended(marketer: Client):
    series = make_series()
    states = []
    for verb in ("pause", "resume", "end"):
        assert press(marketer, series, verb)["Location"] == f"{LIST}{series.pk}/"
        states.append(Series.objects.get().state)
    assert states == [SeriesState.PAUSED, SeriesState.ACTIVE, SeriesState.ENDED]

    press(marketer, series, "resume")
    press(marketer, series, "pause")
    assert marketer.get(f"{LIST}{series.pk}/edit/").status_code == 302
    assert Series.objects.get().state == SeriesState.ENDED


def test_what_reaches_beyond_the_own_scope_is_not_resumed(client: Client):
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    series = make_series(created_by=wu, state=SeriesState.PAUSED, next_run_at=None)
    sign_in(client, wu)

    answer = client.post(f"{LIST}{series.pk}/resume/", follow=True)

    assert "reaches beyond your scope" in answer.text
    assert Series.objects.get().state == SeriesState.PAUSED


# --- whether whoever answers for it may still reach its customers ----------------------------------


def of_a_store(staff: Staff) -> Series:
    rule = {"all": [{"field": "store", "op": "in", "value": [staff.store_id]}]}
    return make_series(created_by=staff, segment=make_segment(rule))


def run_what_is_due() -> None:
    at = NOON + timedelta(days=7)
    with time_machine.travel(at, tick=False):
        do_what_is_due(now=at)


@pytest.mark.parametrize(
    "change", [lose_the_role, lose_all_roles, move_to_another_store, be_suspended]
)
def test_a_series_pauses_when_its_maker_may_no_longer_reach_its_customers(
    marketer: Client, yan: Staff, change: Callable[[Staff], None]
):
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    series = of_a_store(wu)
    change(wu)

    run_what_is_due()
    run_what_is_due()

    series.refresh_from_db()
    assert (series.state, series.next_run_at) == (SeriesState.PAUSED, None)
    assert not Campaign.objects.exists()
    run = SeriesRun.objects.get()
    assert run.state == RunState.REFUSED
    assert run.why in marketer.get(f"{LIST}{series.pk}/").text
    told = Notice.objects.filter(kind=NoticeKind.CAMPAIGN)
    assert set(told.values_list("staff_id", flat=True)) == {yan.pk, wu.pk}
    assert "is paused" in marketer.get("/notices/").text
    done = HistoryEntry.objects.filter(subject_kind="series").values_list("action", flat=True)
    assert sorted(done) == ["series.not_run", "series.paused"]


def test_a_series_of_the_whole_company_pauses_when_its_maker_reaches_a_store_only(yan: Staff):
    series = make_series(created_by=yan)
    yan.roles.update(scope=Scope.STORE)

    run_what_is_due()

    assert Series.objects.get(pk=series.pk).state == SeriesState.PAUSED
    assert not Campaign.objects.exists()


def test_a_series_within_the_scope_of_its_maker_runs(yan: Staff):
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    theirs, all_of_them = of_a_store(wu), make_series(created_by=yan)

    run_what_is_due()

    made = Campaign.objects.values_list("run__series", "created_by")
    assert set(made) == {(theirs.pk, wu.pk), (all_of_them.pk, yan.pk)}


def test_whoever_resumes_it_answers_for_it_where_its_maker_may_not(marketer: Client, yan: Staff):
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    theirs, lost = of_a_store(wu), of_a_store(wu)
    Series.objects.update(state=SeriesState.PAUSED, next_run_at=None)
    press(marketer, theirs, "resume")
    lose_the_role(wu)
    press(marketer, lost, "resume")

    theirs.refresh_from_db()
    lost.refresh_from_db()
    assert (theirs.state, theirs.created_by) == (SeriesState.ACTIVE, wu)
    assert (lost.state, lost.created_by) == (SeriesState.ACTIVE, yan)


def test_a_run_leads_to_its_campaign_and_a_refused_one_says_why(marketer: Client):
    series = make_series()
    campaign = make_campaign("Mondays 2026-01-05")
    runs = [
        (RunState.STARTED, campaign, ""),
        (RunState.REFUSED, None, "This segment is gone."),
        (RunState.MISSED, None, ""),
    ]
    for number, (state, made, why) in enumerate(runs):
        at = NOON + timedelta(days=number)
        SeriesRun.objects.create(series=series, run_at=at, state=state, campaign=made, why=why)

    page = marketer.get(f"{LIST}{series.pk}/").text

    assert f'href="/campaigns/{campaign.pk}/"' in page
    assert "This segment is gone." in page
    assert "More than six hours late" in page
    assert f'href="{LIST}{series.pk}/"' in marketer.get(f"/campaigns/{campaign.pk}/").text


def test_the_notice_of_a_refused_run_leads_to_the_series(marketer: Client, yan: Staff):
    series = make_series(created_by=yan, segment=make_segment({"all": [{"field": "gone"}]}))
    run_series(series.pk, now=NOON + timedelta(days=7))
    notice = Notice.objects.get(kind=NoticeKind.CAMPAIGN)

    answer = marketer.post(f"/notices/{notice.pk}/")

    assert answer["Location"] == f"{LIST}{series.pk}/"
    assert not Campaign.objects.exists()


def test_why_a_run_was_refused_is_said_in_the_language_of_the_reader(marketer: Client):
    series = make_series(segment=make_segment({"all": [{"field": "gone"}]}))
    run_series(series.pk, now=NOON + timedelta(days=7))
    page = f"{LIST}{series.pk}/"

    english, chinese = (
        marketer.get(page, headers={"Accept-Language": language}).text
        for language in ("en", "zh-hans")
    )

    assert "A segment cannot ask for “gone None”." in english
    assert "客群不支持条件“gone None”。" in chinese
    assert "A segment cannot" not in chinese


@pytest.mark.parametrize("place", ["", "edit/"])
def test_others_find_nothing(client: Client, yan: Staff, place: str):
    series = make_series(created_by=yan)
    address = f"{LIST}{series.pk}/{place}"

    assert client.get(address).status_code == 302
    assert sign_in(client, make_staff("Sun")).get(address).status_code == 403
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    assert sign_in(Client(), elsewhere).get(address).status_code == 404
    assert series.name not in sign_in(Client(), elsewhere).get(LIST).text


@pytest.mark.parametrize("verb", ["edit", "pause", "end"])
def test_others_change_nothing(client: Client, yan: Staff, verb: str):
    series = make_series(created_by=yan)

    assert press(sign_in(client, make_staff("Sun")), series, verb).status_code == 403
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    assert press(sign_in(Client(), elsewhere), series, verb).status_code == 404
    assert Series.objects.get().state == SeriesState.ACTIVE


def test_forms_need_the_token(yan: Staff):
    strict = sign_in(Client(enforce_csrf_checks=True), yan)

    assert strict.post(NEW, TYPED).status_code == 403
    assert not Series.objects.exists()


def test_the_list_is_by_state(marketer: Client):
    make_series("Running")
    make_series("Over", state=SeriesState.ENDED)

    ended = marketer.get(LIST, {"state": "ended"}).text

    assert "Over" in ended
    assert "Running" not in ended


def test_the_list_asks_as_often_for_many_rows_as_for_few(marketer: Client, yan: Staff):
    queries_for(marketer, LIST)
    counts = []
    for rows in (3, 40):
        for row in range(rows):
            series = make_series(f"Series {row}", created_by=yan)
            run = {"run_at": NOON, "state": RunState.MISSED}
            SeriesRun.objects.create(series=series, **run)
        counts.append(queries_for(marketer, LIST))

    assert Series.objects.count() == 43
    assert counts[0] == counts[1]


def typed_again(client: Client, series: Series) -> dict[str, Any]:
    """What the form of a series shows, as a browser would send it back."""
    form = client.get(f"{LIST}{series.pk}/edit/").context["form"]
    typed = {field.html_name: field.value() for field in form}
    return {name: value for name, value in typed.items() if value not in (None, "")}


@pytest.mark.parametrize("zone", ["CET", "Etc/GMT-8", "UTC"])
def test_a_time_zone_without_a_place_stays(marketer: Client, zone: str):
    series = make_series(zone=zone)

    assert f'value="{zone}" selected' in marketer.get(f"{LIST}{series.pk}/edit/").text
    answer = marketer.post(
        f"{LIST}{series.pk}/edit/", typed_again(marketer, series) | {"name": "New"}
    )

    assert answer.status_code == 302
    series.refresh_from_db()
    assert (series.name, series.zone) == ("New", zone)


def test_a_series_of_files_alone_is_changed_and_keeps_them(marketer: Client):
    files = [{"kind": "image", "media": make_media().pk}]
    series = make_series(content=make_content("", attachments=files))
    typed = typed_again(marketer, series)

    changed = marketer.post(f"{LIST}{series.pk}/edit/", typed | {"at_time": "11:00"})
    elsewhere = marketer.post(
        f"{LIST}{series.pk}/edit/",
        typed_again(marketer, series) | {"channel": "sms"},
    )

    assert (changed.status_code, elsewhere.status_code) == (302, 400)
    series.refresh_from_db()
    assert (series.at_time, series.channel) == (time(11), "wecom")
    assert series.content.attachments == files


@pytest.mark.parametrize("name", ["name", "text", "freq", "every", "days", "zone", "starts_on"])
def test_what_a_series_cannot_do_without_is_not_called_optional(marketer: Client, name: str):
    label = marketer.get(NEW).text.split(f'for="id_{name}">')[1].split("</label>")[0]

    assert "optional" not in label


def test_what_a_series_can_do_without_is_called_optional(marketer: Client):
    label = marketer.get(NEW).text.split('for="id_until">')[1].split("</label>")[0]

    assert "optional" in label


def test_the_form_asks_as_often_for_many_choices_as_for_few(marketer: Client):
    queries_for(marketer, NEW)
    counts = []
    for number in (3, 40):
        fill_the_shop(number)
        counts.append(queries_for(marketer, NEW))

    assert counts[0] == counts[1]


def test_a_segment_that_is_only_the_series_own_is_not_named_beside_it(marketer: Client):
    make_series("Mondays", segment=make_segment(name="Mondays"))
    make_series("Fridays", segment=make_segment(name="Gold members"))

    page = marketer.get(LIST).text

    assert page.count("Mondays") == 1
    assert "Gold members" in page


def test_figures_of_a_text_that_is_too_long_are_grouped(marketer: Client):
    page = marketer.post(NEW, TYPED | {"text": "汉" * 1734}).text

    assert "The text has 5,202 bytes; WeCom takes 4,000. Shorten it by 1,202." in page
