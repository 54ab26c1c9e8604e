"""Who is told when a merge, or taking one apart, moves a customer from one colleague to another."""

import pytest
from django.test import Client

from contacts.actions.ownership import move_ownership
from contacts.enums import OwnershipReason
from contacts.models import Customer, Notice, Staff
from crm.actions.erasing import erase_customer
from crm.actions.merges import merge_customers
from tests.builders import NOON, make_customer, make_staff, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def mei() -> Staff:
    return make_staff("Mei")


@pytest.fixture
def kept(lin: Staff) -> Customer:
    return make_customer("Chen Jing", owner=lin)


@pytest.fixture
def gone(mei: Staff) -> Customer:
    return make_customer("Chen", owner=mei)


def merge(client: Client, gone: Customer, kept: Customer) -> None:
    answer = client.post(f"/customers/{kept.pk}/merge/", {"with": gone.pk})
    assert answer["Location"] == f"/customers/{kept.pk}/#merged"


def take_apart(client: Client, gone: Customer) -> None:
    assert client.post(f"/customers/{gone.pk}/unmerge/").status_code == 302


def opened(notice: Notice, staff: Staff) -> str:
    """Where the notice leads its reader."""
    return sign_in(Client(), staff).post(f"/notices/{notice.pk}/")["Location"]


def test_whoever_answered_for_the_record_that_goes_is_told(
    manager: Client, gone: Customer, kept: Customer, mei: Staff
) -> None:
    merge(manager, gone, kept)

    notice = Notice.objects.get()
    assert notice.staff == mei
    bell = sign_in(Client(), mei)
    assert "Chen is one person with a customer of Lin, who answers for both records now." in (
        bell.get("/notices/").text
    )
    in_chinese = bell.get("/notices/", headers={"Accept-Language": "zh-hans"}).text
    assert "Chen与Lin的一位客户是同一个人" in in_chinese


def test_a_customer_who_rests_in_the_pool_is_told_of_as_such(
    manager: Client, gone: Customer, mei: Staff
) -> None:
    merge(manager, gone, make_customer("Chen Jing"))

    shown = sign_in(Client(), mei).get("/notices/").text
    assert "Chen is one person with a customer in the pool, where both records are now." in shown


def test_the_notice_leads_to_the_customer_only_where_one_still_sees_them(
    manager: Client, gone: Customer, kept: Customer, mei: Staff
) -> None:
    merge(manager, gone, kept)
    notice = Notice.objects.get()

    assert opened(notice, mei) == "/"

    move_ownership([(kept.pk, mei.pk)], reason=OwnershipReason.TRANSFER, now=NOON)
    assert opened(notice, mei) == f"/customers/{gone.pk}/"


def test_whoever_answers_for_both_is_not_told(manager: Client, kept: Customer, lin: Staff) -> None:
    merge(manager, make_customer("Chen", owner=lin), kept)

    assert not Notice.objects.exists()


def test_nobody_is_told_of_a_record_from_the_pool(manager: Client, kept: Customer) -> None:
    merge(manager, make_customer("Chen"), kept)

    assert not Notice.objects.exists()


def test_whoever_merges_their_own_customer_away_knows_it(
    manager: Client, kept: Customer, hua: Staff
) -> None:
    gone = make_customer("Chen", owner=hua)

    merge(manager, gone, kept)
    take_apart(manager, gone)

    assert not Notice.objects.exists()


def test_whoever_answers_for_the_record_again_is_told(
    manager: Client, gone: Customer, kept: Customer, mei: Staff
) -> None:
    merge(manager, gone, kept)
    Notice.objects.all().delete()

    take_apart(manager, gone)

    notice = Notice.objects.get()
    assert notice.staff == mei
    assert "You answer for Chen now." in sign_in(Client(), mei).get("/notices/").text
    assert opened(notice, mei) == f"/customers/{gone.pk}/"


def test_each_merge_of_the_same_records_is_told(
    manager: Client, gone: Customer, kept: Customer, mei: Staff
) -> None:
    merge(manager, gone, kept)
    take_apart(manager, gone)
    merge(manager, gone, kept)

    assert Notice.objects.filter(staff=mei).count() == 3


def test_a_notice_of_a_merge_goes_with_the_customer(gone: Customer, kept: Customer) -> None:
    merge_customers(gone, into=kept, actor=None, now=NOON)
    assert Notice.objects.exists()

    erase_customer(kept, actor=None, now=NOON)

    assert not Notice.objects.exists()
