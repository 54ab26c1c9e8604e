"""Lists: pages by key, filters by allow-list, and the same number of queries for every length."""

import base64

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enums import DeliveryState
from campaigns.models import WelcomeRule
from contacts.actions.history import record
from contacts.enums import IdentityKind, Role
from contacts.models import CustomerTag
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_code,
    make_content,
    make_coupon,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_media,
    make_segment,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def hua():
    return make_staff("Hua", role=Role.ADMINISTRATOR)


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_pages_follow_one_another_newest_first(api, hua):
    customers = make_customers(5, owner=hua)
    client = api(hua)

    seen, url = [], "/api/v1/customers?page_size=2"
    while url:
        page = client.get(url)
        seen.append(ids(page))
        url = page.json()["next"]

    newest = [customer.pk for customer in reversed(customers)]
    assert seen == [newest[:2], newest[2:4], newest[4:]]


def test_a_row_added_meanwhile_hides_no_other(api, hua):
    first, second = make_customers(2, owner=hua)
    page = api(hua).get("/api/v1/customers?page_size=1")
    make_customer("Zhao")

    assert ids(page) == [second.pk]
    assert ids(api(hua).get(page.json()["next"])) == [first.pk]


def test_deliveries_are_paged_by_campaign_and_customer(api, hua):
    customers = make_customers(3, owner=hua)
    campaigns = [make_campaign(name) for name in ("Spring", "Autumn")]
    for campaign in campaigns:
        make_batch(campaign, customers)
    client = api(hua)

    seen, url = [], "/api/v1/deliveries?page_size=2"
    while url:
        page = client.get(url).json()
        seen += [(row["campaign"], row["customer"]) for row in page["results"]]
        url = page["next"]

    wanted = [(campaign.pk, customer.pk) for campaign in campaigns for customer in customers]
    assert seen == sorted(wanted, reverse=True)


def cursor(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("query", [
    "page_size=0", "page_size=201", "page_size=1000000", "page_size=-1", "page_size=x",
    "page_size=１", "page_size=", "cursor=x", f"cursor={cursor('1.2')}",
    f"cursor={cursor('9' * 30)}", f"cursor={cursor('-1')}", f"cursor={cursor('1e3')}",
    "owner=x", "owner=1" + "0" * 30, "owner=0", "tag=[]", "unknown=1", "state=active",
    "identity=nonsense", "identity=phone:abc", "pool=maybe&page=2", "search=" + "x" * 81,
])  # fmt: skip
def test_a_bad_parameter_is_refused(api, hua, query):
    answer = api(hua).get(f"/api/v1/customers?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_customers_are_narrowed_down(api, hua):
    lin, other = make_staff("Lin"), make_store("Other")
    chen = make_customer("陈静", owner=lin)
    zhao = make_customer("Zhao", store=other)
    tag = make_tag()
    CustomerTag.objects.create(customer=zhao, tag=tag)
    make_identity(chen, "+8613812345678", kind=IdentityKind.PHONE)
    make_identity(zhao, "7", kind=IdentityKind.CRM, system="erp")
    client = api(hua)

    def found(query):
        return ids(client.get(f"/api/v1/customers?{query}"))

    assert found(f"owner={lin.pk}") == [chen.pk]
    assert found(f"store={other.pk}") == [zhao.pk]
    assert found("pool=true") == [zhao.pk]
    assert found(f"tag={tag.pk}") == [zhao.pk]
    assert found("search=chenj") == [chen.pk]
    assert found("search=%E9%99%88") == [chen.pk]
    assert found("identity=phone:%2B8613812345678") == [chen.pk]
    assert found("identity=phone:+8613812345678") == [chen.pk]
    assert found("identity=crm:erp:7") == [zhao.pk]
    assert found("identity=crm:pos:7") == []
    assert found(f"owner={lin.pk}&tag={tag.pk}") == []


def test_deliveries_and_batches_are_narrowed_down(api, hua):
    customers = make_customers(2, owner=hua)
    spring, autumn = make_campaign("Spring"), make_campaign("Autumn")
    make_batch(spring, customers)
    batch = make_batch(autumn, customers[:1], delivery_state=DeliveryState.SENT)
    client = api(hua)

    sent = client.get(f"/api/v1/deliveries?campaign={autumn.pk}&state=sent").json()["results"]

    assert [(row["batch"], row["customer"]) for row in sent] == [(batch.pk, customers[0].pk)]
    assert (
        client.get(f"/api/v1/deliveries?campaign={autumn.pk}&state=queued").json()["results"] == []
    )
    assert ids(client.get(f"/api/v1/batches?campaign={autumn.pk}")) == [batch.pk]


def a_store(hua):
    make_store()


def a_colleague(hua):
    make_staff("Mei")


def a_customer(hua):
    customer = make_customer(owner=make_staff("Lin"))
    make_identity(customer, f"+861381234{customer.pk % 10000:04d}", kind=IdentityKind.PHONE)
    CustomerTag.objects.create(customer=customer, tag=make_tag())


def a_customer_in_the_pool(hua):
    make_customer()


def a_tag(hua):
    make_tag()


def a_follow(hua):
    make_follow(make_staff("Lin"))


def an_interaction(hua):
    make_interaction(make_customer(), staff=hua)


def a_handover(hua):
    make_handover(make_departed())


def a_code(hua):
    make_code(staff=[hua])


def a_content(hua):
    make_content()


def a_segment(hua):
    make_segment()


def a_campaign(hua):
    make_campaign(created_by=hua)


def a_batch(hua):
    make_batch(make_campaign(), make_customers(1, owner=hua), sender=hua)


def an_entry(hua):
    record(make_customer(), "customer.added", actor=hua, at=NOON)


@pytest.mark.parametrize(("address", "make"), [
    ("stores", a_store),
    ("staff", a_colleague),
    ("customers", a_customer),
    ("identities", a_customer),
    ("tag-groups", a_tag),
    ("tags", a_tag),
    ("follows", a_follow),
    ("interactions", an_interaction),
    ("handovers", a_handover),
    ("contact-codes", a_code),
    ("contents", a_content),
    ("segments", a_segment),
    ("campaigns", a_campaign),
    ("batches", a_batch),
    ("deliveries", a_batch),
    ("history", an_entry),
    ("pool", a_customer_in_the_pool),
])  # fmt: skip
def test_a_longer_list_asks_no_more(api, hua, address, make):
    client = api(hua)
    client.get("/api/v1/tags")  # writes when the key was last used
    make(hua)
    one = count_queries(client, address)

    make(hua)
    make(hua)

    assert count_queries(client, address) == one
    assert one <= 9


def a_welcome(hua):
    code = make_code(staff=[hua])
    content = make_content(attachments=[{"kind": "image", "media": make_media().pk}])
    WelcomeRule.objects.create(contact_code=code, content=content)


def a_coupon(hua):
    make_coupon(make_customer(owner=make_staff()), given_by=make_staff())


@pytest.mark.parametrize(("address", "make"), [("welcome-rules", a_welcome), ("coupons", a_coupon)])
def test_forty_rows_ask_no_more_than_three(api, hua, address, make):
    client = api(hua)
    client.get("/api/v1/tags")  # writes when the key was last used
    for _row in range(3):
        make(hua)
    three = count_queries(client, address)

    for _row in range(37):
        make(hua)

    assert len(client.get(f"/api/v1/{address}").json()["results"]) == 40
    assert count_queries(client, address) == three <= 9


def count_queries(client, address):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"/api/v1/{address}")
    assert answer.status_code == 200
    assert answer.json()["results"]
    return len(queries)


def test_the_customers_of_a_handover_ask_no_more(api, hua):
    client = api(hua)
    client.get("/api/v1/tags")
    short = make_handover(customers=make_customers(1), to_staff=hua)
    long = make_handover(customers=make_customers(3), to_staff=hua)

    one = count_queries(client, f"handovers/{short.pk}/items")

    assert count_queries(client, f"handovers/{long.pk}/items") == one
