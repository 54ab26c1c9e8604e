"""API keys: whom they let in, and how far."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from contacts.actions.departures import depart_staff
from contacts.enums import Role, StaffState
from contacts.errors import RuleBroken
from contacts.models import ApiKey
from crm.api.keys import issue_key
from tests.builders import NOON, make_departed, make_staff, sign_in

pytestmark = pytest.mark.django_db


def with_key(key):
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


def test_a_key_acts_for_its_staff_member():
    lin = make_staff("Lin")
    _row, key = issue_key(lin, name="till", now=NOON)

    answer = with_key(key).get("/api/v1/staff")

    assert [row["id"] for row in answer.json()["results"]] == [lin.pk]
    assert answer["Cache-Control"] == "no-store"


def test_only_the_digest_of_a_key_is_stored():
    row, key = issue_key(make_staff(), name="till", now=NOON)

    row.refresh_from_db()

    assert key.startswith("lk_")
    assert len(key) > 50
    assert key not in str(vars(row))
    assert key.startswith(row.prefix)


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Bearer ü", "Bearer a b", ""])
def test_what_is_no_key_is_refused(header):
    answer = APIClient(HTTP_AUTHORIZATION=header).get("/api/v1/customers")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


def test_an_expired_key_is_refused():
    past = timezone.now() - timedelta(seconds=1)
    _row, key = issue_key(make_staff(), name="till", now=NOON, expires_at=past)

    assert with_key(key).get("/api/v1/customers").status_code == 401


def test_a_revoked_key_is_refused():
    row, key = issue_key(make_staff(), name="till", now=NOON)
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=NOON)

    assert with_key(key).get("/api/v1/customers").status_code == 401


def test_a_suspended_person_is_refused():
    lin = make_staff("Lin")
    _row, key = issue_key(lin, name="till", now=NOON)
    type(lin).objects.filter(pk=lin.pk).update(state=StaffState.SUSPENDED)

    assert with_key(key).get("/api/v1/customers").status_code == 401


def test_a_key_stops_the_moment_its_person_departs():
    lin = make_staff("Lin")
    _row, key = issue_key(lin, name="till", now=NOON)
    depart_staff(lin.pk, actor=None, now=NOON)

    assert with_key(key).get("/api/v1/customers").status_code == 401


def test_nobody_without_an_account_gets_a_key():
    with pytest.raises(RuleBroken, match="no account"):
        issue_key(make_departed(), name="till", now=NOON)
    with pytest.raises(RuleBroken, match="no account"):
        issue_key(make_staff(account=False), name="till", now=NOON)


def test_scopes_open_only_what_they_name(api):
    reader = api(make_staff("Hua", role=Role.ADMINISTRATOR), "staff:read")

    assert reader.get("/api/v1/staff").status_code == 200
    assert reader.get("/api/v1/customers").status_code == 403
    assert reader.post("/api/v1/staff/1/depart").status_code == 403


def test_an_unknown_scope_is_refused():
    with pytest.raises(RuleBroken, match="Unknown scope"):
        issue_key(make_staff(), name="till", scopes=["money:write"], now=NOON)


def test_last_use_is_written_once_a_minute(api, django_assert_num_queries):
    client = api(make_staff())
    client.get("/api/v1/tags")
    used = ApiKey.objects.get().last_used_at

    client.get("/api/v1/tags")

    assert used is not None
    assert ApiKey.objects.get().last_used_at == used


def test_a_session_may_read_and_needs_the_csrf_token_to_write():
    client = sign_in(APIClient(enforce_csrf_checks=True), make_staff())

    assert client.get("/api/v1/customers").status_code == 200
    assert client.post("/api/v1/customers", {}, format="json").status_code == 403


def test_the_command_prints_a_working_key_once():
    make_staff("Hua", role=Role.ADMINISTRATOR)
    out = io.StringIO()

    call_command(
        "create_api_key", "till", "--scope", "staff:read", "--expires-days", "7", stdout=out
    )

    assert with_key(out.getvalue().strip()).get("/api/v1/staff").status_code == 200
    assert ApiKey.objects.get().scopes == ["staff:read"]


def test_the_command_makes_a_key_for_the_person_named():
    lin = make_staff("Lin")

    call_command("create_api_key", "till", "--staff", str(lin.user), stdout=io.StringIO())

    assert ApiKey.objects.get().staff == lin


@pytest.mark.parametrize(
    "arguments", [["--staff", "nobody"], ["--scope", "everything"], ["--expires-days", "0"], []]
)
def test_the_command_refuses_what_cannot_be(arguments):
    if arguments:
        make_staff("Hua", role=Role.ADMINISTRATOR)

    with pytest.raises(CommandError):
        call_command("create_api_key", "till", *arguments, stdout=io.StringIO())

    assert not ApiKey.objects.exists()
