"""What customers say about messages, and what holds of it."""

from datetime import timedelta

import pytest

from contacts.actions.consent import (
    join_consents,
    mark_address_alive,
    mark_addresses_dead,
    opt_in,
    opt_out,
)
from contacts.errors import RuleBroken
from contacts.models import Consent, ConsentEntry, Customer, HistoryEntry, Identity
from tests.builders import NOON, make_customer, make_erased, merge_customer

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=1)
LATEST = NOON + timedelta(days=2)


def standing(customer):
    rows = Consent.objects.filter(customer=customer).order_by("at", "pk")
    return list(rows.values_list("channel", "purpose", "granted"))


def opted_out_at(customer):
    return Customer.objects.get(pk=customer.pk).opted_out_at


@pytest.fixture
def chen():
    return make_customer("Chen")


def test_a_refusal_of_everything_marks_the_customer(chen):
    opt_out(chen, source="reply", evidence="TD", now=NOON)

    assert opted_out_at(chen) == NOON
    assert standing(chen) == [("", "", False)]
    entry = ConsentEntry.objects.get()
    assert (entry.granted, entry.source, entry.evidence) == (False, "reply", "TD")
    told = HistoryEntry.objects.get(action="customer.opted_out")
    assert (told.customer_id, told.data) == (chen.pk, {"channel": "", "purpose": ""})


def test_a_refusal_of_one_channel_leaves_the_others(chen):
    opt_out(chen, channel="email", purpose="campaign", source="link", now=NOON)

    assert opted_out_at(chen) is None
    assert standing(chen) == [("email", "campaign", False)]


def test_a_wider_word_replaces_the_narrower_ones(chen):
    opt_in(chen, channel="email", purpose="campaign", source="till", now=NOON)
    opt_out(chen, channel="sms", source="reply", now=NOON)
    opt_out(chen, channel="email", source="link", now=LATER)

    assert standing(chen) == [("sms", "", False), ("email", "", False)]

    opt_out(chen, source="phone", now=LATEST)

    assert standing(chen) == [("", "", False)]
    assert opted_out_at(chen) == LATEST
    assert ConsentEntry.objects.count() == 4


def test_agreeing_to_one_channel_keeps_the_refusal_of_the_rest(chen):
    opt_out(chen, source="reply", now=NOON)
    opt_in(chen, channel="email", source="till", now=LATER)

    assert opted_out_at(chen) is None
    assert standing(chen) == [("", "", False), ("email", "", True)]


def test_a_mark_without_a_row_is_not_lost_by_a_narrower_consent(chen):
    Customer.objects.filter(pk=chen.pk).update(opted_out_at=NOON)

    opt_in(chen, channel="email", source="till", now=LATER)

    assert standing(chen) == [("", "", False), ("email", "", True)]


def test_agreeing_to_everything_lifts_the_mark(chen):
    opt_out(chen, source="reply", now=NOON)
    opt_in(chen, source="till", now=LATER)

    assert opted_out_at(chen) is None
    assert standing(chen) == [("", "", True)]


def test_an_unknown_purpose_is_refused_and_changes_nothing(chen):
    with pytest.raises(RuleBroken):
        opt_out(chen, purpose="fun", source="api", now=NOON)

    assert not ConsentEntry.objects.exists()
    assert standing(chen) == []


def test_the_erased_cannot_agree_to_anything(chen):
    make_erased(chen)

    with pytest.raises(RuleBroken):
        opt_in(chen, source="api", now=NOON)

    assert not ConsentEntry.objects.exists()


def test_whoever_was_merged_speaks_for_the_survivor(chen):
    zhao = make_customer("Zhao")
    merge_customer(chen, zhao)

    opt_out(chen, source="link", now=NOON)

    assert opted_out_at(zhao) == NOON
    assert standing(zhao) == [("", "", False)]


def test_the_refusals_of_both_hold_after_a_merge(chen):
    zhao = make_customer("Zhao")
    opt_out(zhao, channel="sms", source="reply", now=NOON)
    opt_out(chen, channel="email", source="link", now=NOON)
    opt_in(zhao, channel="email", source="till", now=LATER)

    join_consents(zhao, chen, now=LATER)

    assert set(standing(zhao)) == {("sms", "", False), ("email", "", False)}


def test_a_merge_carries_a_refusal_of_everything(chen):
    zhao = make_customer("Zhao")
    opt_out(chen, source="reply", now=NOON)
    chen.refresh_from_db()

    join_consents(zhao, chen, now=LATER)

    assert opted_out_at(zhao) == LATER


def test_a_dead_address_stays_so_until_it_is_put_right(chen):
    row = Identity.objects.create(customer=chen, kind="email", value="chen@example.com")
    other = Identity.objects.create(customer=chen, kind="email", value="c@example.com")

    assert mark_addresses_dead("email", ["chen@example.com"], now=NOON) == 1
    assert mark_addresses_dead("email", ["chen@example.com"], now=LATER) == 0

    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.dead_at, other.dead_at) == (NOON, None)

    mark_address_alive(row)

    row.refresh_from_db()
    assert row.dead_at is None
