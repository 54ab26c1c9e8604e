"""The company's messaging rules as a page, and what a customer wants on theirs."""

from datetime import time

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.models import MessagingRules
from contacts.actions.consent import opt_out
from contacts.enums import Role, Scope
from contacts.models import Consent, Customer, Staff
from tests.builders import NOON, make_customer, make_staff, sign_in

pytestmark = pytest.mark.django_db

FILLED = {
    "cap_messages": "3",
    "cap_days": "7",
    "quiet_from": "21:00",
    "quiet_to": "09:00",
    "consent_required": ["email:campaign"],
    "sms_messages": "1",
    "sms_days": "30",
}


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


def test_an_administrator_changes_the_rules(client: Client) -> None:
    sign_in(client, make_staff("Ada", role=Role.ADMINISTRATOR))
    url = reverse("messaging_rules")

    assert url in client.get(reverse("preferences")).text
    answer = client.post(url, FILLED)

    assert answer.status_code == 302
    rules = MessagingRules.objects.get()
    assert (rules.cap_messages, rules.quiet_from, rules.quiet_to) == (3, time(21), time(9))
    assert rules.consent_required == ["email:campaign"]
    assert rules.channel_caps == {"sms": {"messages": 1, "days": 30}}
    assert not rules.skip_over_quota
    page = client.get(url).text
    assert 'value="21:00"' in page
    assert 'value="email:campaign" ' in page


@pytest.mark.parametrize("wrong", [
    {"quiet_to": ""},
    {"cap_messages": "0"},
    {"cap_days": ""},
    {"sms_days": ""},
    {"consent_required": ["pigeon:campaign"]},
    {"approval_above": "-1"},
])  # fmt: skip
def test_rules_that_do_not_go_together_are_shown_again(
    client: Client, wrong: dict[str, object]
) -> None:
    sign_in(client, make_staff("Ada", role=Role.ADMINISTRATOR))

    answer = client.post(reverse("messaging_rules"), FILLED | wrong)

    assert answer.status_code == 400
    assert not MessagingRules.objects.exists()


@pytest.mark.parametrize(("role", "scope"), [
    (Role.GUIDE, Scope.OWN),
    (Role.MARKETER, Scope.COMPANY),
    (Role.ADMINISTRATOR, Scope.STORE),
])  # fmt: skip
def test_the_rules_are_for_administrators_of_the_company(
    client: Client, role: Role, scope: Scope
) -> None:
    sign_in(client, make_staff("Tao", role=role, scope=scope))
    url = reverse("messaging_rules")

    assert client.get(url).status_code == client.post(url, FILLED).status_code == 403
    assert reverse("messaging_rules") not in client.get(reverse("preferences")).text
    assert not MessagingRules.objects.exists()


@pytest.mark.parametrize(("typed", "kept"), [("", None), ("0", 0), ("500", 500)])
def test_an_administrator_says_when_approval_is_needed(
    client: Client, typed: str, kept: int | None
) -> None:
    sign_in(client, make_staff("Ada", role=Role.ADMINISTRATOR))

    client.post(reverse("messaging_rules"), FILLED | {"approval_above": typed})

    assert MessagingRules.objects.get().approval_above == kept


@pytest.mark.parametrize("wrong", ["-1", "lots", "9" * 20])
def test_a_wrong_number_for_approval_is_shown_again_and_changes_nothing(
    client: Client, wrong: str
) -> None:
    MessagingRules.objects.create(pk=1, approval_above=70)
    sign_in(client, make_staff("Ada", role=Role.ADMINISTRATOR))

    answer = client.post(reverse("messaging_rules"), FILLED | {"approval_above": wrong})

    assert answer.status_code == 400
    assert answer.context["form"]["approval_above"].errors
    assert f'value="{wrong}"' in answer.text
    assert MessagingRules.objects.get().approval_above == 70


def test_rules_sent_without_the_number_for_approval_leave_it(client: Client) -> None:
    MessagingRules.objects.create(pk=1, approval_above=70)
    sign_in(client, make_staff("Ada", role=Role.ADMINISTRATOR))

    assert client.post(reverse("messaging_rules"), FILLED).status_code == 302
    rules = MessagingRules.objects.get()
    assert (rules.approval_above, rules.cap_messages) == (70, 3)


def test_a_guide_notes_what_the_customer_said(client: Client, lin: Staff) -> None:
    chen = make_customer("Chen", owner=lin)
    sign_in(client, lin)
    url = reverse("customer_consent", args=[chen.pk])

    client.post(url, {"channel": "email", "purpose": "campaign", "granted": "no"})
    row = Consent.objects.get()
    assert (row.channel, row.purpose, row.granted) == ("email", "campaign", False)

    client.post(url, {"granted": "no"})
    assert Customer.objects.get(pk=chen.pk).opted_out_at
    answer = client.post(url, {"granted": "yes"}, headers={"HX-Request": "true"})
    assert "Wants no messages at all" in answer.text
    assert Customer.objects.get(pk=chen.pk).opted_out_at is None


@pytest.mark.parametrize("wrong", [{}, {"granted": "perhaps"}, {"channel": "x", "granted": "no"}])
def test_what_makes_no_sense_is_not_noted(
    client: Client, lin: Staff, wrong: dict[str, str]
) -> None:
    chen = make_customer("Chen", owner=lin)

    sign_in(client, lin).post(reverse("customer_consent", args=[chen.pk]), wrong)

    assert not Consent.objects.exists()


def test_the_table_says_what_planning_would_say(client: Client, lin: Staff) -> None:
    chen = make_customer("Chen", owner=lin)
    opt_out(chen, channel="sms", source="reply", now=NOON)
    change_messaging_rules({"consent_required": ["email:care"]}, actor=None, now=NOON)

    page = sign_in(client, lin).get(reverse("customer_page", args=[chen.pk]))

    cells = {
        (cell.channel, cell.purpose): cell.may
        for row in page.context["consent"].rows
        for cell in row.cells
    }
    assert cells["wecom", "campaign"]
    assert cells["email", "campaign"]
    assert not cells["email", "care"]
    assert not cells["sms", "service"]
    assert "What the customer said" in page.text
