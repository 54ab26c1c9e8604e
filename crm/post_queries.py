"""What the screens of posts show: how far each one got, whom it goes to, and who is waited for."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.actions.posts.life import chats_in, publishers_in
from campaigns.attachments import Attachment, in_public_form
from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models import Post, PostShare, PostTarget
from connectors.wecom.api.moments import Reactions
from contacts.models import Customer, CustomerTag, Follow, Staff

ADVICE: dict[str, Any] = {
    DeliveryReason.INVALID: gettext_lazy(
        "The chat has another owner by now, or WeCom does not let the colleague publish."
    ),
    DeliveryReason.RECEIVE_LIMIT: gettext_lazy(
        "The chat has had as many as WeCom allows; try later."
    ),
    DeliveryReason.SENDER_LEFT: gettext_lazy(
        "They were asked for nothing: they are away, or the chat has another owner."
    ),
    DeliveryReason.NOT_CONFIRMED: gettext_lazy("Remind the guides earlier next time."),
    DeliveryReason.CHANNEL_ERROR: gettext_lazy("Read what the channel said above, and correct it."),
}
"""What can be done about a reason."""


@dataclass(frozen=True, slots=True)
class StateWord:
    """A state of a chat or colleague, as a page says it."""

    value: str
    label: str


def state_word(kind: str, state: str) -> StateWord:
    """Say a state for people: once WeCom has it, only the colleague is waited for."""
    is_moment = kind == PostKind.MOMENT
    if state == TargetState.HANDED:
        return StateWord(state, _("not published yet") if is_moment else _("not sent yet"))
    if state == TargetState.SENT and is_moment:
        return StateWord(state, _("published"))
    return StateWord(state, str(TargetState(state).label))


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post of a list, with its chats or colleagues by what became of each."""

    post: Post
    states: dict[TargetState, int]
    likes: int = 0
    comments: int = 0

    @property
    def total(self) -> int:
        """How many chats or colleagues there are; none before the post is planned."""
        return sum(self.states.values())

    @property
    def parts(self) -> dict[StateWord, int]:
        """The states in words, as a bar shows them."""
        return {state_word(self.post.kind, state): n for state, n in self.states.items()}

    @property
    def sent(self) -> int:
        """In how many chats it was sent, or how many colleagues have published it."""
        return self.states[TargetState.SENT]


def with_targets(posts: Iterable[Post]) -> list[PostRow]:
    """Count what became of these posts, and how often they were liked, in one query."""
    rows = list(posts)
    found = {row.pk: PostRow(row, dict.fromkeys(TargetState, 0)) for row in rows}
    counts = (
        PostTarget.objects.filter(share__post__in=rows)
        .values_list("share__post", "state")
        .annotate(
            n=Count("pk"),
            liked=Sum(F("customer_likes") + F("staff_likes")),
            said=Sum(F("customer_comments") + F("staff_comments")),
        )
        .order_by()
    )
    for post, state, n, liked, said in counts:
        row = found[post]
        row.states[TargetState(state)] = n
        found[post] = replace(row, likes=row.likes + liked, comments=row.comments + said)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class PostReactions:
    """What was said and liked of a moment, by whom; ``last`` is when it was last read.

    ``goes_on`` says whether it is still read from time to time.
    """

    counts: Reactions
    last: datetime | None
    goes_on: bool


def reactions_of(post: Post) -> PostReactions:
    """Add up the comments and likes of a moment, over all who have published it: one query."""
    names = [field.name for field in fields(Reactions)]
    found = PostTarget.objects.filter(share__post=post).aggregate(
        last=Max("reactions_read_at"),
        due=Count("reactions_due_at"),
        **{name: Sum(name, default=0) for name in names},
    )
    counts = Reactions(**{name: found[name] for name in names})
    return PostReactions(counts, found["last"], bool(found["due"]))


def targets_of(
    post: Post, *, state: str, words: str, after: int | None
) -> QuerySet[PostTarget, PostTarget]:
    """Return the chats or colleagues of a post, by state and name, from this one on."""
    rows = PostTarget.objects.filter(share__post=post)
    if state in TargetState.values:
        rows = rows.filter(state=state)
    if words:
        rows = rows.filter(Q(staff__name__icontains=words) | Q(chat__name__icontains=words))
    if after:
        rows = rows.filter(pk__gt=after)
    return rows.select_related("staff__store", "chat", "share").order_by("pk")


def reasons_of(post: Post) -> list[tuple[TargetState, DeliveryReason, int]]:
    """Count why it was not sent or published: one query."""
    rows = (
        PostTarget.objects.filter(share__post=post)
        .exclude(reason="")
        .values_list("state", "reason")
        .annotate(n=Count("pk"))
        .order_by("state", "reason")
    )
    return [(TargetState(state), DeliveryReason(reason), n) for state, reason, n in rows]


def refused_shares(post: Post) -> list[tuple[str, int]]:
    """Return what WeCom said of the parts that it refused, and of how many."""
    rows = (
        PostShare.objects.filter(post=post, state=BatchState.REFUSED)
        .values_list("error")
        .annotate(n=Count("pk"))
        .order_by("-n", "error")
    )
    return list(rows[:5])


@dataclass(frozen=True, slots=True)
class PostReach:
    """Whom a post would reach, or has reached.

    ``targets`` are chats, or colleagues who publish. ``people`` are the members of the chats, or
    the customers who may see the moment.
    """

    kind: PostKind
    targets: int
    staff: int
    people: int


def shown_attachments(kind: str, attachments: Sequence[Attachment]) -> list[dict[str, Any]]:
    """Return what goes with a post of a kind as the phone shows it: one query.

    A link card has no description in a moment.
    """
    shown = in_public_form(attachments)
    if kind == PostKind.MOMENT:
        for item in shown:
            item.pop("description", None)
    return shown


def reach_ahead(kind: PostKind, stores: Collection[int], tags: Collection[int]) -> PostReach:
    """Count whom a post would reach if it were planned now."""
    if kind == PostKind.GROUP:
        found = chats_in(stores).aggregate(
            n=Count("pk"), owners=Count("owner", distinct=True), members=Sum("members")
        )
        return PostReach(kind, found["n"], found["owners"], found["members"] or 0)
    publishers = publishers_in(stores)
    number = publishers.count()
    return PostReach(kind, number, number, _customers_of(publishers, tags))


def reach_so_far(post: Post) -> PostReach:
    """Count whom a post has reached: the chats it was sent to, or whoever may see the moment."""
    kind = PostKind(post.kind)
    sent = PostTarget.objects.filter(share__post=post, state=TargetState.SENT)
    if kind == PostKind.GROUP:
        found = sent.aggregate(
            n=Count("pk"), owners=Count("staff", distinct=True), members=Sum("chat__members")
        )
        return PostReach(kind, found["n"], found["owners"], found["members"] or 0)
    publishers = Staff.objects.filter(pk__in=sent.values("staff"))
    number = publishers.count()
    tags = list(post.tags.values_list("pk", flat=True))
    return PostReach(kind, number, number, _customers_of(publishers, tags))


def _customers_of(publishers: QuerySet[Staff], tags: Collection[int]) -> int:
    follows = Follow.objects.active().filter(channel="wecom", staff__in=publishers.values("pk"))
    customers = Customer.objects.active().filter(pk__in=follows.values("customer"))
    if tags:
        carriers = CustomerTag.objects.filter(tag__in=tags)
        customers = customers.filter(pk__in=carriers.values("customer"))
    return customers.count()


def posts_to_confirm(staff: Staff) -> QuerySet[PostShare]:
    """Return what WeCom waits for this colleague to send or publish, the oldest first.

    Each share has ``mine``, the number of chats of theirs that it still has to go to.
    """
    waiting = Q(targets__staff=staff, targets__state=TargetState.HANDED)
    return (
        PostShare.objects.filter(
            waiting,
            Q(confirmed_at=None) | Q(post__kind=PostKind.MOMENT),
            state=BatchState.HANDED,
            post__state__in=[PostState.SENDING, PostState.WAITING],
        )
        .annotate(mine=Count("targets"))
        .select_related("post")
        .order_by("handed_at", "pk")
    )
