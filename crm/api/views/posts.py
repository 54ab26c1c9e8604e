"""Posts: messages to group chats, and moments."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.contents import create_content
from campaigns.actions.posts.changing import change_post, version_of
from campaigns.actions.posts.following import refresh_post, remind_post
from campaigns.actions.posts.life import (
    cancel_post,
    create_post,
    schedule_post,
    unschedule_post,
)
from campaigns.enums import PostKind, PostState, ReactionKind, TargetState
from campaigns.models import Content, Post, PostReaction, PostTarget
from campaigns.queries import PostProgress, post_progress
from contacts.enums import Role
from contacts.models import Tag
from crm.access import post_for, posts_of, reactions_to, require, stores_of
from crm.api.base import IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.inputs import MomentField
from crm.api.shapes.posts import (
    PostProgressShape,
    PostReactionShape,
    PostShape,
    PostTargetShape,
)
from crm.api.views.messages import MESSAGE_LENGTH, AttachmentsField
from crm.audiences import check_post_reach, stores_to_post_to


class PostFilters(django_filters.FilterSet):
    """How posts can be narrowed down."""

    kind = django_filters.ChoiceFilter(choices=PostKind.choices)
    state = django_filters.ChoiceFilter(choices=PostState.choices)


class Posts(Listing, Verb):
    """List the posts you see."""

    resource = "posts"
    shape = PostShape
    filterset_class = PostFilters
    success = 201

    class Input(StrictInput):
        """Where it goes (`kind`), what is said, and who is meant.

        Give either `content`, or `text` and `attachments` or one of them; attachments are written
        as those of contents. A moment takes up to nine pictures, or one video, or one link.
        Without `stores` all that you see are meant. `tags` narrow down who sees a moment.
        """

        example: ClassVar = {
            "kind": "group",
            "name": "Spring",
            "text": "Our spring coats are here.",
        }

        kind = serializers.ChoiceField(choices=PostKind.choices)
        name = serializers.CharField(max_length=120)
        content = IdField(required=False)
        text = serializers.CharField(max_length=MESSAGE_LENGTH, required=False)
        attachments = AttachmentsField(required=False)
        stores = IdsField(default=list)
        tags = IdsField(default=list, max_length=100)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """One of the pair."""
            if ("content" in attrs) == bool(attrs.keys() & {"text", "attachments"}):
                raise serializers.ValidationError({"content": [_("Give either content or text.")]})
            return attrs

    def rows(self) -> QuerySet[Post]:
        """Return the posts the person sees."""
        return posts_of(self.viewer).select_related("created_by", "content")

    def act(self, data: dict[str, Any]) -> Post:
        """Draft a post to the group chats, or a moment of the colleagues, of some stores."""
        require(self.viewer, Role.MARKETER)
        if "content" in data:
            content = pick(Content.objects.all(), [data["content"]], "content")[0]
        else:
            content = create_content(
                name=data["name"],
                text=data.get("text", ""),
                attachments=data.get("attachments", []),
                actor=self.actor,
                now=self.now,
            )
        stores = pick(stores_of(self.viewer, Role.MARKETER), data["stores"], "stores")
        return create_post(
            kind=PostKind(data["kind"]),
            name=data["name"],
            content=content,
            stores=stores_to_post_to(self.viewer, stores),
            tags=pick(Tag.objects.all(), data["tags"], "tags"),
            actor=self.actor,
            now=self.now,
        )


class PostChange(StrictInput):
    """What shall be different; what is left out stays."""

    example: ClassVar = {"text": "Our spring coats are here, in blue too."}

    name = serializers.CharField(max_length=120, required=False)
    text = serializers.CharField(max_length=MESSAGE_LENGTH, allow_blank=True, required=False)
    attachments = AttachmentsField(required=False)
    stores = IdsField(required=False)
    tags = IdsField(required=False, max_length=100)


class PostPage(Reading):
    """Read one post."""

    resource = "posts"
    shape = PostShape

    Change = PostChange

    def row(self, pk: int) -> Post:
        """Return the post."""
        return post_for(self.viewer, pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Change a post that is a draft."""
        require(self.viewer, Role.MARKETER)
        post = self.row(pk)
        seen = version_of(post)
        checked = self.Change(data=request.data)
        checked.is_valid(raise_exception=True)
        data = checked.validated_data
        stores, tags = list(post.stores.all()), list(post.tags.all())
        if "stores" in data:
            chosen = pick(stores_of(self.viewer, Role.MARKETER), data["stores"], "stores")
            stores = stores_to_post_to(self.viewer, chosen)
        if "tags" in data:
            tags = pick(Tag.objects.all(), data["tags"], "tags")
        change_post(
            post,
            seen=seen,
            kind=PostKind(post.kind),
            name=data.get("name", post.name),
            text=data.get("text", post.words),
            attachments=data.get("attachments", post.enclosed),
            stores=stores,
            tags=tags,
            send_at=post.send_at,
            actor=self.actor,
            now=self.now,
        )
        return Response(self.show(self.row(pk)))


class PostProgressPage(Reading):
    """Read how far a post got.

    Of its chats or colleagues it holds the first 50; all of them are in the pages of
    `/posts/{id}/targets`, which takes `state` too.
    """

    resource = "posts"
    shape = PostProgressShape

    def row(self, pk: int) -> PostProgress:
        """Return the figures."""
        return post_progress(post_for(self.viewer, pk))


class PostTargetFilters(django_filters.FilterSet):
    """How the chats or colleagues of a post can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=TargetState.choices)


class PostTargets(Listing):
    """List the chats that a post goes to, or the colleagues who are to publish it."""

    resource = "posts"
    shape = PostTargetShape
    filterset_class = PostTargetFilters

    def rows(self) -> QuerySet[PostTarget]:
        """Return all of them, to whoever sees the post."""
        post = post_for(self.viewer, self.kwargs["pk"])
        return PostTarget.objects.filter(share__post=post).select_related("staff", "chat")


class PostReactionFilters(django_filters.FilterSet):
    """How comments and likes can be narrowed down."""

    kind = django_filters.ChoiceFilter(choices=ReactionKind.choices)
    by_staff = django_filters.BooleanFilter()


class PostReactions(Listing):
    """List who commented on a moment, and who likes it.

    Customers out of your sight are in the figures of the progress only.
    """

    resource = "posts"
    shape = PostReactionShape
    filterset_class = PostReactionFilters

    def rows(self) -> QuerySet[PostReaction]:
        """Return the people whom the person may know."""
        return reactions_to(self.viewer, post_for(self.viewer, self.kwargs["pk"]))


class PostVerb(PostPage, Verb):
    """Something that is done to a post."""

    http_method_names = ["post"]

    def post_row(self, pk: int) -> Post:
        """Return the post, to those who may change it."""
        require(self.viewer, Role.MARKETER)
        return post_for(self.viewer, pk)


class SchedulePost(PostVerb):
    """Schedule a post."""

    class Input(StrictInput):
        """When; without a time, at once."""

        example: ClassVar = {"send_at": "2026-12-01T10:00:00+08:00"}

        send_at = MomentField(required=False)

    def act(self, data: dict[str, Any], pk: int) -> Post:
        """Let a post go out at a time; one that has passed means at once."""
        send_at = data.get("send_at", self.now)
        post = self.post_row(pk)
        check_post_reach(post, self.viewer)
        schedule_post(post, send_at=send_at, actor=self.actor, now=self.now)
        return self.row(pk)


class UnschedulePost(PostVerb):
    """Take a post back."""

    def act(self, data: dict[str, Any], pk: int) -> Post:
        """Make a scheduled post a draft again."""
        unschedule_post(self.post_row(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class CancelPost(PostVerb):
    """Cancel a post."""

    def act(self, data: dict[str, Any], pk: int) -> Post:
        """Send nothing more, and withdraw what staff have not confirmed or published yet."""
        cancel_post(self.post_row(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class RemindPost(PostVerb):
    """Remind owners of chats."""

    calls_outside = True

    def act(self, data: dict[str, Any], pk: int) -> Post:
        """Ask every owner who has not confirmed once more; at most three times in 24 hours."""
        remind_post(self.post_row(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class RefreshPost(PostVerb):
    """Ask the channel about a post."""

    def act(self, data: dict[str, Any], pk: int) -> Post:
        """Have WeCom asked now how far a post is."""
        refresh_post(self.post_row(pk), now=self.now)
        return self.row(pk)
