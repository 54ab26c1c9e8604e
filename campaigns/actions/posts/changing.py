"""Writing a drafted post anew, unless somebody else was faster."""

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.posts.life import Attachments, check_parts
from campaigns.enums import PostKind, PostState
from campaigns.models import Content, Post
from contacts.actions.history import record
from contacts.errors import MovedOn
from contacts.models import Staff, Store, Tag


def version_of(post: Post) -> str:
    """Return what tells whether somebody else has changed a drafted post meanwhile."""
    parts = (
        post.kind,
        post.name,
        post.content_id,
        post.send_at and post.send_at.isoformat(),
        sorted(post.stores.values_list("pk", flat=True)),
        sorted(post.tags.values_list("pk", flat=True)),
    )
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]


def change_post(
    post: Post,
    *,
    seen: str,
    kind: PostKind,
    name: str,
    text: str,
    attachments: Attachments,
    stores: Sequence[Store],
    tags: Sequence[Tag],
    send_at: datetime | None,
    actor: Staff | None,
    now: datetime,
) -> Post:
    """Change a draft. Raises ``RuleBroken`` if WeCom would not take it.

    Raises ``MovedOn`` if it is no draft any more, or not the one whose version was ``seen``.
    """
    with transaction.atomic():
        found = (
            Post.objects.select_for_update(of=("self",)).select_related("content").get(pk=post.pk)
        )
        if found.state != PostState.DRAFT:
            raise MovedOn(_("This post is no draft any more. Make it a draft to change it."))
        if version_of(found) != seen:
            raise MovedOn(
                _("Somebody else has changed this post since you began. Start from theirs.")
            )
        check_parts(kind, name=name, text=text, attachments=attachments, tags=tags)
        said = (found.content.text, found.content.attachments)
        if said != (text, list(attachments)):
            found.content = Content.objects.create(
                name=name.strip()[:120], text=text, attachments=list(attachments), created_at=now
            )
        found.kind, found.name, found.send_at = kind, name.strip()[:120], send_at
        found.save(update_fields=["kind", "name", "content", "send_at"])
        found.stores.set(stores)
        found.tags.set(tags)
        record(found, "post.changed", actor=actor, at=now)
    return found
