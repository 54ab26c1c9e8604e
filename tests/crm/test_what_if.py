"""What if this person leaves: the figures, the risk, and who may look."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.actions.tasks import add_task
from contacts.enums import Role, TaskKind
from contacts.models import Customer
from crm.what_if import what_if
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_code,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_interaction,
    make_staff,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db


def test_it_counts_all_that_hangs_on_one_person():
    lin, mei = make_staff("Lin"), make_staff("Mei", capacity=3)
    wei = make_departed()
    assert lin.store
    alone, shared, met = make_customers(3, owner=lin, followed=True)
    make_follow(mei, shared)
    make_interaction(met, staff=mei)
    make_interaction(alone, staff=lin)
    Customer.objects.filter(pk=alone.pk).update(spent=300, birthday=NOON.date().replace(year=1990))
    make_customer(owner=mei, spent=100)
    add_task(
        kind=TaskKind.FIRST_CONTACT, store=lin.store, staff=lin, actor=None, now=NOON, customer=met
    )
    make_batch(make_campaign(), [alone], sender=lin)
    make_code("Both", staff=[lin, mei])
    make_code("Alone", staff=[lin, wei])

    outlook = what_if(lin, now=NOON)

    assert (outlook.customers, outlook.value, outlook.share_of_value) == (3, Decimal(300), 75)
    assert (outlook.only_connected, outlook.never_met_another, outlook.birthdays) == (2, 2, 1)
    assert (outlook.tasks, outlook.batches, outlook.codes) == (1, 1, 1)
    assert (outlook.room, outlook.shortage) == (2, 1)
    assert outlook.risk == "high"


def test_whoever_owns_nobody_is_no_risk():
    assert what_if(make_staff("Lin"), now=NOON).risk == "low"


def test_it_takes_the_same_queries_however_many_customers_there_are():
    lin = make_staff("Lin")

    def queries():
        with CaptureQueriesContext(connection) as found:
            what_if(lin, now=NOON)
        return len(found)

    make_customers(1, owner=lin, followed=True)
    one = queries()
    make_customers(30, owner=lin, followed=True)

    assert queries() == one == 6


def test_managers_of_the_store_may_look_and_others_may_not(client: Client):
    lin = make_staff("Lin")
    make_customers(2, owner=lin)
    address = reverse("staff_what_if", args=[lin.pk])

    assert (
        "What if Lin leaves"
        in sign_in(client, make_staff("Hua", role=Role.MANAGER)).get(address).text
    )
    assert sign_in(client, lin).get(address).status_code == 403
    other = make_staff("Wang", role=Role.MANAGER, store=make_store("Xidan"))
    assert sign_in(client, other).get(address).status_code == 404


def test_looking_changes_nothing(client: Client):
    lin = make_staff("Lin")
    make_customers(2, owner=lin)
    later = NOON + timedelta(days=1)

    before = what_if(lin, now=later)
    sign_in(client, make_staff("Hua", role=Role.MANAGER)).get(
        reverse("staff_what_if", args=[lin.pk])
    )

    assert what_if(lin, now=later) == before
