"""The form of a series keeps everything that is typed into it, until the series is saved."""

from typing import Any

import pytest
from django.test import Client

from campaigns.models import Series, SeriesDraft
from contacts.enums import Role, Scope
from contacts.models import Staff
from tests.builders import make_series, make_staff, sign_in
from tests.crm.test_series_screens import LIST, NEW, TYPED

pytestmark = pytest.mark.django_db

HALF: dict[str, Any] = {
    "name": "Half a na",
    "text": "汉" * 2000,
    "channel": "wecom",
    "kind": "repeat",
    "freq": "weekly",
    "weekdays": ["2"],
    "at_time": "25:00",
    "not_met_days": "0",
}
SOUND: dict[str, Any] = {**TYPED}
HTMX = {"HX-Request": "true"}


def edit_of(series: Series) -> str:
    return f"{LIST}{series.pk}/edit/"


def type_in(client: Client, at: str = NEW, go: str = "keep", **typed: Any) -> Any:
    """Open the form, type, and let it be kept or press a button."""
    page = client.get(at).context
    seen = {"version": page["version"], "window": page["desk"].window}
    base = page["form"]["base"].value() or ""
    return client.post(at, {"base": base} | seen | {"go": go} | typed, headers=HTMX)


@pytest.mark.parametrize("is_new", [True, False])
def test_what_is_typed_survives_a_closed_tab_sound_or_not(yan: Staff, is_new: bool):
    at = NEW if is_new else edit_of(make_series(created_by=yan))
    answer = type_in(sign_in(Client(), yan), at, **HALF)
    assert answer.status_code == 200
    assert "Everything typed is kept" in answer.text
    assert "<html" not in answer.text

    page = sign_in(Client(), yan).get(at)

    shown = page.context["form"]
    assert {name: shown[name].value() for name in HALF} == HALF
    assert "汉" * 2000 in page.text
    assert 'value="25:00"' in page.text
    assert "Enter a valid time." not in page.text
    assert Series.objects.count() == (0 if is_new else 1)


def test_what_a_refused_form_held_is_kept(marketer: Client):
    refused = type_in(marketer, go="", **SOUND | {"weekdays": [], "not_met_days": "44"})

    assert refused.status_code == 400
    page = marketer.get(NEW).context["form"]
    assert (page["name"].value(), page["weekdays"].value()) == (SOUND["name"], [])
    assert page["not_met_days"].value() == "44"


@pytest.mark.parametrize("is_new", [True, False])
def test_saving_the_series_drops_its_draft_alone(marketer: Client, yan: Staff, is_new: bool):
    at = NEW if is_new else edit_of(make_series(created_by=yan))
    other = edit_of(make_series("Other", created_by=yan))
    for address in (at, other):
        type_in(marketer, address, **HALF)

    saved = type_in(marketer, at, "", **SOUND)

    assert saved.status_code == 302
    assert Series.objects.filter(name=SOUND["name"]).count() == 1
    assert [draft.series for draft in SeriesDraft.objects.all()] == [
        Series.objects.get(name="Other")
    ]


def test_a_save_that_comes_after_the_series_was_saved_brings_no_draft_back(marketer: Client):
    type_in(marketer, **HALF)
    late = HALF | {"version": 1, "window": "late", "go": "keep"}
    type_in(marketer, go="", **SOUND)

    assert marketer.post(NEW, late, headers=HTMX).status_code == 409
    assert not SeriesDraft.objects.exists()


def test_a_draft_outlives_the_change_of_somebody_else_and_overwrites_nothing(
    marketer: Client, yan: Staff
):
    series = make_series(created_by=yan)
    type_in(marketer, edit_of(series), **SOUND | {"name": "Mine"})
    mei = sign_in(Client(), make_staff("Mei", role=Role.MARKETER))
    assert type_in(mei, edit_of(series), "", **SOUND | {"name": "Hers"}).status_code == 302

    page = marketer.get(edit_of(series))
    pressed = type_in(marketer, edit_of(series), "", **SOUND | {"name": "Mine"})

    assert page.context["form"]["name"].value() == "Mine"
    assert "Somebody else has changed this series" in page.text
    assert pressed.status_code == 409
    assert Series.objects.get().name == "Hers"
    assert SeriesDraft.objects.get().fields["name"] == ["Mine"]


def test_a_draft_thrown_away_shows_the_series_as_it_is(marketer: Client, yan: Staff):
    series = make_series("Mondays", created_by=yan)
    type_in(marketer, edit_of(series), **HALF)

    answer = marketer.post(edit_of(series), {"go": "discard"})

    assert answer["Location"] == f"{LIST}{series.pk}/"
    assert not SeriesDraft.objects.exists()
    assert marketer.get(edit_of(series)).context["form"]["name"].value() == "Mondays"


@pytest.mark.parametrize("is_new", [True, False])
def test_nobody_sees_the_draft_of_somebody_else(marketer: Client, yan: Staff, is_new: bool):
    at = NEW if is_new else edit_of(make_series(created_by=yan))
    type_in(marketer, at, **HALF)
    mei = make_staff("Mei", role=Role.MARKETER)
    client = sign_in(Client(), mei)

    assert HALF["name"] not in client.get(at).text
    assert "unfinished series" not in client.get(LIST).text
    type_in(client, at, **HALF | {"name": "Hers"})

    assert SeriesDraft.objects.get(staff=yan).fields["name"] == [HALF["name"]]
    assert SeriesDraft.objects.get(staff=mei).fields["name"] == ["Hers"]


@pytest.mark.parametrize("go", ["keep", "discard"])
def test_who_does_not_see_the_series_keeps_and_drops_nothing(yan: Staff, go: str):
    series = make_series(created_by=yan)
    type_in(sign_in(Client(), yan), edit_of(series), **HALF)
    wu = sign_in(Client(), make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE))
    sun = sign_in(Client(), make_staff("Sun"))

    typed = HALF | {"name": "Theirs", "go": go}
    assert wu.post(edit_of(series), typed).status_code == 404
    assert sun.post(edit_of(series), typed).status_code == 403
    assert sun.post(NEW, typed).status_code == 403

    assert SeriesDraft.objects.get().fields["name"] == [HALF["name"]]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("go", ["keep", "discard", "count"])
def test_nobody_overwrites_the_draft_of_somebody_else(yan: Staff, is_new: bool, go: str):
    """Not even with its version and its window."""
    at = NEW if is_new else edit_of(make_series(created_by=yan))
    type_in(sign_in(Client(), yan), at, **HALF)
    mine = SeriesDraft.objects.get()
    mei = sign_in(Client(), make_staff("Mei", role=Role.MARKETER))

    for version in (0, mine.version):
        seen = {"version": version, "window": mine.window, "go": go}
        mei.post(at, HALF | {"name": "Hers"} | seen, headers=HTMX)

    mine.refresh_from_db()
    assert (mine.staff, mine.fields["name"]) == (yan, [HALF["name"]])


def test_a_draft_of_ones_own_is_out_of_reach_with_its_series(yan: Staff):
    at = edit_of(make_series(created_by=yan))
    mei = make_staff("Mei", role=Role.MARKETER)
    type_in(sign_in(Client(), mei), at, **HALF)
    mei.roles.update(scope=Scope.STORE)
    client = sign_in(Client(), mei)

    answer = client.post(at, HALF | {"name": "Later", "version": 1, "go": "keep"}, headers=HTMX)

    assert answer.status_code == client.get(at).status_code == 404
    assert SeriesDraft.objects.get().fields["name"] == [HALF["name"]]


def test_another_window_overwrites_nothing_and_is_told(marketer: Client):
    mine = HALF | {"name": "Mine", "version": 0, "window": "mine"}
    type_in(marketer, **HALF | {"name": "From the other window"})

    silent = marketer.post(NEW, mine | {"go": "keep"}, headers=HTMX)
    pressed = marketer.post(NEW, SOUND | mine)

    assert (silent.status_code, pressed.status_code) == (409, 409)
    assert "changed in another window" in silent.text
    assert "What you type here is not kept from now on. Save it" in silent.text
    assert "save it once more" in pressed.text
    assert pressed.context["form"]["name"].value() == "Mine"
    assert SeriesDraft.objects.get().fields["name"] == ["From the other window"]
    assert not Series.objects.exists()

    again = SOUND | {"name": "Mine", "version": pressed.context["version"], "window": "mine"}
    assert marketer.post(NEW, again).status_code == 302
    assert Series.objects.get().name == "Mine"


def test_a_window_saves_over_its_own_saves(marketer: Client):
    for name in ("M", "Mo", "Mondays"):
        typed = HALF | {"name": name, "version": 0, "window": "abc", "go": "keep"}
        assert marketer.post(NEW, typed, headers=HTMX).status_code == 200

    assert SeriesDraft.objects.get().fields["name"] == ["Mondays"]


def test_counting_keeps_the_days_that_were_ticked(marketer: Client):
    type_in(marketer, **HALF)

    counted = type_in(marketer, go="count", **SOUND)

    assert counted.context["audience"].reachable == 0
    assert SeriesDraft.objects.get().fields["weekdays"] == ["2"]


def test_the_list_leads_back_to_an_unfinished_series(marketer: Client):
    assert "unfinished series" not in marketer.get(LIST).text

    type_in(marketer, **HALF)

    assert "unfinished series" in marketer.get(LIST).text
