"""A POST that is sent twice is done once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from contacts.enums import HandoverState, Role
from contacts.models import Customer, Interaction
from crm.api.idempotency import forget_answers
from crm.models import SavedAnswer
from tests.builders import make_customer, make_handover, make_staff

pytestmark = pytest.mark.django_db

NOTE = {"kind": "note", "text": "Likes blue"}


@pytest.fixture
def lin():
    return make_staff("Lin")


@pytest.fixture
def url(lin):
    return f"/api/v1/customers/{make_customer('Chen', owner=lin).pk}/interactions"


def test_the_same_request_is_done_once_and_answered_twice(api, lin, url):
    first = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})
    second = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Interaction.objects.count() == 1


def test_without_a_key_every_request_is_done(api, lin, url):
    api(lin).post(url, NOTE)
    api(lin).post(url, NOTE)

    assert Interaction.objects.count() == 2
    assert not SavedAnswer.objects.exists()


@pytest.mark.parametrize("other", [{"kind": "call"}, {"kind": "note", "text": "Likes red"}])
def test_a_key_used_for_another_request_is_refused(api, lin, url, other):
    api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    answer = api(lin).post(url, other, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:liuke:problem:key-used-before"
    assert Interaction.objects.count() == 1


def test_a_key_used_at_another_address_is_refused(api, lin, url):
    other = make_customer("Zhao", owner=lin)
    api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    answer = api(lin).post(
        f"/api/v1/customers/{other.pk}/interactions", NOTE, headers={"Idempotency-Key": "a"}
    )

    assert answer.status_code == 422


def test_two_people_may_choose_the_same_key(api, lin, url):
    hua = make_staff("Hua", role=Role.MANAGER)
    api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    answer = api(hua).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 201
    assert Interaction.objects.count() == 2


def claim(lin, *, lease_until):
    SavedAnswer.objects.create(
        staff=lin,
        key="a",
        fingerprint="0" * 64,
        claim=uuid4(),
        lease_until=lease_until,
        expires_at=timezone.now() + timedelta(hours=1),
    )


def same_fingerprint():
    """Give the claim the fingerprint of the request, as if that one had made it."""
    last = SavedAnswer.objects.exclude(key="a").get()
    SavedAnswer.objects.filter(key="a").update(fingerprint=last.fingerprint)


def test_a_second_request_is_turned_away_while_the_first_runs(api, lin, url):
    claim(lin, lease_until=timezone.now() + timedelta(minutes=1))
    api(lin).post(url, NOTE, headers={"Idempotency-Key": "b"})
    same_fingerprint()

    answer = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:liuke:problem:still-running"
    assert Interaction.objects.count() == 1


def test_a_claim_left_by_a_crash_expires(api, lin, url):
    claim(lin, lease_until=timezone.now() - timedelta(seconds=1))

    answer = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 201
    assert SavedAnswer.objects.get().status == 201


def test_whoever_lost_the_claim_takes_back_what_it_did(api, lin, url, upon):
    def another_takes_the_claim():
        SavedAnswer.objects.update(claim=uuid4())

    with upon('INSERT INTO "contacts_interaction"', another_takes_the_claim):
        answer = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 409
    assert not Interaction.objects.exists()


def test_a_refused_request_leaves_the_key_free(api, lin, url):
    refused = api(lin).post(url, {"kind": "dance"}, headers={"Idempotency-Key": "a"})

    answer = api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})

    assert refused.status_code == 400
    assert answer.status_code == 201


def test_an_answer_is_forgotten_after_a_day(api, lin, url):
    api(lin).post(url, NOTE, headers={"Idempotency-Key": "a"})
    SavedAnswer.objects.update(expires_at=timezone.now())

    again = api(lin).post(url, {"kind": "call"}, headers={"Idempotency-Key": "a"})

    assert again.status_code == 201
    assert forget_answers(now=timezone.now()) == 0
    assert forget_answers(now=timezone.now() + timedelta(hours=25)) == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "näh", "a\tb"])
def test_a_bad_key_is_refused(api, lin, url, key):
    answer = api(lin).post(url, NOTE, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert not Interaction.objects.exists()


@pytest.mark.parametrize(("verb", "words", "transactions"), [
    ("refresh", 'SET "check_at"', 0),
    ("cancel", 'SET "state"', 1),
])  # fmt: skip
def test_only_a_verb_that_calls_outside_runs_in_no_transaction(
    api, upon, verb, words, transactions
):
    hua = make_staff("Hua", role=Role.ADMINISTRATOR)
    handover = make_handover(state=HandoverState.RUNNING)
    seen = []
    before = len(connection.savepoint_ids)

    with upon(words, lambda: seen.append(len(connection.savepoint_ids) - before)):
        answer = api(hua).post(
            f"/api/v1/handovers/{handover.pk}/{verb}", headers={"Idempotency-Key": "a"}
        )

    assert answer.status_code == 200
    assert seen
    assert min(seen) >= transactions
    assert transactions or 0 in seen


def test_nothing_is_done_when_the_answer_cannot_be_saved(api, lin, upon):
    body = {"identities": [{"kind": "member_no", "value": "M1"}]}

    with upon('UPDATE "crm_savedanswer"', lambda: 1 / 0):
        answer = api(lin).post("/api/v1/customers", body, headers={"Idempotency-Key": "a"})

    assert answer.status_code == 500
    assert not Customer.objects.exists()
    assert not SavedAnswer.objects.exists()
