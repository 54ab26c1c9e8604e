"""Taking over from WeCom what no callback told."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.utils import timezone

from contacts.actions.departures import depart_staff
from contacts.actions.sync import SyncReport, sync_from_wecom
from contacts.enums import FollowEnd, IdentityKind, StaffState
from contacts.models import Customer, CustomerTag, Follow, Handover, Identity, Staff
from contacts.wecom import wecom
from crm.invariants import check_rules
from tests.builders import make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def fill(shop: Shop, number: int = 7) -> None:
    tags = shop.control.seed(
        staff=[{"userid": "Lin", "name": "Lin"}, {"userid": "Mei", "name": "Mei"}],
        tags=[{"group": "Value", "names": ["Gold", "New"]}],
    )
    shop.control.seed(
        customers=[
            {
                "external_userid": f"wo{index}",
                "name": f"Chen {index}",
                "type": 1,
                "unionid": f"union{index}",
                "gender": 2,
                "follows": [
                    {
                        "userid": ("Lin", "Mei")[index % 2],
                        "createtime": 1_760_000_000,
                        "tag_ids": [tags["Value"]["Gold"]],
                    }
                ],
            }
            for index in range(number)
        ]
    )
    shop.control.faults(page_size=3)


def sync() -> SyncReport:
    client = wecom()
    assert client
    return sync_from_wecom(client, now=timezone.now())


def test_staff_tags_customers_and_follows_come_in(shop: Shop) -> None:
    fill(shop)

    report = sync()

    assert (report.staff, report.follows_seen, report.follows_new) == (2, 7, 7)
    assert sorted(Staff.objects.values_list("name", flat=True)) == ["Lin", "Mei"]
    chen = Identity.objects.get(kind=IdentityKind.WECOM, value="wo0").customer
    assert (chen.name, chen.gender) == ("Chen 0", "female")
    assert chen.owner
    assert chen.owner.wecom_userid == "Lin"
    assert CustomerTag.objects.filter(customer=chen, tag__name="Gold").count() == 1
    assert Follow.objects.active().count() == 7
    assert sum(rule.rows for rule in check_rules(now=timezone.now())) == 0


def test_a_second_run_changes_nothing(shop: Shop) -> None:
    fill(shop)
    sync()

    report = sync()

    assert (report.follows_seen, report.follows_new) == (7, 0)
    assert Customer.objects.count() == 7


def test_leavers_of_wecom_are_taken_into_custody(shop: Shop) -> None:
    fill(shop)
    lin = make_staff("Lin", wecom_userid="Lin")
    shop.control.depart("Lin")

    report = sync()

    lin.refresh_from_db()
    assert (report.departed, lin.state) == (1, StaffState.DEPARTED)
    assert Handover.objects.get(from_staff=lin).size == 4
    assert not Customer.objects.filter(owner=lin).exists()


def test_whoever_the_button_let_go_is_a_leaver_once_wecom_says_so(shop: Shop) -> None:
    fill(shop)
    sync()
    lin = Staff.objects.get(wecom_userid="Lin")
    depart_staff(lin.pk, actor=None, now=timezone.now())
    lost = Follow.objects.active().filter(staff=lin).order_by("pk")[0]
    Follow.objects.filter(pk=lost.pk).update(ended_at=timezone.now(), end_reason=FollowEnd.LOST)
    shop.control.depart("Lin")

    report = sync()

    lin.refresh_from_db()
    assert lin.left_channel_at
    assert report.departed == 0
    assert Handover.objects.get(from_staff=lin).size == 4
    assert not Follow.objects.active().filter(staff=lin, customer=lost.customer).exists()


def test_the_command_says_what_it_did(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    fill(shop, 3)

    call_command("sync_wecom")

    assert "3 follows seen, 3 new" in capsys.readouterr().out
