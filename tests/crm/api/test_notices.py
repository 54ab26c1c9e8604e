"""Notices and warnings over the API: one's own, and of the stores one manages."""

from datetime import timedelta

from django.utils import timezone

from contacts.actions.notices import notify
from contacts.enums import LossKind, NoticeKind, Role
from contacts.models import Notice
from tests.builders import NOON, make_customer, make_loss, make_staff, make_store


def told(staff, key, **fields):
    notify([staff.pk], NoticeKind.CUSTOMER_LOST, key=key, now=NOON, **fields)
    return Notice.objects.get(staff=staff, key=key)


def texts(answer):
    return [row["text"] for row in answer.json()["results"]]


def test_everybody_reads_their_own_notices_newest_first(api):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen")
    about = {"customer": chen, "about": mei}
    told(lin, "1", **about, data={"kind": "by_customer"})
    told(lin, "2", **about, data={"kind": "unknown"})
    told(mei, "1", **about)

    assert texts(api(lin).get("/api/v1/notices")) == [
        "Chen is not connected with Mei in WeCom any more, and lost.",
        "Chen has removed Mei and is lost.",
    ]


def test_what_was_read_is_new_no_more(api):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    first, second = told(lin, "1"), told(lin, "2")
    foreign = told(mei, "1")
    client = api(lin)

    answer = client.post("/api/v1/notices/read", {"notices": [first.pk, foreign.pk]})

    assert answer.json() == {"read": 1}
    rows = client.get("/api/v1/notices?unread=true").json()["results"]
    assert [row["id"] for row in rows] == [second.pk]
    assert client.post("/api/v1/notices/read", {}).json() == {"read": 1}
    foreign.refresh_from_db()
    assert foreign.read_at is None


def test_managers_are_warned_of_their_own_stores(api):
    here, there = make_store("Here"), make_store("There")
    manager = make_staff("Wang", store=here, role=Role.MANAGER)
    lin, mei = make_staff("Lin", store=here), make_staff("Mei", store=there)
    long_ago = timezone.now() - timedelta(days=60)
    for owner in (lin, lin, mei):
        make_customer(owner=owner, last_interaction_at=long_ago)
    for _ in range(6):
        recent = make_customer(owner=lin, last_interaction_at=timezone.now())
        make_loss(lin, recent, kind=LossKind.BY_STAFF, at=timezone.now())

    told_of = api(manager).get("/api/v1/statistics/warnings").json()

    assert told_of["quiet"] == [{"owner": lin.pk, "store": here.pk, "customers": 2, "never": 0}]
    assert [(one["staff"]["id"], one["what"], one["number"]) for one in told_of["unusual"]] == [
        (lin.pk, "removals", 6)
    ]
