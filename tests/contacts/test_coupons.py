"""Coupons: given once, redeemed once, and asked for by segments."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.segments import customers_in
from contacts.actions.coupons import CouponTold, OrderRef, give_coupons, redeem_coupon
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Coupon, HistoryEntry
from contacts.queries import customer_timeline
from tests.builders import make_coupon, make_customer, make_staff, sign_in

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_a_code_told_twice_is_given_once_and_never_to_another() -> None:
    chen, zhao, now = make_customer("Chen"), make_customer("Zhao"), timezone.now()
    told = CouponTold(chen, "Winter", now + DAY, amount=Decimal(50), currency="CNY", code="W-1")

    (first,), new = give_coupons([told], actor=None, now=now)
    (again,), none = give_coupons([told], actor=None, now=now)

    assert (new, none, first.pk) == (1, 0, again.pk)
    other = CouponTold(zhao, "Winter", now + DAY, amount=Decimal(50), currency="CNY", code="W-1")
    with pytest.raises(RuleBroken, match="another customer"):
        give_coupons([other], actor=None, now=now)
    assert Coupon.objects.count() == HistoryEntry.objects.filter(action="coupon.given").count() == 1


def test_a_coupon_is_redeemed_once_and_not_when_expired() -> None:
    chen, now = make_customer("Chen"), timezone.now()
    coupon, late = make_coupon(chen), make_coupon(chen, expires_at=now - DAY)

    redeem_coupon(coupon, order=OrderRef("shop", "1"), actor=None, now=now)

    with pytest.raises(MovedOn):
        redeem_coupon(coupon, actor=None, now=now)
    with pytest.raises(RuleBroken, match="expired"):
        redeem_coupon(late, actor=None, now=now)
    late.refresh_from_db()
    assert late.redeemed_at is None
    assert [entry.kind for entry in customer_timeline(chen)].count("coupon") == 3


def test_segments_ask_for_coupons() -> None:
    now = timezone.now()
    make_coupon(make_customer("Chen"), expires_at=now + 3 * DAY)
    make_coupon(make_customer("Zhao"), percent=10, title="Spring", redeemed_at=now - 2 * DAY)
    make_customer("Qian")

    def names(op: str, value: object) -> str:
        found = customers_in({"field": "coupon", "op": op, "value": value})
        return " ".join(found.order_by("pk").values_list("name", flat=True))

    assert names("valid", True) == names("expires_within_days", 7) == "Chen"
    assert names("expires_within_days", 1) == ""
    assert names("redeemed_within_days", 7) == "Zhao"
    assert names("redeemed", False) == "Chen Qian"
    assert names("title", "spring") == "Zhao"
    assert names("valid_title", "winter") == "Chen"


def test_a_guide_gives_one_on_the_page_and_redeems_it(client: Client) -> None:
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    sign_in(client, lin)
    page = f"/customers/{chen.pk}/coupons/"
    typed = {"title": "Sorry", "worth": "percent", "value": "150", "last_day": "2999-01-01"}

    refused = client.post(page, typed)
    assert (refused.status_code, Coupon.objects.count()) == (422, 0)
    day = timezone.localdate().isoformat()
    assert client.post(page, typed | {"value": "10", "last_day": day}).status_code == 302

    coupon = Coupon.objects.get()
    assert coupon.code in client.get(f"/customers/{chen.pk}/").text
    client.post(f"/coupons/{coupon.pk}/redeem/")
    coupon.refresh_from_db()
    assert coupon.redeemed_at
