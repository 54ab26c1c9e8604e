"""Posts to group chats and moments through the API: whom they may reach, and changing them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.actions.posts.life import plan_post
from campaigns.enums import PostKind
from campaigns.models import Content, Post, PostTarget
from contacts.enums import Role, Scope
from contacts.models import HistoryEntry, Staff
from tests.builders import (
    make_content,
    make_customer,
    make_customers,
    make_media,
    make_post,
    make_reaction,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

POSTS = "/api/v1/posts"
GOOD = {"kind": "group", "name": "Coats", "text": "New coats"}


@pytest.fixture
def tao():
    return make_staff("Tao", role=Role.MARKETER)


@pytest.fixture
def client(api, tao):
    return api(tao)


def test_a_marketer_of_one_store_posts_within_it(api):
    north, south = make_store("North"), make_store("South")
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=north)

    assert api(yu).post(POSTS, GOOD | {"stores": [south.pk]}).status_code == 400
    assert not Post.objects.exists()

    assert api(yu).post(POSTS, GOOD).status_code == 201
    assert list(Post.objects.get().stores.all()) == [north]


@pytest.mark.parametrize("scope", [Scope.OWN, Scope.STORE])
def test_whoever_reaches_no_store_posts_to_nobody(api, scope):
    yu = make_staff("Yu", role=Role.MARKETER, scope=scope)
    own = [yu.store_id]
    if scope == Scope.STORE:
        Staff.objects.filter(pk=yu.pk).update(store=None)

    for stores in ([], own):
        assert api(yu).post(POSTS, GOOD | {"stores": stores}).status_code == 400
    assert not Post.objects.exists()
    assert not Content.objects.exists()


def test_what_lies_beyond_todays_scope_is_not_scheduled(api):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    post = make_post(created_by=yu)

    answer = api(yu).post(f"{POSTS}/{post.pk}/schedule")

    assert answer.status_code == 400
    assert "beyond your scope" in answer.json()["detail"]
    assert Post.objects.get().state == "draft"


def test_a_draft_is_changed_in_part(client, tao):
    post, north = make_post(), make_store("North")

    answer = client.patch(f"{POSTS}/{post.pk}", {"text": "Blue coats", "stores": [north.pk]})

    assert (answer.status_code, answer.json()["text"]) == (200, "Blue coats")
    post.refresh_from_db()
    assert (post.name, list(post.stores.all())) == ("Coats", [north])
    assert HistoryEntry.objects.get(action="post.changed").actor == tao


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"text": "Hello {customer}"}, 400),
        ({"text": "长" * 1400}, 400),
        ({"name": " "}, 400),
        ({"stores": [0]}, 400),
        ({"kind": "moment"}, 400),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(client, change, status):
    post = make_post()

    assert client.patch(f"{POSTS}/{post.pk}", {"name": "Hats"} | change).status_code == status
    post.refresh_from_db()
    assert (post.name, post.words) == ("Coats", "New coats are here.")


def test_tags_are_refused_to_a_post_to_chats(client):
    post, tag = make_post(), make_tag()

    assert client.patch(f"{POSTS}/{post.pk}", {"tags": [tag.pk]}).status_code == 400
    assert not post.tags.exists()


def test_only_a_draft_is_changed(client):
    post = make_post()
    client.post(f"{POSTS}/{post.pk}/cancel")

    assert client.patch(f"{POSTS}/{post.pk}", {"name": "Hats"}).status_code == 409
    post.refresh_from_db()
    assert post.name == "Coats"


def test_a_post_takes_no_address_in_place_of_a_file(client):
    far = make_content("Coats", attachments=[{"kind": "image", "url": "https://example.com/a.png"}])
    here = make_content("Coats", attachments=[{"kind": "image", "media": make_media().pk}])
    body = {"kind": "group", "name": "Coats"}

    refused = client.post(POSTS, body | {"content": far.pk})
    taken = client.post(POSTS, body | {"content": here.pk})

    assert (refused.status_code, taken.status_code) == (400, 201)
    assert Post.objects.count() == 1


LINK = {"kind": "link", "title": "Our coats", "url": "https://shop.example/coats"}
MOMENT = {"kind": "moment", "name": "Coats"}


def test_attachments_are_written_read_and_changed(client):
    rows = [{"kind": "image", "media": make_media().pk}]

    made = client.post(POSTS, MOMENT | {"attachments": rows})

    assert (made.status_code, made.json()["attachments"]) == (201, rows)
    place = f"{POSTS}/{made.json()['id']}"
    assert client.get(place).json()["attachments"] == rows
    assert client.patch(place, {"text": "New"}).json()["attachments"] == rows
    changed = client.patch(place, {"attachments": [LINK]}).json()
    assert (changed["attachments"], changed["text"]) == ([LINK], "New")
    emptied = client.patch(place, {"attachments": []})
    assert (emptied.status_code, emptied.json()["attachments"]) == (200, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"attachments": [LINK, LINK]},
        {"attachments": [{"kind": "image", "media": 0}]},
        {"attachments": [LINK] * 10},
        {"attachments": "nothing"},
        {"content": 1, "attachments": [LINK]},
        {"attachments": []},
        {},
    ],
)
def test_attachments_that_a_moment_cannot_carry_are_refused(client, wrong):
    post = make_post(kind=PostKind.MOMENT)

    assert client.post(POSTS, MOMENT | wrong).status_code == 400
    assert Post.objects.count() == Content.objects.count() == 1
    if wrong.get("attachments"):
        assert client.patch(f"{POSTS}/{post.pk}", wrong).status_code == 400
    post.refresh_from_db()
    assert post.enclosed == []


def test_the_progress_tells_of_comments_and_likes(client):
    make_customers(1, owner=make_staff("Lin"), followed=True)
    now = timezone.now()
    post = make_post(kind=PostKind.MOMENT, state="scheduled", send_at=now)
    plan_post(post.pk, now=now)
    PostTarget.objects.update(
        state="sent", customer_likes=3, staff_comments=1, reactions_read_at=now
    )

    (row,) = client.get(f"{POSTS}/{post.pk}/progress").json()["targets"]

    assert row["reactions"] == {
        "customer_comments": 0, "staff_comments": 1, "customer_likes": 3, "staff_likes": 0,
    }  # fmt: skip
    assert row["reactions_read_at"]


def test_the_progress_counts_all_and_lists_the_first_fifty(client):
    lin, now = make_staff("Lin"), timezone.now()
    post = make_post(kind=PostKind.MOMENT, state="scheduled", send_at=now)
    make_customers(1, owner=lin, followed=True)
    plan_post(post.pk, now=now)
    first = PostTarget.objects.get()
    PostTarget.objects.bulk_create(
        PostTarget(share=first.share, staff=lin, slot=slot, state="sent") for slot in range(1, 60)
    )

    with CaptureQueriesContext(connection) as queries:
        body = client.get(f"{POSTS}/{post.pk}/progress").json()

    assert (body["total"], body["states"]) == (60, {"queued": 1, "sent": 59})
    assert [row["id"] for row in body["targets"]] == list(range(first.pk, first.pk + 50))
    assert len([one for one in queries if "campaigns_posttarget" in one["sql"]]) == 2


def test_all_chats_or_colleagues_of_a_post_are_gone_through_once_each_by_state(api, client):
    lin, now = make_staff("Lin"), timezone.now()
    make_customers(1, owner=lin, followed=True)
    posts = [make_post(kind=PostKind.MOMENT, state="scheduled", send_at=now) for _n in range(2)]
    for post in posts:
        plan_post(post.pk, now=now)
    first = PostTarget.objects.filter(share__post=posts[0]).get()
    sent = PostTarget.objects.bulk_create(
        PostTarget(share=first.share, staff=lin, slot=slot, state="sent") for slot in range(1, 8)
    )

    seen, url = [], f"{POSTS}/{posts[0].pk}/targets?state=sent&page_size=3"
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert seen == [target.pk for target in reversed(sent)]
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    assert api(yu).get(f"{POSTS}/{posts[0].pk}/targets").status_code == 404


def test_who_reacted_is_listed_by_kind_and_within_sight(api, client):
    yu, lin = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE), make_staff("Lin")
    make_customers(1, owner=lin, followed=True)
    now = timezone.now()
    post = make_post(kind=PostKind.MOMENT, state="scheduled", send_at=now, created_by=yu)
    plan_post(post.pk, now=now)
    target = PostTarget.objects.get()
    chen = make_customer("Chen", owner=lin, address="wm-chen")
    make_customer("Zhao", store=make_store("Xidan"), address="wm-zhao")
    make_reaction(target, "wm-chen")
    make_reaction(target, "wm-zhao")
    make_reaction(target, lin.wecom_userid or "", by_staff=True, kind="comment")

    def found(who, query=""):
        rows, url = [], f"{POSTS}/{post.pk}/reactions?page_size=1{query}"
        while url:
            page = who.get(url).json()
            rows += page["results"]
            url = page["next"]
        return rows

    comment, zhao, like = found(client)
    assert (comment["staff"], comment["customer"]) == ({"id": lin.pk, "name": "Lin"}, None)
    assert (like["staff"], like["customer"]) == (None, {"id": chen.pk, "name": "Chen"})
    assert (zhao["customer"]["name"], like["moment_of"]["name"]) == ("Zhao", "Lin")
    assert [row["id"] for row in found(client, "&kind=comment")] == [comment["id"]]
    assert len(found(client, "&by_staff=false")) == 2
    assert [row["id"] for row in found(api(yu))] == [comment["id"], like["id"]]
    assert client.get(f"{POSTS}/{post.pk}/reactions?kind=x").status_code == 400
    other = api(make_staff("Wen", role=Role.MARKETER, scope=Scope.STORE))
    assert other.get(f"{POSTS}/{post.pk}/reactions").status_code == 404
