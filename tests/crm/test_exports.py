"""The customer list as a file: whose customers, which numbers, how many rows a day."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from contacts.actions.exports import exported_today, note_export
from contacts.enums import IdentityKind, Role
from contacts.errors import RuleBroken
from contacts.models import HistoryEntry, Staff
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_identity,
    make_staff,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db

PHONE = "+8613812345678"


def export(client: Client, query: str = "") -> str:
    answer = client.post(reverse("customer_export") + query)
    assert answer.status_code == 200
    return answer.getvalue().decode()


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


def test_it_holds_the_customers_of_the_filter_and_nobody_elses(client: Client, lin: Staff):
    make_customer("Chen", owner=lin)
    make_customer("Zhao", owner=lin)
    make_customer("Stranger", owner=make_staff("Mei"))

    text = export(sign_in(client, lin), "?q=chen")

    assert "Chen" in text
    assert "Zhao" not in text
    assert "Stranger" not in export(client)


def test_numbers_are_masked_as_on_the_screen(client: Client, lin: Staff):
    make_identity(make_customer("Chen", owner=lin), PHONE, kind=IdentityKind.PHONE)

    assert PHONE in export(sign_in(client, lin))
    masked = export(sign_in(client, make_staff("Tao", role=Role.MARKETER)))
    assert "Chen" in masked
    assert PHONE not in masked


def test_it_is_written_down_with_its_rows(client: Client, lin: Staff):
    make_customers(3, owner=lin)

    export(sign_in(client, lin))

    entry = HistoryEntry.objects.get(action="customers.exported")
    assert (entry.actor, entry.subject_id, entry.data) == (lin, lin.pk, {"rows": 3})


def test_beyond_the_rows_of_the_day_nothing_is_sent(client: Client, lin: Staff, settings):
    settings.EXPORT_ROWS, settings.EXPORT_ROWS_OF_MANAGERS = 4, 8
    make_customers(3, owner=lin)
    export(sign_in(client, lin))

    refused = client.post(reverse("customer_export"), follow=True)

    assert "you may export 1 more today" in refused.text
    assert HistoryEntry.objects.filter(action="customers.exported").count() == 1
    hua = sign_in(client, make_staff("Hua", role=Role.MANAGER))
    assert export(hua).count("\n") == 4


def test_a_new_day_has_its_own_rows(lin: Staff):
    note_export("customers", 5, actor=lin, now=NOON, a_day=5)

    with pytest.raises(RuleBroken):
        note_export("customers", 1, actor=lin, now=NOON + timedelta(hours=11), a_day=5)
    note_export("customers", 5, actor=lin, now=NOON + timedelta(hours=13), a_day=5)

    assert exported_today(lin, "customers", now=NOON + timedelta(hours=13)) == 5


def test_looking_is_no_export(client: Client, lin: Staff):
    assert sign_in(client, lin).get(reverse("customer_export")).status_code == 405


def test_a_formula_that_a_customer_typed_is_text(client: Client, lin: Staff):
    make_customer("=HYPERLINK(1)", owner=lin, city="@x", store=make_store("Xidan"))

    assert "'=HYPERLINK(1)" in export(sign_in(client, lin))
