"""Making up the customers: pure data, the same on every machine, with times relative to ``now``."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from random import Random

from contacts.enums import Gender
from crm.demo import cast, names

CONNECTED = 0.94
"""Share of a guide's customers who are connected in the channel; the others only gave a number."""

CITIES = {
    "SH01": ("上海", "上海", "上海", "苏州", "昆山", "嘉兴"),
    "HZ01": ("杭州", "杭州", "杭州", "绍兴", "宁波", "湖州"),
    "CD01": ("成都", "成都", "成都", "德阳", "绵阳", "重庆"),
}
_LEVELS = ("钻石会员", "金卡会员", "银卡会员", "新会员")
_STAGES = ("学生", "职场新人", "新婚", "孕期", "宝妈宝爸", "退休")
_PREFERENCES = ("连衣裙", "大衣", "羊绒", "真丝", "牛仔", "西装", "配饰", "运动休闲")


@dataclass
class Person:
    """One customer as the demo knows them, before there is a row.

    ``owner`` is a userid, empty for the pool of the store. ``address`` is the customer's id in
    the channel, empty without one.
    """

    number: int
    name: str
    gender: str
    birthday: date | None
    city: str
    shop: str
    owner: str
    phone: str
    address: str
    unionid: str
    member_no: str
    since: datetime
    earlier_owner: str = ""
    changed_hands_at: datetime | None = None
    second_guide: str = ""
    opted_out_at: datetime | None = None
    tags: list[str] = field(default_factory=list)
    invited: bool = False


def invent(now: datetime) -> list[Person]:
    """Return the 5,000 customers in the order in which they came, oldest first."""
    dice = Random("liuke demo")  # noqa: S311 -- a shop window, no secret
    places = list(_places())
    dice.shuffle(places)
    people = [_person(dice, number, place, now) for number, place in enumerate(places)]
    for number, name in enumerate(names.SHOWCASE):
        people[-1 - number * 7].name = name
    _choose_invited(dice, people, now)
    return people


@dataclass(frozen=True)
class _Place:
    """Room for one customer: whose they are. ``invited`` only if the campaign shall reach them."""

    shop: str
    owner: str = ""
    invited: bool = False


def _places() -> Iterator[_Place]:
    for post in cast.guides():
        rest = post.customers - post.invited
        yield from [_Place(post.shop, post.userid, invited=True)] * post.invited
        yield from [_Place(post.shop, post.userid)] * rest
    for number in range(cast.IN_POOLS):
        yield _Place(cast.SHOPS[number % len(cast.SHOPS)].code)


def _person(dice: Random, number: int, place: _Place, now: datetime) -> Person:
    gender = dice.choices((Gender.FEMALE, Gender.MALE, Gender.UNKNOWN), (68, 24, 8))[0]
    name = names.customer_name(dice, gender)
    sure = place.invited or place.owner == cast.LEAVER
    connected = bool(place.owner) and (sure or dice.random() < CONNECTED)
    person = Person(
        number=number,
        name=name,
        gender=gender,
        birthday=_birthday(dice) if dice.random() < 0.6 else None,
        city=dice.choice(CITIES[place.shop]),
        shop=place.shop,
        owner=place.owner,
        phone=names.phone(number, name) if not connected or dice.random() < 0.7 else "",
        address=address_of(number) if connected else "",
        unionid=_digest("union", number, 22, "o6") if connected and dice.random() < 0.8 else "",
        member_no=f"YT{100000 + number}" if dice.random() < 0.35 else "",
        since=_since(dice, number, now),
        invited=place.invited,
    )
    person.tags = _tags(dice)
    _tell_past(dice, person, now)
    return person


def address_of(number: int, series: str = "customer") -> str:
    """The person's id in the channel: 32 characters that begin with ``wo``."""
    return _digest(series, number, 30, "wo")


def _digest(series: str, number: int, length: int, head: str) -> str:
    return head + sha256(f"{series}:{number}".encode()).hexdigest()[:length]


def _birthday(dice: Random) -> date:
    return date(1958, 1, 1) + timedelta(days=dice.randrange(48 * 365))


def _since(dice: Random, number: int, now: datetime) -> datetime:
    """People have come over two years, evenly, and for the last time yesterday."""
    days = 730 * (1 - number / 5000) + 1
    hour = timedelta(hours=dice.uniform(0, 11))
    return (now - timedelta(days=days)).replace(microsecond=0) - hour


def _tags(dice: Random) -> list[str]:
    tags = [dice.choices(_LEVELS, (4, 12, 30, 54))[0]]
    tags += dice.sample(_PREFERENCES, dice.choice((0, 0, 1, 1, 1, 2, 3)))
    if dice.random() < 0.5:
        tags.append(dice.choices(("XS", "S", "M", "L", "XL"), (8, 28, 36, 20, 8))[0])
    if dice.random() < 0.4:
        tags.append(dice.choice(_STAGES))
    return tags


def _tell_past(dice: Random, person: Person, now: datetime) -> None:
    """Some had another guide before; a few are connected with a second one."""
    others = [
        post.userid
        for post in cast.guides()
        if post.shop == person.shop and post.userid not in {person.owner, cast.LEAVER}
    ]
    if person.owner and dice.random() < 0.12:
        person.earlier_owner = dice.choice(others)
        person.changed_hands_at = person.since + (now - person.since) * dice.uniform(0.1, 0.9)
    if person.address and person.owner != cast.LEAVER and dice.random() < 0.04:
        person.second_guide = dice.choice(others)


def _choose_invited(dice: Random, people: list[Person], now: datetime) -> None:
    """Tag the audience of the demo campaign, with those it must skip; opt out 2 % in all."""
    rest = [p for p in people if p.owner and not p.invited and p.owner != cast.LEAVER]
    connected = [p for p in rest if p.address]
    silent = dice.sample(connected, 100)
    for person in silent:
        person.opted_out_at = person.since + (now - person.since) * dice.uniform(0.2, 0.95)
    outcast = silent[: cast.OPTED_OUT_INVITED]
    outcast += dice.sample([p for p in rest if not p.address], cast.WITHOUT_ADDRESS_INVITED)
    for person in [p for p in people if p.invited] + outcast:
        person.tags.append(cast.CAMPAIGN_TAG)
