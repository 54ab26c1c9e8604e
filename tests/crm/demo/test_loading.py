"""Where the demo company may be loaded, and how."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Company, Customer, Staff
from crm.demo.company import NotADemo, load_company
from tests.builders import make_customer

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_refuses_the_database_of_a_real_company() -> None:
    Company.objects.create(legal_name="Real Ltd", short_name="Real")

    with pytest.raises(NotADemo, match="real company"):
        load_company(NOW, str)

    assert not Staff.objects.exists()


def test_refuses_a_database_with_customers_and_no_company() -> None:
    customer = make_customer()
    Company.objects.all().delete()

    with pytest.raises(NotADemo, match="real company"):
        load_company(NOW, str)

    assert list(Customer.objects.all()) == [customer]


def test_loads_by_the_hundred_and_not_row_by_row() -> None:
    with CaptureQueriesContext(connection) as queries:
        load_company(NOW, str)

    assert Customer.objects.count() > 2500
    assert len(queries) < 350
