"""Posts as tests of their screens want them."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from campaigns.actions.posts.life import plan_post
from campaigns.enums import BatchState, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from tests.builders import make_post


def local(at: datetime) -> str:
    """A moment as a form takes it."""
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")


def planned(kind: PostKind = PostKind.GROUP, **fields: Any) -> Post:
    """A post that has gone to WeCom, and now waits for the colleagues."""
    now = timezone.now() - timedelta(hours=1)
    post = make_post(kind=kind, state=PostState.SCHEDULED, send_at=now, **fields)
    plan_post(post.pk, now=now)
    PostShare.objects.filter(post=post).update(
        state=BatchState.HANDED, handed_at=now, next_attempt_at=now
    )
    PostTarget.objects.filter(share__post=post).update(state=TargetState.HANDED)
    Post.objects.filter(pk=post.pk).update(state=PostState.WAITING)
    return fresh(post)


def fresh(post: Post) -> Post:
    """The post as it is in the database by now."""
    post.refresh_from_db()
    return post
