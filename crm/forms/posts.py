"""What a marketer types to make a post: a message to group chats, or a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from django import forms
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from campaigns.actions.contents import create_content
from campaigns.actions.posts.changing import change_post, version_of
from campaigns.actions.posts.life import (
    check_post_attachments,
    check_post_words,
    create_post,
)
from campaigns.enums import PostKind
from campaigns.models import Content, Post
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from connectors.wecom.api.moments import MAX_TEXT
from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import Store, Tag
from crm.access import Viewer, stores_of
from crm.audiences import stores_to_post_to
from crm.forms.attachments import attachments_typed, lists_in
from crm.forms.clocks import LOCAL_TIME
from crm.forms.ticking import TargetedForm, tag_choices

LIMITS = f"{PostKind.GROUP}:{MAX_TEXT_BYTES}:bytes {PostKind.MOMENT}:{MAX_TEXT}:characters"
"""How long a text may be, as the counter beside it reads it."""

SEVERAL = ("stores", "tags")
"""Inputs that hold several values."""


class PostForm(TargetedForm):
    """Where a post goes, what it says, and who sends it to whom.

    Only stores within the marketer's scope can be chosen; none chosen means all of them.
    ``attachments`` come from inputs of their own.
    """

    kind = forms.ChoiceField(label=_("Where it goes"))
    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        error_messages={"required": _("Give the post a name.")},
    )
    text = forms.CharField(
        label=_("Message"),
        widget=forms.Textarea(attrs={"rows": 8}),
        strip=True,
        error_messages={"required": _("Write a text.")},
    )
    attachments = forms.Field(label=_("Attachments"), required=False)
    stores = forms.ModelMultipleChoiceField(
        label=_("Stores"),
        queryset=Store.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tags = forms.TypedMultipleChoiceField(
        label=_("Only customers with any of these tags see it"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    seen = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)

    def __init__(self, viewer: Viewer, post: Post | None, *args: Any, **kwargs: Any) -> None:
        if post:
            kwargs.setdefault("initial", _typed_of(post))
        super().__init__(*args, **kwargs)
        self.viewer, self.post = viewer, post
        self.attached = attachments_typed(lists_in(self.data))
        self.fields["text"].required = not self.attached
        self.offer("kind", [(value, capfirst(label)) for value, label in PostKind.choices])
        self.offer("tags", tag_choices(Tag.objects.exclude(wecom_id=None)))
        stores = cast("forms.ModelMultipleChoiceField[Store]", self.fields["stores"])
        stores.queryset = _stores_to_offer(viewer)

    def clean_text(self) -> str:
        """Take line ends as WeCom does."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse beside its field what WeCom would refuse, and what lies out of reach."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["attachments"] = self.attached
        if "kind" in cleaned:
            kind = PostKind(cleaned["kind"])
            with self._refusing("attachments"):
                check_post_attachments(kind, self.attached)
            if "text" in cleaned:
                with self._refusing("text"):
                    check_post_words(kind, cleaned["text"], self.attached)
        if "stores" in cleaned:
            with self._refusing("stores"):
                cleaned["stores"] = stores_to_post_to(self.viewer, list(cleaned["stores"]))
        if cleaned.get("kind") == PostKind.GROUP:
            cleaned["tags"] = []  # asked of moments only; what was ticked stays ticked
        return cleaned

    @contextmanager
    def _refusing(self, field: str) -> Iterator[None]:
        try:
            yield
        except RuleBroken as error:
            self.add_error(field, str(error))

    def write(self, *, send_at: datetime | None, now: datetime) -> Post:
        """Draft the post, or change the one that is a draft: all or nothing.

        Raises ``RuleBroken``; ``MovedOn`` if it is not the draft any more that the form showed.
        """
        data = self.cleaned_data
        parts: dict[str, Any] = {
            "kind": PostKind(data["kind"]),
            "name": data["name"],
            "stores": data["stores"],
            "tags": list(Tag.objects.filter(pk__in=data["tags"])),
            "send_at": send_at,
            "actor": self.viewer.staff,
            "now": now,
        }
        if self.post:
            said = {"text": data["text"], "attachments": data["attachments"]}
            return change_post(self.post, seen=data["seen"], **said, **parts)
        with transaction.atomic():
            content = create_content(
                name=data["name"],
                text=data["text"],
                attachments=data["attachments"],
                actor=self.viewer.staff,
                now=now,
            )
            return create_post(content=content, **parts)


def typed_time(post: Post | None) -> dict[str, str]:
    """Return the time that a drafted post has in mind, as the form for it."""
    if post is None or post.send_at is None:
        return {"when": "now"}
    local = timezone.localtime(post.send_at)
    return {"when": "later", "send_at": local.strftime(LOCAL_TIME[0])}


def typed_from(content: Content) -> dict[str, Any]:
    """Return what the library gives a new post: the words, and a name to begin with."""
    return {"name": content.name, "text": content.text}


def typed_in(data: QueryDict) -> dict[str, Any]:
    """Return what was typed, to be shown again without judging it."""
    return {
        name: data.getlist(name) if name in SEVERAL else data.get(name, "")
        for name in ("kind", "name", "text", "seen", *SEVERAL)
    }


def _typed_of(post: Post) -> dict[str, Any]:
    return {
        "kind": post.kind,
        "name": post.name,
        "text": post.words,
        "stores": list(post.stores.values_list("pk", flat=True)),
        "tags": list(post.tags.values_list("pk", flat=True)),
        "seen": version_of(post),
    }


def _stores_to_offer(viewer: Viewer) -> Any:
    reach = viewer.stores_for(Role.MARKETER)
    found = stores_of(viewer, Role.MARKETER).order_by("name", "pk")
    return found if reach is None else found.filter(pk__in=reach)
