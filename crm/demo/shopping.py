"""What the demo's customers have bought, and what their guides have promised them."""

# ruff: noqa: RUF001 -- Chinese text has Chinese punctuation

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import connection
from django.utils import timezone

from contacts.enums import TaskKind, TaskState
from contacts.models import Coupon, Customer, Task
from crm.demo import cast
from crm.demo.copying import copy_in
from crm.demo.organisation import Organisation
from crm.demo.people import Person
from crm.enums import PAID_STATES, OrderState
from crm.models import Order
from crm.models.orders import CURRENCY

SYSTEM = "pos"
GOODS = {
    "大衣": (("驼色双面呢大衣", 2380), ("格纹羊毛大衣", 1980), ("短款牛角扣大衣", 1680)),
    "羊绒": (("圆领羊绒衫", 1280), ("羊绒围巾", 680), ("高领羊绒衫", 1480)),
    "连衣裙": (("法式连衣裙", 899), ("小黑裙", 799), ("针织连衣裙", 759)),
    "真丝": (("真丝衬衫", 1099), ("真丝半裙", 899)),
    "牛仔": (("直筒牛仔裤", 459), ("牛仔外套", 599)),
    "西装": (("双排扣西装", 1580), ("西装阔腿裤", 799)),
    "配饰": (("珍珠耳环", 299), ("托特包", 899), ("小羊皮手套", 399)),
    "运动休闲": (("卫衣", 399), ("运动套装", 699)),
}
"""What is sold, by the tag of those who like it."""

_HOW_OFTEN = {"钻石会员": (5, 9), "金卡会员": (3, 6), "银卡会员": (1, 3), "新会员": (0, 1)}
_DUE_IN = (-2, 0, 0, 1, 3, 6)
_PROMISES = (
    "留一件驼色双面呢大衣，M 码",
    "查其他门店有没有 38 码的牛津鞋",
    "发秋冬新品的搭配图",
    "改好的半裙寄到公司",
    "生日前送一张手写贺卡",
    "羊绒围巾到货后打电话",
)
_TO_DOS = (
    "回访大衣的穿着感受",
    "约下周三试衣",
    "提醒会员积分月底到期",
    "确认换货的尺码",
)

_VALUE = """
UPDATE contacts_customer AS customer
SET spent = total.spent, last_order_at = total.last_order_at
FROM (
    SELECT customer_id, coalesce(sum(amount) FILTER (WHERE state = ANY(%s)), 0) AS spent,
           max(ordered_at) FILTER (WHERE state <> 'cancelled') AS last_order_at
    FROM crm_order GROUP BY customer_id
) AS total
WHERE customer.id = total.customer_id
"""


def load_shopping(
    rows: Sequence[Customer], people: Sequence[Person], organisation: Organisation, *, now: datetime
) -> None:
    """Write orders over two years, what each customer has spent, and what there is to do."""
    pairs = list(zip(rows, people, strict=True))
    copy_in(Order, _orders(pairs, organisation, now))
    with connection.cursor() as cursor:
        # Nobody has looked at these fresh rows yet: a planner that guesses may take minutes.
        cursor.execute("ANALYZE contacts_customer, crm_order")
        cursor.execute(_VALUE, [list(PAID_STATES)])
    copy_in(Task, _tasks(rows, now))
    copy_in(Coupon, _coupons(rows, now))


def _orders(
    pairs: Sequence[tuple[Customer, Person]], organisation: Organisation, now: datetime
) -> Iterator[Order]:
    dice = Random("liuke shopping")  # noqa: S311 -- a shop window, no secret
    number = 0
    for customer, person in pairs:
        level = next((tag for tag in person.tags if tag in _HOW_OFTEN), "新会员")
        for _ in range(dice.randint(*_HOW_OFTEN[level])):
            number += 1
            at = person.since + (now - person.since) * (1 - dice.random() ** 1.5)
            yield _order(dice, customer, person, organisation, at, number, now)


def _order(
    dice: Random,
    customer: Customer,
    person: Person,
    organisation: Organisation,
    at: datetime,
    number: int,
    now: datetime,
) -> Order:
    liked = [tag for tag in person.tags if tag in GOODS] or list(GOODS)
    items = [_item(dice, dice.choice(liked)) for _ in range(dice.choice((1, 1, 1, 2, 3)))]
    seller = person.owner
    if person.changed_hands_at and at < person.changed_hands_at:
        seller = person.earlier_owner
    return Order(
        customer=customer,
        store=customer.store,
        staff=organisation.staff.get(seller),
        system=SYSTEM,
        number=f"YT{at:%y%m%d}{number:05d}",
        amount=sum((Decimal(item["price"]) * item["quantity"] for item in items), Decimal()),
        currency=CURRENCY,
        items=items,
        state=_state(dice, at, now),
        ordered_at=at,
        changed_at=at,
        created_at=at,
    )


def _item(dice: Random, category: str) -> dict[str, Any]:
    name, price = dice.choice(GOODS[category])
    return {
        "name": name,
        "sku": f"{price}-{len(name)}",
        "category": category,
        "quantity": 1 if dice.random() < 0.93 else 2,
        "price": f"{price}.00",
    }


def _state(dice: Random, at: datetime, now: datetime) -> OrderState:
    if now - at < timedelta(days=6):
        return dice.choice((OrderState.PAID, OrderState.SHIPPED, OrderState.OPEN))
    states = (OrderState.DONE, OrderState.REFUNDED, OrderState.CANCELLED)
    return dice.choices(states, (94, 4, 2))[0]


def _coupons(rows: Sequence[Customer], now: datetime) -> Iterator[Coupon]:
    """One for every sixth customer: some valid, some redeemed, some expired."""
    dice = Random("liuke coupons")  # noqa: S311 -- a shop window, no secret
    for number, customer in enumerate(rows[::6], 1):
        issued_at = now - timedelta(days=dice.uniform(1, 80))
        is_share = dice.random() < 0.3
        is_redeemed = dice.random() < 0.3
        yield Coupon(
            customer=customer,
            given_by=customer.owner,
            code=f"YT{number:06d}",
            title="生日礼券" if is_share else "满减券",
            amount=None if is_share else Decimal(dice.choice((50, 100, 200))),
            currency="" if is_share else CURRENCY,
            percent=10 if is_share else None,
            source="",
            issued_at=issued_at,
            expires_at=issued_at + timedelta(days=60),
            redeemed_at=issued_at + (now - issued_at) * 0.5 if is_redeemed else None,
            order_system="",
            order_number="",
            created_at=issued_at,
        )


def _tasks(rows: Sequence[Customer], now: datetime) -> Iterator[Task]:
    """A few for each guide: some due, some later, some done."""
    dice = Random("liuke tasks")  # noqa: S311 -- a shop window, no secret
    today = timezone.localdate(now)
    for guide, customers in _by_guide(rows).items():
        chosen = dice.sample(customers, 12 if guide == cast.LEAVER else 8)
        for place, customer in enumerate(chosen):
            is_promise = dice.random() < 0.6
            is_done = place >= len(_DUE_IN) and dice.random() < 0.5
            added = now - timedelta(days=dice.uniform(3, 9))
            yield Task(
                staff=customer.owner,
                store=customer.store,
                customer=customer,
                created_by=customer.owner,
                closed_by=customer.owner if is_done else None,
                kind=TaskKind.PROMISE if is_promise else TaskKind.TO_DO,
                text=dice.choice(_PROMISES if is_promise else _TO_DOS),
                due_on=today + timedelta(days=_DUE_IN[place % len(_DUE_IN)]),
                created_at=added,
                state=TaskState.DONE if is_done else TaskState.OPEN,
                state_at=now - timedelta(hours=dice.uniform(1, 60)) if is_done else added,
            )


def _by_guide(rows: Sequence[Customer]) -> dict[str, list[Customer]]:
    found: dict[str, list[Customer]] = {}
    for customer in rows:
        if customer.owner:
            found.setdefault(customer.owner.wecom_userid or "", []).append(customer)
    return found
