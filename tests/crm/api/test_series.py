"""Series by API: what each run passes on to its campaign."""

import pytest
from rest_framework.test import APIClient

from campaigns.models import Series
from contacts.enums import Role
from tests.builders import make_content, make_segment, make_series, make_staff
from tests.crm.api.conftest import Api

pytestmark = pytest.mark.django_db

URL = "/api/v1/series"
OPTIONS = {
    "skip_if_in_another": True,
    "track_clicks": False,
    "track_opens": True,
    "conversion_days": 30,
    "send_for_hours": 48,
    "control_share": 10,
}


@pytest.fixture
def client(api: Api) -> APIClient:
    return api(make_staff("Tao", role=Role.MARKETER))


def test_the_options_of_its_runs_are_said_with_a_series(client: APIClient):
    wanted = {
        "name": "Mondays", "content": make_content().pk, "segment": make_segment().pk,
        "kind": "repeat", "rule": {"freq": "daily"}, "zone": "Asia/Shanghai", "at_time": "10:00",
        "starts_on": "2099-12-01",
    }  # fmt: skip

    begun = client.post(URL, wanted | OPTIONS)
    usual = client.post(URL, wanted | {"name": "Tuesdays"}).json()

    assert begun.status_code == 201
    assert {name: begun.json()[name] for name in OPTIONS} == OPTIONS
    assert (usual["conversion_days"], usual["send_for_hours"], usual["control_share"]) == (
        7,
        None,
        0,
    )


def test_they_are_changed_from_the_next_run_on(client: APIClient):
    series = make_series()

    changed = client.patch(f"{URL}/{series.pk}", OPTIONS)
    unlimited = client.patch(f"{URL}/{series.pk}", {"send_for_hours": None})

    assert {name: changed.json()[name] for name in OPTIONS} == OPTIONS
    assert unlimited.json()["send_for_hours"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"control_share": 51},
        {"send_for_hours": 721},
        {"send_for_hours": 0},
        {"conversion_days": 91},
    ],
)
def test_what_no_run_could_do_is_refused_and_changes_nothing(
    client: APIClient, wrong: dict[str, int]
):
    series = make_series()

    refused = client.patch(f"{URL}/{series.pk}", wrong)

    assert refused.status_code == 400
    assert next(iter(wrong)) in refused.text
    kept = Series.objects.get(pk=series.pk)
    assert (kept.control_share, kept.send_for_hours, kept.conversion_days) == (0, None, 7)
