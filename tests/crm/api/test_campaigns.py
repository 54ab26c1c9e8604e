"""Campaigns, messages, segments and contact codes through the API."""

from datetime import UTC, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.actions.series import run_series
from campaigns.enums import DeliveryState
from campaigns.models import (
    Batch,
    Campaign,
    ChannelPace,
    Content,
    Delivery,
    Segment,
    WelcomeRule,
)
from contacts.enums import Role, Scope
from contacts.models import ContactCode, Customer, CustomerTag, HistoryEntry
from tests.builders import (
    NOON,
    first_store,
    make_batch,
    make_campaign,
    make_content,
    make_customer,
    make_customers,
    make_departed,
    make_media,
    make_segment,
    make_series,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

EVERYBODY: dict[str, list[object]] = {"all": []}


@pytest.fixture
def tao():
    return make_staff("Tao", role=Role.MARKETER)


@pytest.fixture
def client(api, tao):
    return api(tao)


def test_a_campaign_is_drafted_scheduled_and_cancelled(client, tao):
    content = client.post("/api/v1/contents", {"name": "Coats", "text": "New coats"}).json()
    segment = client.post("/api/v1/segments", {"name": "All", "rule": EVERYBODY}).json()
    wanted = {"name": "Spring", "content": content["id"], "segment": segment["id"]}
    later = timezone.now() + timedelta(days=1)

    drafted = client.post("/api/v1/campaigns", wanted)
    url = f"/api/v1/campaigns/{drafted.json()['id']}"
    scheduled = client.post(f"{url}/schedule", {"send_at": later.isoformat()}).json()
    cancelled = client.post(f"{url}/cancel").json()

    assert drafted.status_code == 201
    assert drafted.json()["created_by"] == {"id": tao.pk, "name": "Tao"}
    assert scheduled["state"] == "scheduled"
    assert Campaign.objects.get().send_at == later
    assert cancelled["state"] == "cancelled"


def test_a_campaign_may_bring_its_own_text_and_rule(client):
    answer = client.post("/api/v1/campaigns", {"name": "Spring", "text": "Hi", "rule": EVERYBODY})

    campaign = Campaign.objects.get(pk=answer.json()["id"])
    assert campaign.content
    assert campaign.segment
    assert (campaign.content.text, campaign.segment.name) == ("Hi", "Spring")


def test_a_campaign_may_bring_its_own_attachments(client):
    rows = [{"kind": "image", "media": make_media().pk}]
    link = {"kind": "link", "title": "Coats", "url": "https://shop.example/coats"}
    body = {"name": "Spring", "rule": EVERYBODY, "channel": "wecom"}

    only = client.post("/api/v1/campaigns", body | {"attachments": rows})
    both = client.post("/api/v1/campaigns", body | {"text": "Hi", "attachments": [*rows, link]})

    assert (only.status_code, both.status_code) == (201, 201)
    assert (only.json()["text"], only.json()["attachments"]) == ("", rows)
    url = f"/api/v1/campaigns/{both.json()['id']}"
    kept = client.get(url).json()
    assert (kept["text"], kept["attachments"]) == ("Hi", [*rows, link])
    worded = client.patch(url, {"text": "Hello"}).json()
    assert (worded["text"], worded["attachments"]) == ("Hello", [*rows, link])
    bare = client.patch(url, {"attachments": [link]}).json()
    assert (bare["text"], bare["attachments"]) == ("Hello", [link])
    listed = client.get("/api/v1/campaigns").json()["results"]
    assert [row["attachments"] for row in listed] == [[link], rows]


@pytest.mark.parametrize(
    ("attachments", "words"),
    [
        ([{"kind": "image", "media": 999}], "gone or of another kind"),
        ([{"kind": "pigeon"}], "no such kind"),
        ([{"kind": "image", "url": "https://example.com/a.png"}], "wants the file itself"),
    ],
)
def test_attachments_of_a_campaign_are_checked_as_those_of_contents(client, attachments, words):
    body = {"name": "Spring", "text": "Hi", "rule": EVERYBODY}
    kept = client.post("/api/v1/campaigns", body).json()

    made = client.post("/api/v1/campaigns", body | {"name": "Hats", "attachments": attachments})
    changed = client.patch(f"/api/v1/campaigns/{kept['id']}", {"attachments": attachments})

    assert (made.status_code, changed.status_code) == (400, 400)
    assert words in made.json()["detail"]
    assert words in changed.json()["detail"]
    assert Campaign.objects.count() == Content.objects.count() == 1
    assert client.get(f"/api/v1/campaigns/{kept['id']}").json() == kept


@pytest.mark.parametrize("written", [{"text": "Hello"}, {"attachments": []}])
def test_a_content_and_what_is_written_are_refused_together(client, written):
    content = make_content("Hi")
    kept = make_campaign(content=content)
    both = {"content": content.pk, **written}

    made = client.post("/api/v1/campaigns", {"name": "Spring", "rule": EVERYBODY, **both})
    changed = client.patch(f"/api/v1/campaigns/{kept.pk}", both)

    for answer in (made, changed):
        assert answer.status_code == 400
        assert answer.json()["errors"] == {"content": ["Give either content or text."]}


def test_a_second_campaign_of_one_name_brings_its_own_rule_too(client):
    body = {"name": "Spring", "text": "Hi", "rule": EVERYBODY}

    answers = [client.post("/api/v1/campaigns", body) for _time in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = Segment.objects.order_by("pk").values_list("name", flat=True)
    assert first == "Spring"
    assert second.startswith("Spring 2")


@pytest.mark.parametrize("state", ["planned", "sending", "waiting", "paused", "done", "cancelled"])
def test_a_campaign_that_runs_is_not_changed(client, tao, state):
    campaign = make_campaign("Spring", state=state, created_by=tao, content=make_content("Hi"))
    if state == "cancelled":
        Campaign.objects.filter(pk=campaign.pk).update(planned_at=timezone.now())
    make_batch(campaign, make_customers(1, owner=tao))
    url, other = f"/api/v1/campaigns/{campaign.pk}", make_content("Other")
    before, contents = client.get(url).json(), Content.objects.count()
    history = HistoryEntry.objects.count()

    changes: list[dict[str, object]] = [
        {"name": "Autumn"},
        {"text": "Hello"},
        {"attachments": []},
        {"content": other.pk},
        {"segment": make_segment().pk},
        {"send_until": (timezone.now() + timedelta(days=3)).isoformat()},
    ]
    for change in changes:
        answer = client.patch(url, change)
        assert answer.status_code == 409, change
        assert answer.json()["fresh"] == before

    assert client.get(url).json() == before
    assert Content.objects.count() == contents
    assert HistoryEntry.objects.count() == history


def test_what_is_tracked_is_said_as_in_the_editor(client):
    wanted = {
        "name": "Spring", "text": "Hi", "rule": EVERYBODY, "channel": "echo",
        "track_clicks": False, "conversion_days": 30,
    }  # fmt: skip

    drafted = client.post("/api/v1/campaigns", wanted).json()
    url = f"/api/v1/campaigns/{drafted['id']}"
    changed = client.patch(url, {"track_opens": False, "conversion_days": 0}).json()
    wrong = client.patch(url, {"conversion_days": 91})

    kept = ("track_clicks", "track_opens", "conversion_days")
    assert [drafted[name] for name in kept] == [False, True, 30]
    assert [changed[name] for name in kept] == [False, False, 0]
    assert wrong.status_code == 400


def test_campaigns_are_narrowed_down_as_in_the_list_and_the_calendar(client, tao):
    other = make_staff("Wu", role=Role.MARKETER)
    noon = timezone.now().replace(microsecond=0)
    spring = make_campaign("Spring coats", channel="echo", created_by=tao)
    hats = make_campaign("Hats", created_by=other)
    Campaign.objects.filter(pk=spring.pk).update(send_at=noon)
    Campaign.objects.filter(pk=hats.pk).update(send_at=noon + timedelta(days=1))

    def found(**query: object) -> list[int]:
        rows = client.get("/api/v1/campaigns", query).json()["results"]
        return [row["id"] for row in rows]

    day_after = (noon + timedelta(days=1)).isoformat()
    assert found(channel="echo") == [spring.pk]
    assert found(created_by=other.pk) == [hats.pk]
    assert found(search="COATS") == [spring.pk]
    assert found(send_from=noon.isoformat(), send_before=day_after) == [spring.pk]
    assert found(send_from=day_after) == [hats.pk]
    assert client.get("/api/v1/campaigns", {"channel": "pigeon"}).status_code == 400


@pytest.mark.parametrize("body", [
    {"name": "Spring"},
    {"name": "Spring", "text": "Hi"},
    {"name": "Spring", "rule": {"all": []}},
    {"name": " ", "text": "Hi", "rule": {"all": []}},
    {"name": "Spring", "text": "Hi", "content": 1, "rule": {"all": []}},
    {"name": "Spring", "content": 999, "rule": {"all": []}},
    {"name": "Spring", "text": "Hi", "rule": {"all": [{"field": "age", "op": "is", "value": 3}]}},
    {"name": "Spring", "text": "Hi {customer}", "rule": {"all": []}},
    {"name": "Spring", "text": "Hi", "rule": {"all": []}, "channel": "pigeon"},
])  # fmt: skip
def test_a_campaign_that_cannot_go_out_leaves_nothing_behind(client, body):
    answer = client.post("/api/v1/campaigns", body)

    assert answer.status_code == 400
    assert not Campaign.objects.exists()
    assert not Content.objects.exists()
    assert not Segment.objects.exists()


def test_a_segment_name_is_used_once(client):
    make_segment(name="Regulars")

    answer = client.post("/api/v1/segments", {"name": "REGULARS", "rule": EVERYBODY})

    assert answer.status_code == 400
    assert "already" in answer.json()["detail"]


def test_an_audience_is_previewed(client):
    lin, tag = make_staff("Lin"), make_tag()
    for customer in [
        *make_customers(2, owner=lin, followed=True),
        make_customer("Zhao", owner=lin),
    ]:
        CustomerTag.objects.create(customer=customer, tag=tag)
    make_customer("Sun")
    rule = {"all": [{"field": "tag", "op": "any", "value": [tag.pk]}]}

    answer = client.post("/api/v1/segments/preview", {"rule": rule})

    tagged = CustomerTag.objects.order_by("-customer").select_related("customer")
    assert answer.json() == {
        "customers": 3, "is_exact": True, "missing": [],
        "sample": [{"id": row.customer.pk, "name": row.customer.name} for row in tagged],
        "reachable": 2, "batches": 1, "senders": 1, "skipped": {"no_address": 1},
        "over_quota": 0, "later": 0,
    }  # fmt: skip


def test_progress_adds_up(client, tao):
    campaign = make_campaign(created_by=tao)

    body = client.get(f"/api/v1/campaigns/{campaign.pk}/progress").json()

    assert body == {
        "total": 0, "states": {}, "reasons": [], "batch_states": {}, "batches": [], "refused": [],
        "pace": {"handed": 0, "per_minute": 0, "left": 0, "seconds_left": None}, "rest": None,
    }  # fmt: skip


def test_progress_tells_pace_and_what_was_refused(client, tao):
    campaign = make_campaign(created_by=tao)
    now = timezone.now()
    chen, *others = make_customers(6, owner=tao)
    make_batch(
        campaign,
        [chen],
        state="handed",
        delivery_state=DeliveryState.HANDED,
        claimed_at=now,
        handed_at=now,
    )
    for error, customer in zip(["40096", "40096", "40058"], others, strict=False):
        batch = make_batch(campaign, [customer], state="refused", error=error)
        batch.deliveries.update(state="failed", reason="channel_error")
    make_batch(campaign, others[3:])

    body = client.get(f"/api/v1/campaigns/{campaign.pk}/progress").json()

    assert body["total"] == sum(body["states"].values()) == 6
    assert body["batch_states"] == {"handed": 1, "refused": 3, "waiting": 1}
    assert body["refused"] == [
        {"error": "40096", "batches": 2}, {"error": "40058", "batches": 1},
    ]  # fmt: skip
    assert body["pace"] == {"handed": 1, "per_minute": 1, "left": 2, "seconds_left": 120}


@pytest.mark.parametrize(("state", "told"), [("sending", True), ("done", False)])
def test_progress_says_until_when_the_channel_rests_and_why(client, tao, state, told):
    campaign = make_campaign(created_by=tao, channel="echo", state=state)
    until = timezone.now() + timedelta(minutes=3)
    ChannelPace.objects.create(channel="echo", rest_until=until, why="The server is busy.")
    ChannelPace.objects.create(channel="sms", rest_until=until + timedelta(1), why="Not ours.")

    def rest():
        return client.get(f"/api/v1/campaigns/{campaign.pk}/progress").json()["rest"]

    if not told:
        assert rest() is None
        return
    assert rest()["why"] == "The server is busy."
    assert parse_datetime(rest()["until"]) == until
    ChannelPace.objects.filter(channel="echo").update(rest_until=timezone.now())
    assert rest() is None


def many_batches(campaign, number, **fields):
    start = campaign.batches.count()
    return Batch.objects.bulk_create(
        Batch(campaign=campaign, seq=start + n + 1, size=200, **fields) for n in range(number)
    )


def test_progress_is_as_long_for_300_batches_as_for_3(client, tao):
    campaign = make_campaign(created_by=tao)
    url = f"/api/v1/campaigns/{campaign.pk}/progress"
    client.get(url)
    asked = []
    for number in (3, 297):
        many_batches(campaign, number, state="refused", error=f"40096 {number}")
        with CaptureQueriesContext(connection) as queries:
            body = client.get(url).json()
        asked.append(len(queries))

    assert asked[0] == asked[1]
    assert body["batch_states"] == {"refused": 300}
    assert [cell["seq"] for cell in body["batches"]] == list(range(1, 51))
    assert len(body["refused"]) == 2


def test_batches_of_a_campaign_are_gone_through_once_each_by_state(client, tao):
    campaign, other = make_campaign(created_by=tao), make_campaign("Other", created_by=tao)
    wanted = {batch.pk for batch in many_batches(campaign, 230, state="done")}
    many_batches(campaign, 5)
    many_batches(other, 5, state="done")

    seen, url = [], f"/api/v1/batches?campaign={campaign.pk}&state=done&page_size=100"
    while url:
        page = client.get(url).json()
        assert len(page["results"]) <= 100
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert seen == sorted(wanted, reverse=True)


def a_split_campaign(tao):
    """Two wordings: Lin of the first store sends the one, Mei of Xidan the other; nobody a third."""
    lin, mei = make_staff("Lin"), make_staff("Mei", store=make_store("Xidan"))
    campaign = make_campaign(created_by=tao, state="sending")
    first, second, none, skipped = make_customers(4, owner=lin)
    parts = [
        make_batch(campaign, [first], sender=lin, variant=0),
        make_batch(campaign, [second], sender=mei, variant=1),
        make_batch(campaign, [none]),
    ]
    for part in parts:
        part.deliveries.update(variant=part.variant)
    Delivery.objects.create(
        campaign=campaign, customer=skipped, state="skipped", reason="no_address"
    )
    return campaign, lin, mei, [first, second, none, skipped], parts


def test_deliveries_are_narrowed_by_variant_store_and_sender(client, tao):
    campaign, lin, mei, customers, _parts = a_split_campaign(tao)
    first, second, none, skipped = (customer.pk for customer in customers)

    def found(**query):
        answer = client.get("/api/v1/deliveries", {"campaign": campaign.pk, **query})
        assert answer.status_code == 200
        return [row["customer"] for row in reversed(answer.json()["results"])]

    assert found(variant="a") == [first]
    assert found(variant="b") == [second]
    assert found(variant="c") == []
    assert found(sender=lin.pk) == [first]
    assert found(sender=mei.pk, variant="b") == [second]
    assert found(sender=mei.pk, variant="a") == []
    assert found(store=mei.store_id) == [second]
    assert found(store=lin.store_id) == [first, none, skipped]
    rows = client.get("/api/v1/deliveries", {"variant": "b"}).json()["results"]
    assert [row["variant"] for row in rows] == ["b"]
    for wrong in ({"variant": "z"}, {"variant": "0"}, {"store": "x"}, {"sender": 0}):
        assert client.get("/api/v1/deliveries", wrong).status_code == 400


def test_batches_are_narrowed_by_variant(client, tao):
    campaign, _lin, _mei, _customers, parts = a_split_campaign(tao)

    def found(**query):
        rows = client.get("/api/v1/batches", {"campaign": campaign.pk, **query}).json()["results"]
        return [(row["id"], row["variant"]) for row in rows]

    assert found(variant="b") == [(parts[1].pk, "b")]
    assert found() == [(parts[2].pk, None), (parts[1].pk, "b"), (parts[0].pk, "a")]
    assert client.get("/api/v1/batches", {"variant": "z"}).status_code == 400


@pytest.mark.parametrize("query", ["variant=a", "store={store}", "sender={sender}"])
def test_narrowed_deliveries_are_gone_through_once_each_with_as_many_queries(client, tao, query):
    campaign = make_campaign(created_by=tao, state="sending")
    url = f"/api/v1/deliveries?campaign={campaign.pk}&page_size=4&" + query.format(
        store=tao.store_id, sender=tao.pk
    )
    client.get(url)
    asked, wanted = [], set()
    for number in (2, 7):
        customers = make_customers(number, owner=tao)
        wanted |= {customer.pk for customer in customers}
        make_batch(campaign, customers, sender=tao, variant=0).deliveries.update(variant=0)
        with CaptureQueriesContext(connection) as queries:
            page = client.get(url).json()
        asked.append(len(queries))

    seen = []
    while True:
        seen += [row["customer"] for row in page["results"]]
        if not page["next"]:
            break
        page = client.get(page["next"]).json()
    assert asked[0] == asked[1]
    assert seen == sorted(wanted, reverse=True)


@pytest.mark.parametrize("part", ["batches", "guides"])
def test_the_parts_of_the_figures_are_gone_through_once_each(client, tao, part):
    campaign = make_campaign(state="done", created_by=tao, recipients=9)
    for name, recipients in (("Lin", 1), ("Mei", 3), ("Sun", 2), ("Wu", 2), ("Hu", 1)):
        guide = make_staff(name)
        make_batch(
            campaign, make_customers(recipients), sender=guide, delivery_state=DeliveryState.SENT
        )

    seen, url = [], f"/api/v1/campaigns/{campaign.pk}/statistics/{part}?page_size=2"
    while url:
        page = client.get(url).json()
        assert page["counted_at"]
        assert 1 <= len(page["results"]) <= 2
        seen += [(row["name"], row["funnel"]["sent"]) for row in page["results"]]
        url = page["next"]

    assert (
        seen
        == {
            "batches": [("1 Lin", 1), ("2 Mei", 3), ("3 Sun", 2), ("4 Wu", 2), ("5 Hu", 1)],
            "guides": [("Mei", 3), ("Sun", 2), ("Wu", 2), ("Lin", 1), ("Hu", 1)],
        }[part]
    )


def test_figures_that_the_channel_does_not_tell_are_null(client, tao):
    untold = {"delivered", "read", "clicked", "replied", "opted_out"}
    for channel, expected in (("wecom", None), ("email", 0)):
        campaign = make_campaign(state="done", channel=channel, created_by=tao, recipients=1)
        make_batch(campaign, make_customers(1), sender=tao, delivery_state=DeliveryState.SENT)
        url = f"/api/v1/campaigns/{campaign.pk}/statistics"

        funnels = [
            client.get(url).json()["funnel"],
            client.get(f"{url}/guides").json()["results"][0]["funnel"],
        ]

        for funnel in funnels:
            assert {funnel[stage] for stage in untold} == {expected}
            assert (funnel["sent"], funnel["converted"]) == (1, 0)


@pytest.mark.parametrize("query", ["cursor=x", "page_size=0", "page_size=201", "by=guide"])
def test_the_parts_of_the_figures_refuse_what_is_no_page(client, tao, query):
    campaign = make_campaign(state="done", created_by=tao)
    url = f"/api/v1/campaigns/{campaign.pk}/statistics/batches?{query}"

    assert client.get(url).status_code == 400


def test_a_colleagues_progress_and_batches_do_not_exist_for_a_marketer_of_one_store(api):
    campaign = make_campaign()
    many_batches(campaign, 3)
    yu = api(make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE))

    assert yu.get(f"/api/v1/campaigns/{campaign.pk}/progress").status_code == 404
    assert yu.get(f"/api/v1/batches?campaign={campaign.pk}").json()["results"] == []


def test_a_campaign_goes_out_at_once_without_a_time(client, tao):
    campaign = make_campaign(created_by=tao, content=make_content("Hi"))

    body = client.post(f"/api/v1/campaigns/{campaign.pk}/schedule").json()

    assert body["state"] == "scheduled"
    assert Campaign.objects.filter(send_at__lte=timezone.now()).exists()


def test_a_contact_code_is_made_with_its_welcome(api):
    hua, lin, tag = make_staff("Hua", role=Role.MANAGER), make_staff("Lin"), make_tag()
    store = first_store()
    body = {
        "name": "Door",
        "store": lin.store_id,
        "staff": [lin.pk],
        "tags": [tag.pk],
        "welcome": "Welcome! I am {guide}.",
    }

    answer = api(hua).post("/api/v1/contact-codes", body)

    code = ContactCode.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": code.pk, "name": "Door", "state": code.state,
        "store": {"id": store.pk, "name": store.name},
        "staff_on_duty": [{"id": lin.pk, "name": "Lin"}],
        "tags": [{"id": tag.pk, "name": tag.name}],
        "qr_code_url": "", "created_at": answer.json()["created_at"], "closed_at": None,
    }  # fmt: skip
    assert WelcomeRule.objects.get(contact_code=code).content.text == body["welcome"]


@pytest.mark.parametrize("wrong", ["departed", "outsider", "nobody"])
def test_a_contact_code_needs_people_who_work_here(api, wrong):
    hua = make_staff("Hua", role=Role.MANAGER)
    people = {
        "departed": [make_departed(store=hua.store).pk],
        "outsider": [make_staff("Mei", store=make_store("Xidan")).pk],
        "nobody": [],
    }
    body = {"name": "Door", "store": hua.store_id, "staff": people[wrong], "welcome": "Hello"}

    answer = api(hua).post("/api/v1/contact-codes", body)

    assert answer.status_code == 400
    assert not ContactCode.objects.exists()
    assert not Content.objects.exists()


def test_what_is_counted_of_a_campaign_is_chosen_and_changed(client):
    segment = make_segment(rule=EVERYBODY)
    counted = {"track_clicks": False, "track_opens": True, "conversion_days": 30}
    made = {"name": "Spring", "text": "New", "channel": "echo", "segment": segment.pk}

    body = client.post("/api/v1/campaigns", made | counted).json()
    assert {name: body[name] for name in counted} == counted
    usual = client.post("/api/v1/campaigns", made).json()
    assert (usual["track_clicks"], usual["conversion_days"]) == (True, 7)

    changed = client.patch(f"/api/v1/campaigns/{body['id']}", {"conversion_days": 0}).json()
    assert (changed["track_clicks"], changed["conversion_days"]) == (False, 0)
    too_long = client.patch(f"/api/v1/campaigns/{body['id']}", {"conversion_days": 91})
    assert too_long.status_code == 400


def test_a_campaign_is_sent_to_oneself(client, tao):
    chen = make_customer("Chen")
    segment = make_segment(rule=EVERYBODY)
    made = {"name": "Spring", "text": "Dear {customer}, {nickname}", "channel": "echo"}
    pk = client.post("/api/v1/campaigns", made | {"segment": segment.pk}).json()["id"]
    address = f"/api/v1/campaigns/{pk}/test-send"

    sent = client.post(address, {"customer": chen.pk})
    assert sent.status_code == 200
    assert sent.json()["text"] == "Dear Chen, {nickname}"
    assert sent.json()["unknown"] == ["nickname"]
    assert not Batch.objects.exists()

    assert client.post(address, {"variant": "b"}).status_code == 400
    halves = [{"share": 50, "text": "First"}, {"share": 50, "text": "Second"}]
    assert client.post(f"/api/v1/campaigns/{pk}/split", {"variants": halves}).status_code == 200
    assert client.post(address, {}).json()["text"] == "First"
    assert client.post(address, {"variant": "b"}).json()["text"] == "Second"


@pytest.mark.parametrize("rule", ["read", "click", "reply"])
def test_a_winner_that_the_channel_cannot_tell_is_refused(client, rule):
    campaign = make_campaign()
    variants = [{"share": 50, "text": "One"}, {"share": 50, "text": "Two"}]
    split = {"variants": variants, "test_share": 20, "winner_after_hours": 24}
    url = f"/api/v1/campaigns/{campaign.pk}/split"

    answer = client.post(url, split | {"winner_rule": rule})

    assert answer.status_code == 400
    assert "Let the one that is most bought win, or choose by hand." in answer.json()["detail"]
    assert client.post(url, split | {"winner_rule": "conversion"}).status_code == 200


@pytest.fixture
def noon():
    """Noon in Shanghai of the day after tomorrow: early morning in Paris, where two live."""
    make_customers(4, owner=make_staff("Lin"), followed=True)
    two = list(Customer.objects.order_by("pk").values_list("pk", flat=True)[:2])
    Customer.objects.filter(pk__in=two).update(time_zone="Europe/Paris")
    now = timezone.now()
    change_messaging_rules({"quiet_from": time(21), "quiet_to": time(9)}, actor=None, now=now)
    return (now + timedelta(days=2)).astimezone(UTC).replace(hour=4, minute=0, second=0)


@pytest.mark.parametrize("by_the_clock", [True, False])
@pytest.mark.parametrize(("hours", "too_late"), [(2, 2), (6, 0)])
def test_a_preview_judges_quiet_hours_by_the_time_that_is_given(
    client, noon, hours, too_late, by_the_clock
):
    body = {"rule": EVERYBODY, "send_until": (noon + timedelta(hours=hours)).isoformat()}
    if by_the_clock:
        body |= {"local_time": f"{noon:%Y-%m-%d}T12:00", "zone": "Asia/Shanghai"}
    else:
        body["send_at"] = noon.isoformat()

    seen = client.post("/api/v1/segments/preview", body).json()

    assert seen["skipped"] == ({"quiet_hours": too_late} if too_late else {})
    assert (seen["reachable"], seen["later"]) == (4 - too_late, 2 - too_late)


@pytest.mark.parametrize(
    ("times", "field"),
    [
        ({"send_at": "2030-01-01T10:00Z", "send_until": "2030-01-01T10:00Z"}, "send_until"),
        ({"send_until": "2020-01-01T10:00Z"}, "send_until"),
        ({"local_time": "2030-01-01T10:00"}, "zone"),
        ({"send_at": "2030-01-01T10:00Z", "local_time": "2030-01-01T10:00", "zone": "UTC"}, "send_at"),
    ],
)  # fmt: skip
def test_times_of_a_preview_that_do_not_go_together_are_refused(client, times, field):
    answer = client.post("/api/v1/segments/preview", {"rule": EVERYBODY} | times)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]


def test_why_a_run_was_refused_is_said_in_the_language_of_the_request(client, tao):
    series = make_series(created_by=tao, segment=make_segment({"all": [{"field": "gone"}]}))
    run_series(series.pk, now=NOON + timedelta(days=7))
    url = f"/api/v1/series/{series.pk}/runs"

    said = [
        client.get(url, headers={"Accept-Language": language}).json()["results"][0]["why"]
        for language in ("en", "zh-hans")
    ]

    assert said == ["A segment cannot ask for “gone None”.", "客群不支持条件“gone None”。"]
