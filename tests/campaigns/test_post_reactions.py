"""Comments and likes of moments: read from the sandbox over HTTP, kept, and read no longer than useful."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.posts.following import check_post, refresh_post
from campaigns.actions.posts.life import cancel_post, create_post, schedule_post
from campaigns.actions.posts.reactions import (
    MOST_KEPT,
    READ_FOR,
    TURN,
    moments_to_read,
    read_reactions,
)
from campaigns.actions.posts.sending import pump_post
from campaigns.enums import PostKind
from campaigns.models import Post, PostReaction, PostTarget
from contacts.models import Identity, Staff
from tests.builders import make_content, make_customers, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db

PATH = "externalcontact/get_moment_comments"


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def pair(shop: Shop) -> tuple[Staff, Staff]:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    for person in (lin, mei):
        make_customers(3, owner=person, followed=True)
    shop.open(lin, mei)
    return lin, mei


def published(shop: Shop, by: str = "", **reactions: Any) -> Post:
    """A moment that one colleague, or everybody, has published, as far as we were told."""
    now = timezone.now()
    content = make_content("New coats are here.")
    post = create_post(
        kind=PostKind.MOMENT, name="Coats", content=content, stores=[], actor=None, now=now
    )
    schedule_post(post, send_at=now, actor=None, now=now)
    pump_post(post.pk)
    shop.control.advance(300)
    check_post(post.pk, now=now + timedelta(minutes=5))  # learns its name
    shop.control.publish(userid=by, **reactions)
    check_post(post.pk, now=now + timedelta(minutes=15))
    post.refresh_from_db()
    return post


def soon(**more: int) -> datetime:
    return timezone.now() + timedelta(minutes=20) + timedelta(**more)


def counts(staff: Staff) -> tuple[int, int, int, int]:
    row = PostTarget.objects.get(staff=staff)
    return (row.customer_comments, row.staff_comments, row.customer_likes, row.staff_likes)


def people(staff: Staff) -> list[tuple[str, bool, str]]:
    """Who reacted to the moment of a colleague."""
    rows = PostReaction.objects.filter(target__staff=staff).order_by("kind", "by_staff", "address")
    return list(rows.values_list("kind", "by_staff", "address"))


def asked(shop: Shop) -> int:
    calls: dict[str, int] = shop.control.ledger()["calls"]
    return calls.get(PATH, 0)


def test_whoever_has_published_it_has_their_comments_and_likes_read(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    lin, mei = pair
    post = published(shop, lin.wecom_userid or "", likes=3, comments=2, staff_likes=1)

    assert moments_to_read(soon()) == [post.pk]
    assert read_reactions(post.pk, now=soon()) is False

    assert (counts(lin), counts(mei)) == ((2, 0, 3, 1), (0, 0, 0, 0))
    assert asked(shop) == 1
    assert moments_to_read(soon(minutes=30)) == []
    assert shop.violations() == []


def test_they_are_read_again_and_follow_what_wecom_says(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    lin, _mei = pair
    post = published(shop, likes=3)
    read_reactions(post.pk, now=soon())
    shop.control.publish(likes=2, comments=1, staff_comments=1)

    assert moments_to_read(soon(hours=2)) == [post.pk]
    read_reactions(post.pk, now=soon(hours=2))

    assert counts(lin) == (1, 1, 2, 0)


def test_who_reacted_is_kept_once_a_person_and_let_go_with_the_reaction(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    lin, mei = pair
    post = published(shop, lin.wecom_userid or "", likes=2, comments=1, staff_likes=1)
    read_reactions(post.pk, now=soon())
    first = people(lin)
    ids = set(PostReaction.objects.values_list("pk", flat=True))

    read_reactions(post.pk, now=soon(hours=2))
    assert (people(lin), people(mei)) == (first, [])
    assert set(PostReaction.objects.values_list("pk", flat=True)) == ids
    assert [kind for kind, _staff, _who in first] == ["comment", "like", "like", "like"]
    assert ("like", True, mei.wecom_userid) in first
    known = set(Identity.objects.filter(customer__owner=lin).values_list("value", flat=True))
    assert {who for _kind, staff, who in first if not staff} <= known

    shop.control.publish(likes=1, comments=1, staff_likes=0)
    read_reactions(post.pk, now=soon(hours=12))
    assert [kind for kind, _staff, _who in people(lin)] == ["comment", "like"]
    assert set(PostReaction.objects.values_list("pk", flat=True)) <= ids
    assert set(PostReaction.objects.values_list("post", flat=True)) == {post.pk}


def test_a_refusal_leaves_whom_we_know_of(shop: Shop, pair: tuple[Staff, Staff]) -> None:
    post = published(shop, likes=2)
    read_reactions(post.pk, now=soon())
    shop.control.faults(fail=[{"path": PATH, "errcode": 40058, "times": 2}])

    read_reactions(post.pk, now=soon(hours=2))

    assert [len(people(person)) for person in pair] == [2, 2]


def test_more_people_than_are_kept_are_counted_all_the_same(
    shop: Shop, pair: tuple[Staff, Staff], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_KEPT > 1
    monkeypatch.setattr("campaigns.actions.posts.reactions.MOST_KEPT", 1)
    post = published(shop, likes=3)

    read_reactions(post.pk, now=soon())

    assert [counts(person)[2] for person in pair] == [3, 3]
    assert [len(people(person)) for person in pair] == [1, 1]


def test_they_are_read_ever_less_often_and_in_the_end_no_more(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    post = published(shop, likes=1)
    at, gaps = soon(), []
    while moments_to_read(at + timedelta(days=2)):
        read_reactions(post.pk, now=at)
        due = PostTarget.objects.order_by("pk")[0].reactions_due_at
        if due is None:
            break
        gaps.append(due - at)
        at = due + timedelta(seconds=1)

    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (timedelta(hours=1), timedelta(days=1))
    assert len(gaps) < 25
    assert at > timezone.now() + READ_FOR
    assert counts(pair[0])[2] == 1


def test_a_refusal_leaves_what_is_known(shop: Shop, pair: tuple[Staff, Staff]) -> None:
    post = published(shop, likes=3)
    read_reactions(post.pk, now=soon())
    shop.control.publish(likes=1)
    shop.control.faults(fail=[{"path": PATH, "errcode": 40058, "times": 2}])

    read_reactions(post.pk, now=soon(hours=2))
    assert [counts(person)[2] for person in pair] == [3, 3]

    read_reactions(post.pk, now=soon(hours=9))
    assert [counts(person)[2] for person in pair] == [1, 1]


def test_while_wecom_is_busy_everybody_waits(shop: Shop, pair: tuple[Staff, Staff]) -> None:
    post = published(shop, likes=3)
    now = soon()
    PostTarget.objects.filter(staff=pair[0]).update(reactions_due_at=now - timedelta(hours=1))
    shop.control.faults(fail=[{"path": PATH, "errcode": 45009, "times": 1}])
    calls = asked(shop)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("campaigns.actions.posts.reactions.READING", 0)
        assert read_reactions(post.pk, now=now) is False

    assert asked(shop) == calls + 1
    assert counts(pair[0]) == (0, 0, 0, 0)
    assert moments_to_read(now) == []
    assert moments_to_read(now + timedelta(hours=2)) == [post.pk]


def test_two_workers_ask_once(shop: Shop, pair: tuple[Staff, Staff]) -> None:
    post = published(shop, likes=3)

    for _worker in range(2):
        read_reactions(post.pk, now=soon())

    assert asked(shop) == 2  # one for each colleague


def test_many_are_read_turn_by_turn(
    shop: Shop, pair: tuple[Staff, Staff], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TURN > 1
    monkeypatch.setattr("campaigns.actions.posts.reactions.TURN", 1)
    post = published(shop, likes=3)

    assert read_reactions(post.pk, now=soon()) is True
    assert sorted(counts(person)[2] for person in pair) == [0, 3]
    read_reactions(post.pk, now=soon())
    assert [counts(person)[2] for person in pair] == [3, 3]


def test_what_a_cancelled_moment_has_out_is_read_all_the_same(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    lin, _mei = pair
    post = published(shop, lin.wecom_userid or "", likes=2)
    cancel_post(post, actor=None, now=timezone.now())

    read_reactions(post.pk, now=soon())

    assert counts(lin) == (0, 0, 2, 0)


def test_asking_now_reads_them_again_and_only_while_they_are_read(
    shop: Shop, pair: tuple[Staff, Staff]
) -> None:
    post = published(shop, likes=2)
    read_reactions(post.pk, now=soon())
    rows = PostTarget.objects.filter(share__post=post)

    refresh_post(post, now=soon())  # read this very minute
    assert moments_to_read(soon()) == []
    refresh_post(post, now=soon(minutes=5))
    assert moments_to_read(soon(minutes=5)) == [post.pk]

    rows.update(reactions_due_at=None)
    refresh_post(post, now=soon(days=30))
    assert moments_to_read(soon(days=30)) == []
