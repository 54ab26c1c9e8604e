"""What rules describe: every field, groups within groups, and refusals of everything else."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.actions.segments import (
    archive_segment,
    change_members,
    change_segment,
    create_list,
    create_segment,
    freeze_segment,
)
from campaigns.enums import DeliveryState, EngagementKind
from campaigns.models import Delivery, Engagement, Segment
from campaigns.segments import FIELDS, Count, check_rule, count_customers, customers_in
from contacts.actions.consent import opt_in, opt_out
from contacts.enums import FollowEnd, Gender, IdentityKind
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, CustomerTag, Follow, Tag
from tests.builders import (
    first_store,
    make_batch,
    make_campaign,
    make_code,
    make_coupon,
    make_customer,
    make_customers,
    make_erased,
    make_follow,
    make_identity,
    make_order,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    merge_customer,
)

pytestmark = pytest.mark.django_db


def names(rule: object) -> str:
    """Who is described, in the order in which they were made; as many are counted."""
    found = customers_in(rule)
    people = found.order_by("pk").values_list("name", flat=True)
    assert count_customers(found) == Count(len(people))
    return " ".join(people)


def asked(field: str, op: str, value: object) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def three() -> tuple[Customer, Customer, Customer]:
    return make_customer("Chen"), make_customer("Zhao"), make_customer("Qian")


def give(customer: Customer, **values: Any) -> None:
    Customer.objects.filter(pk=customer.pk).update(**values)


def tag(customer: Customer, *tags: Tag) -> None:
    for one in tags:
        CustomerTag.objects.create(customer=customer, tag=one, added_at=timezone.now())


def test_tags_any_all_none() -> None:
    chen, zhao, _qian = three()
    vip, blue = make_tag("VIP"), make_tag("Blue")
    tag(chen, vip, blue)
    tag(zhao, blue)

    assert names(asked("tag", "any", [vip.pk, blue.pk])) == "Chen Zhao"
    assert names(asked("tag", "all", [vip.pk, blue.pk])) == "Chen"
    assert names(asked("tag", "none", [vip.pk])) == "Zhao Qian"


def test_groups_within_groups() -> None:
    chen, zhao, qian = three()
    give(chen, city="Shanghai", gender=Gender.FEMALE)
    give(zhao, city="Suzhou", gender=Gender.FEMALE)
    give(qian, city="Shanghai", gender=Gender.MALE)
    female = asked("gender", "is", "female")
    shanghai = asked("city", "is", "shanghai")

    assert names({"all": [female, shanghai]}) == "Chen"
    assert names({"any": [female, shanghai]}) == "Chen Zhao Qian"
    assert names({"all": [{"not": shanghai}, {"any": [female]}]}) == "Zhao"
    assert names({"not": {"all": [female, shanghai]}}) == "Zhao Qian"
    assert names(female) == "Chen Zhao"
    assert names({}) == names({"all": []}) == "Chen Zhao Qian"


def plan_of(rule: object) -> str:
    """How the database would go about it."""
    sql, values = customers_in(rule).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


NOT_CONNECTED = {"field": "connected", "op": "is", "value": False}
NO_PHONE = {"not": {"field": "address", "op": "has", "value": "phone"}}


@pytest.mark.parametrize(
    "rule",
    [
        {"all": [NOT_CONNECTED]},
        {"all": [{"all": [NO_PHONE, {"field": "gender", "op": "is", "value": "female"}]}]},
        {"not": {"any": [{"field": "connected", "op": "is", "value": True}, NO_PHONE["not"]]}},
    ],
    ids=["all", "within", "neither"],
)
def test_whom_it_must_not_be_is_found_by_a_join(rule: dict[str, Any]) -> None:
    """Else all those rows are read again for each customer once they are many."""
    plan = plan_of(rule)

    assert "Anti Join" in plan
    assert "SubPlan" not in plan


def test_what_the_row_itself_tells_is_asked_before_the_sets_of_an_or() -> None:
    vip, woman = asked("tag", "any", [make_tag("VIP").pk]), asked("gender", "is", "female")
    alike = {"any": [woman, {"all": [woman, vip]}, vip]}

    asked_as = str(customers_in({"any": [{"all": [woman, vip]}, vip, woman]}).query)

    assert asked_as == str(customers_in(alike).query)
    condition = asked_as.partition("WHERE")[2]
    assert condition.index("gender") < condition.index("customertag")


def test_neither_nor() -> None:
    chen, zhao, qian = three()
    make_follow(make_staff(), chen)
    make_identity(zhao, "13800000001", kind=IdentityKind.PHONE)
    connected = {"field": "connected", "op": "is", "value": True}

    assert names({"not": {"any": [connected, NO_PHONE["not"]]}}) == qian.name
    assert names({"not": {"all": [connected, NO_PHONE["not"]]}}) == "Chen Zhao Qian"
    assert names({"not": {"not": connected}}) == chen.name
    assert names({"all": [NOT_CONNECTED, NO_PHONE]}) == qian.name


def test_who_they_are() -> None:
    chen, zhao, qian = three()
    today = timezone.localdate()
    give(chen, birthday=today.replace(year=1990, day=min(today.day, 28)), search_key="chen c")
    give(zhao, birthday=today.replace(year=1960, day=min(today.day, 28)) + timedelta(days=60))
    give(qian, attributes={"size": "M", "points": "120"}, search_key="qian q")

    assert names(asked("birthday", "within_days", 7)).split() in (["Chen"], [])
    assert names(asked("birthday", "known", True)) == "Chen Zhao"
    assert names(asked("birthday", "in_months", [today.month])) == "Chen"
    assert names(asked("age", "between", [18, 45])) == "Chen"
    assert names(asked("name", "contains", "Chen")) == "Chen"
    assert names(asked("attribute", "is", {"key": "size", "value": "M"})) == "Qian"
    assert names(asked("attribute", "is_not", {"key": "size", "value": "M"})) == "Chen Zhao"
    assert names(asked("attribute", "at_least", {"key": "points", "value": 100})) == "Qian"
    assert names(asked("attribute", "at_most", {"key": "points", "value": 100})) == ""
    assert names(asked("attribute", "at_least", {"key": "size", "value": 1})) == ""
    assert names(asked("attribute", "known", "size")) == "Qian"


def test_attributes_that_are_numbers_or_yes_and_no() -> None:
    chen, zhao, qian = three()
    give(chen, attributes={"shoe": 38, "vip": True, "a__b": 7, "due": -3})
    give(zhao, attributes={"shoe": "38", "vip": False})
    give(qian, attributes={"shoe": 39.5})

    assert names(asked("attribute", "is", {"key": "shoe", "value": "38"})) == "Chen Zhao"
    assert names(asked("attribute", "is", {"key": "shoe", "value": "39.50"})) == "Qian"
    assert names(asked("attribute", "is_not", {"key": "shoe", "value": "38"})) == "Qian"
    assert names(asked("attribute", "is", {"key": "vip", "value": "true"})) == "Chen"
    assert names(asked("attribute", "is", {"key": "vip", "value": "False"})) == "Zhao"
    assert names(asked("attribute", "at_least", {"key": "a__b", "value": 7})) == "Chen"
    assert names(asked("attribute", "at_most", {"key": "due", "value": 0})) == "Chen"
    assert names(asked("attribute", "unknown", "vip")) == "Qian"


def test_a_birthday_across_the_year_and_on_leap_days() -> None:
    chen = make_customer("Chen")
    new_year = timezone.now().replace(month=12, day=30, hour=4)
    give(chen, birthday="1990-01-02")
    rule = asked("birthday", "within_days", 5)

    assert customers_in(rule, now=new_year).count() == 1
    give(chen, birthday="1992-02-29")
    assert customers_in(rule, now=new_year.replace(year=2027, month=2, day=27)).count() == 1
    assert customers_in(rule, now=new_year.replace(year=2027, month=3, day=2)).count() == 0


def test_addresses_and_refusals() -> None:
    chen, zhao, _qian = three()
    make_identity(chen, "chen@example.com", kind=IdentityKind.EMAIL)
    opt_out(zhao, source="test", now=timezone.now())

    assert names(asked("address", "has", "email")) == "Chen"
    assert names(asked("address", "has_not", "email")) == "Zhao Qian"
    assert names(asked("opted_out", "is", True)) == "Zhao"
    assert names(asked("opted_out", "is", False)) == "Chen Qian"


def test_stores_owners_follows_and_codes() -> None:
    north = make_store("North")
    lin, mei = make_staff("Lin", store=north), make_staff("Mei", store=make_store("South"))
    chen, zhao = make_customer("Chen", owner=lin), make_customer("Zhao", owner=mei)
    make_customer("Qian", store=north)
    code = make_code("Door", store=north, staff=[lin])
    make_follow(lin, chen, came_by=code.state)
    Follow.objects.filter(customer=zhao).delete()

    assert names(asked("store", "in", [north.pk])) == "Chen Qian"
    assert names(asked("store", "not_in", [north.pk])) == "Zhao"
    assert names(asked("owner", "in", [mei.pk])) == "Zhao"
    assert names(asked("owner", "pool", True)) == "Qian"
    assert names(asked("connected", "is", True)) == "Chen"
    assert names(asked("connected", "is", False)) == "Zhao Qian"
    assert names(asked("connected", "with", [lin.pk])) == "Chen"
    assert names(asked("source", "in", [code.pk])) == "Chen"


def test_time_goes_by() -> None:
    chen, zhao, _qian = three()
    now = timezone.now()
    give(chen, last_interaction_at=now - timedelta(days=3), created_at=now - timedelta(days=400))
    give(zhao, last_interaction_at=now - timedelta(days=90), last_order_at=now)

    assert names(asked("last_interaction", "within_days", 30)) == "Chen"
    assert names(asked("last_interaction", "before_days", 30)) == "Zhao Qian"
    assert names(asked("last_order", "within_days", 30)) == "Zhao"
    assert names(asked("last_order", "before_days", 30)) == "Chen Qian"
    assert names(asked("added", "before_days", 365)) == "Chen"


def test_what_they_bought() -> None:
    chen, zhao, _qian = three()
    now = timezone.now()
    for place, days in enumerate((5, 200)):
        make_order(
            chen,
            number=f"c{place}",
            amount=Decimal(100),
            ordered_at=now - timedelta(days=days),
            items=[{"name": "Coat", "category": "coats", "sku": "C1"}],
        )
    make_order(zhao, number="z", amount=Decimal(900), ordered_at=now - timedelta(days=300))
    give(chen, spent=200)
    give(zhao, spent=900)

    assert names(asked("orders", "at_least", 2)) == "Chen"
    assert names(asked("orders", "at_most", 1)) == "Zhao Qian"
    assert names(asked("orders", "at_most", 0)) == "Qian"
    assert names(asked("orders", "within_days", {"number": 1, "days": 30})) == "Chen"
    assert names(asked("orders", "within_days", {"number": 2, "days": 30})) == ""
    assert names(asked("spent", "at_least", 500)) == "Zhao"
    assert names(asked("spent", "at_most", 200)) == "Chen Qian"
    assert names(asked("spent", "within_days", {"amount": 90.5, "days": 30})) == "Chen"
    assert names(asked("bought", "category", "coats")) == "Chen"
    assert names(asked("bought", "sku", "C1")) == "Chen"


def test_what_became_of_earlier_campaigns() -> None:
    chen, zhao, qian = three()
    campaign = make_campaign()
    make_batch(campaign, [chen, zhao, qian])
    now = timezone.now()
    got = Delivery.objects.filter(campaign=campaign)
    got.filter(customer=chen).update(state=DeliveryState.SENT, sent_at=now)
    got.filter(customer=zhao).update(state=DeliveryState.FAILED, reason="invalid")
    Engagement.objects.create(
        campaign=campaign,
        customer=chen,
        kind=EngagementKind.CLICKED,
        count=1,
        first_at=now,
        last_at=now,
    )
    this = [campaign.pk]

    assert names(asked("campaign", "got", this)) == "Chen"
    assert names(asked("campaign", "not_got", this)) == "Zhao Qian"
    assert names(asked("campaign", "failed", this)) == "Zhao"
    assert names(asked("campaign", "clicked", this)) == "Chen"
    assert names(asked("campaign", "replied", this)) == ""
    assert names(asked("campaign", "got_within_days", 7)) == "Chen"
    assert names(asked("campaign", "not_within_days", 7)) == "Zhao Qian"


def test_segments_within_segments_and_no_way_back() -> None:
    chen, _zhao, _qian = three()
    give(chen, city="Suzhou")
    inner = make_segment(asked("city", "is", "Suzhou"))
    outer = make_segment({"all": [asked("segment", "in", [inner.pk])]})

    assert names(asked("segment", "in", [outer.pk])) == "Chen"
    assert names(asked("segment", "not_in", [outer.pk])) == "Zhao Qian"
    with pytest.raises(RuleBroken, match="leads back"):
        change_segment(
            inner, rule=asked("segment", "in", [outer.pk]), actor=None, now=timezone.now()
        )
    assert Segment.objects.get(pk=inner.pk).rule == asked("city", "is", "Suzhou")


def test_erased_customers_are_in_no_segment() -> None:
    chen, _zhao, _qian = three()
    make_erased(chen)

    assert names({}) == "Zhao Qian"


def test_a_static_list_stays_as_it_was() -> None:
    chen, zhao, qian = three()
    give(chen, city="Suzhou")
    now = timezone.now()
    segment = create_segment(name="Suzhou", rule=asked("city", "is", "Suzhou"), actor=None, now=now)

    frozen = freeze_segment(segment, name="Suzhou in spring", actor=None, now=now)
    give(zhao, city="Suzhou")

    assert names(segment.rule) == "Chen Zhao"
    assert names(frozen.rule) == "Chen"
    assert change_members(
        frozen, add=[qian.pk, qian.pk, 10**9], remove=[chen.pk], actor=None, now=now
    ) == (1, 1)
    assert names(frozen.rule) == "Qian"
    with pytest.raises(RuleBroken, match="no rule"):
        change_segment(frozen, rule={}, actor=None, now=now)
    with pytest.raises(RuleBroken, match="static"):
        change_members(segment, add=[qian.pk], actor=None, now=now)


def test_names_are_taken_until_archived() -> None:
    now = timezone.now()
    first = create_list(name="VIP", customers=[], actor=None, now=now)

    with pytest.raises(RuleBroken, match="already"):
        create_segment(name="vip", rule={}, actor=None, now=now)
    archive_segment(first, actor=None, now=now)
    second = create_segment(name="vip", rule={}, actor=None, now=now)

    with pytest.raises(MovedOn):
        archive_segment(first, actor=None, now=now)
    with pytest.raises(MovedOn):
        change_segment(first, name="Other", actor=None, now=now)
    change_segment(second, name="Other", shared=False, actor=None, now=now)
    assert (second.name, second.shared) == ("Other", False)


def test_a_count_is_exact_or_says_that_it_is_not() -> None:
    make_customers(7)

    assert count_customers(customers_in({})) == count_customers(Customer.objects.all())
    counted = count_customers(customers_in({}))
    assert (counted.customers, counted.is_exact) == (7, True)


BROKEN: list[object] = [
    [], "all", 7, {"all": {}}, {"all": [7]}, {"all": [{}]}, {"any": "x"}, {"not": []}, {"not": {}},
    {"all": [], "any": []}, {"or": []}, {"field": "tag"}, asked("tag", "any", []),
    asked("tag", "any", [0]), asked("tag", "any", [True]), asked("tag", "any", ["1"]),
    asked("tag", "any", [2**63]), asked("tag", "like", [1]), asked("password", "is", "x"),
    asked("city", "is", ""), asked("city", "is", "x" * 101), asked("city", "is", "a\0b"),
    asked("city", "is", {"$ne": 1}), asked("gender", "is", "x' OR 1=1"), asked("age", "between", [9]),
    asked("age", "between", [50, 20]), asked("birthday", "in_months", [13]),
    asked("birthday", "known", "yes"), asked("spent", "at_least", -1), asked("spent", "at_least", "9"),
    asked("spent", "at_least", float("nan")), asked("spent", "at_least", float("inf")),
    asked("orders", "at_least", 1.5), asked("orders", "within_days", {"number": 1}),
    asked("attribute", "is", "size"), asked("attribute", "is", {"key": "", "value": "x"}),
    asked("attribute", "at_least", {"key": "a__b'", "value": "x"}),
    asked("last_interaction", "within_days", 0), asked("last_interaction", "within_days", 10**9),
    {**asked("city", "is", "x"), "raw": "1=1"}, asked(["tag"], "any", [1]),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN, ids=str)
def test_everything_else_is_refused_in_words(rule: object) -> None:
    with pytest.raises(RuleBroken) as refused:
        check_rule(rule)

    assert str(refused.value)


def test_too_deep_and_too_many_are_refused() -> None:
    deep: dict[str, Any] = asked("city", "is", "x")
    for _level in range(7):
        deep = {"all": [deep]}

    with pytest.raises(RuleBroken, match="deep"):
        check_rule(deep)
    with pytest.raises(RuleBroken, match="at most"):
        check_rule({"all": [asked("city", "is", "x")] * 101})


HOSTILE = [
    "'; DROP TABLE contacts_customer; --",
    "%s",
    "%(x)s",
    "\\",
    "{0}",
    "a__b",
    "%",
    "_",
    '"',
    "$$",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_are_words(words: str) -> None:
    chen = make_customer("Chen")
    give(chen, city=words, attributes={words: words}, search_key=words.lower())

    assert names(asked("city", "is", words)) == "Chen"
    assert names(asked("attribute", "is", {"key": words, "value": words})) == "Chen"
    assert names(asked("attribute", "known", words)) == "Chen"
    assert names(asked("name", "contains", words)) == "Chen"
    assert names(asked("attribute", "at_least", {"key": words, "value": 1})) == ""


LEAVES = st.sampled_from(
    [
        asked("city", "is", "Suzhou"),
        asked("gender", "is", "female"),
        asked("spent", "at_least", 100),
        asked("owner", "pool", True),
        asked("birthday", "known", False),
        asked("address", "has", "email"),
        asked("connected", "is", True),
        asked("coupon", "valid", True),
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda members: {"all": members}),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: {"any": members}),
        inner.map(lambda member: {"not": member}),
    ),
    max_leaves=8,
)


def holds(rule: dict[str, Any], person: Customer) -> bool:
    """What a rule means, in Python."""
    if "all" in rule:
        return all(holds(member, person) for member in rule["all"])
    if "any" in rule:
        return any(holds(member, person) for member in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], person)
    number = int(person.name[1:])
    return {
        "city": person.city == "Suzhou",
        "gender": person.gender == "female",
        "spent": person.spent >= 100,
        "owner": person.owner_id is None,
        "birthday": person.birthday is None,
        "address": number % 2 == 0,
        "connected": number % 3 == 0,
        "coupon": number % 5 < 2,
    }[rule["field"]]


@given(rule=TREES)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_database_finds_whom_python_finds(rule: dict[str, Any], db: None) -> None:
    if not Customer.objects.exists():
        lin = make_staff("Lin")
        for number in range(32):
            person = make_customer(f"C{number}", owner=lin if number & 1 else None)
            give(
                person,
                city="Suzhou" if number & 2 else "",
                gender="female" if number & 4 else "",
                spent=200 if number & 8 else 0,
                birthday="1990-01-01" if number & 16 else None,
            )
            if number % 2 == 0:
                make_identity(person, f"c{number}@example.com", kind=IdentityKind.EMAIL)
            if number % 3 == 0:
                make_follow(lin, person)
            if number % 5 < 2:
                make_coupon(person)
                make_coupon(person)
        merge_customer(make_coupon(make_customer("Twin")).customer, Customer.objects.earliest("pk"))
        make_erased(make_coupon(make_customer()).customer)
    try:
        check_rule(rule)
    except RuleBroken:
        return  # deeper than groups may lie
    wanted = {person.pk for person in Customer.objects.active() if holds(rule, person)}
    found = customers_in(rule)

    assert set(found.values_list("pk", flat=True)) == wanted
    assert count_customers(found) == Count(len(wanted))


def test_how_and_since_when_they_are_connected() -> None:
    chen, zhao, qian = three()
    lin, now = make_staff("Lin"), timezone.now()
    make_follow(lin, chen, add_way=1)
    make_follow(lin, zhao, add_way=202, ended=FollowEnd.REMOVED_BY_CUSTOMER)
    make_follow(lin, qian, add_way=99, ended=FollowEnd.TRANSFERRED)
    Follow.objects.exclude(customer=chen).update(ended_at=now - timedelta(days=3))

    assert names(asked("source", "way", "1")) == "Chen"
    assert names(asked("source", "way", "202")) == "Zhao"
    assert names(asked("connected", "removed_within_days", 7)) == "Zhao"
    assert names(asked("connected", "removed_within_days", 2)) == ""
    with pytest.raises(RuleBroken):
        check_rule(asked("source", "way", "99"))


def test_owners_and_genders_to_be_left_out() -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    give(make_customer("Chen", owner=lin), gender=Gender.FEMALE)
    make_customer("Zhao", owner=mei)
    make_customer("Qian", store=first_store())

    assert names(asked("owner", "not_in", [lin.pk])) == "Zhao Qian"
    assert names(asked("gender", "is_not", Gender.FEMALE)) == "Zhao Qian"


def test_consent_is_asked_for_as_a_message_would_ask() -> None:
    chen, zhao, qian = three()
    now = timezone.now()
    opt_in(chen, source="test", actor=None, now=now, channel="email", purpose="campaign")
    opt_out(zhao, source="test", actor=None, now=now, channel="email")
    opt_out(qian, source="test", actor=None, now=now)

    assert names(asked("consent", "agreed", "email:campaign")) == "Chen"
    assert names(asked("consent", "agreed", "sms:campaign")) == ""
    assert names(asked("consent", "refused", "email:care")) == "Zhao Qian"
    assert names(asked("consent", "refused", "sms:care")) == "Qian"
    assert names(asked("consent", "unsaid", "sms:campaign")) == "Chen Zhao"

    later = now + timedelta(minutes=1)
    opt_out(chen, source="test", actor=None, now=later)
    opt_in(zhao, source="test", actor=None, now=later, channel="email", purpose="care")

    assert names(asked("consent", "agreed", "email:campaign")) == ""
    assert names(asked("consent", "agreed", "email:care")) == "Zhao"
    assert names(asked("consent", "refused", "email:campaign")) == "Chen Zhao Qian"


def test_every_operator_has_a_name_of_its_own() -> None:
    for field in FIELDS.values():
        assert len({operator.name for operator in field.operators}) == len(field.operators)
        assert all(str(operator.label) for operator in field.operators)
