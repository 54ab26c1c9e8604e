"""The closed lists of campaigns, and the arrows along which they move."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class CampaignState(TextChoices):
    """Draft → (waiting for approval) → scheduled → planned → sending → waiting for staff → done."""

    DRAFT = "draft", _("draft")
    REVIEW = "review", _("waiting for approval")
    SCHEDULED = "scheduled", _("scheduled")
    PLANNED = "planned", _("planned")
    SENDING = "sending", _("sending")
    WAITING = "waiting", _("waiting for staff")
    PAUSED = "paused", _("paused")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")


CAMPAIGN_MOVES = {
    CampaignState.DRAFT: frozenset(
        {CampaignState.REVIEW, CampaignState.SCHEDULED, CampaignState.CANCELLED}
    ),
    CampaignState.REVIEW: frozenset(
        {CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.CANCELLED}
    ),
    CampaignState.SCHEDULED: frozenset(
        {
            CampaignState.DRAFT,
            CampaignState.REVIEW,
            CampaignState.PLANNED,
            CampaignState.PAUSED,
            CampaignState.CANCELLED,
        }
    ),
    CampaignState.PLANNED: frozenset(
        {CampaignState.SENDING, CampaignState.PAUSED, CampaignState.DONE, CampaignState.CANCELLED}
    ),
    CampaignState.SENDING: frozenset(
        {CampaignState.WAITING, CampaignState.PAUSED, CampaignState.DONE, CampaignState.CANCELLED}
    ),
    CampaignState.WAITING: frozenset(
        {CampaignState.SENDING, CampaignState.PAUSED, CampaignState.DONE, CampaignState.CANCELLED}
    ),
    CampaignState.PAUSED: frozenset(
        {
            CampaignState.DRAFT,
            CampaignState.SCHEDULED,
            CampaignState.SENDING,
            CampaignState.CANCELLED,
        }
    ),
    CampaignState.DONE: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}
"""Paused from scheduled, a campaign goes back there; paused later, back to sending."""


class BatchState(TextChoices):
    """Waiting → sending → handed to the channel → done; what goes wrong has its own state.

    *Held* batches wait for the words that win a test.
    """

    HELD = "held", _("held until a winner is chosen")
    WAITING = "waiting", _("waiting")
    SENDING = "sending", _("sending")
    HANDED = "handed", _("handed to the channel")
    UNCLEAR = "unclear", _("unclear")
    REFUSED = "refused", _("refused")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")


class DeliveryState(TextChoices):
    """One recipient's fate. *Sending* is the batch's state while its call is being made."""

    QUEUED = "queued", _("queued")
    HANDED = "handed", _("handed to the channel")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    READ = "read", _("read")
    REPLIED = "replied", _("replied")
    FAILED = "failed", _("failed")
    SKIPPED = "skipped", _("skipped")
    UNCLEAR = "unclear", _("unclear")
    CANCELLED = "cancelled", _("cancelled")


class DeliveryReason(TextChoices):
    """Why a recipient was skipped or failed."""

    NONE = "", ""
    OPTED_OUT = "opted_out", _("opted out")
    NO_CONSENT = "no_consent", _("has not agreed to it")
    NO_ADDRESS = "no_address", _("no address in the channel")
    DEAD_ADDRESS = "dead_address", _("the address leads nowhere")
    DUPLICATE = "duplicate", _("another record of the same person gets it")
    CONTROL = "control", _("in the control group")
    IN_ANOTHER = "in_another", _("in another campaign under way")
    CAPPED = "capped", _("has had enough messages lately")
    QUIET_HOURS = "quiet_hours", _("quiet hours last longer than the campaign")
    NO_SENDER = "no_sender", _("nobody to send it")
    SENDER_LEFT = "sender_left", _("the sender has departed")
    CHANGED_HANDS = "changed_hands", _("customer changed hands")
    GONE = "gone", _("merged or erased")
    INVALID = "invalid", _("refused by the channel")
    NOT_A_FRIEND = "not_friend", _("no longer connected")
    RECEIVE_LIMIT = "quota", _("receive limit reached")
    NOT_CONFIRMED = "not_confirmed", _("not confirmed by staff")
    CHANNEL_ERROR = "channel_error", _("the channel refused it")
    MISSED = "missed", _("not sent in time")
    BOUNCED = "bounced", _("the address leads nowhere")
    UNDELIVERED = "undelivered", _("did not arrive")
    WRITTEN_OFF = "written_off", _("written off")
    UNKNOWN = "unknown", _("nobody knows whether it arrived; opted out since")


class EngagementKind(TextChoices):
    """What a recipient did with a campaign."""

    OPENED = "opened", _("opened")
    CLICKED = "clicked", _("clicked")
    REPLIED = "replied", _("replied")
    OPTED_OUT = "opted_out", _("opted out")
    CONVERTED = "converted", _("bought")


class WinnerRule(TextChoices):
    """By what share of its recipients a variant wins a test, or who says so."""

    READ = "read", _("most read")
    CLICK = "click", _("most clicked")
    REPLY = "reply", _("most answered")
    CONVERSION = "conversion", _("most bought")
    HAND = "hand", _("chosen by hand")


class SeriesKind(TextChoices):
    """When a series writes, and to whom of its segment."""

    REPEAT = "repeat", _("again and again")
    BIRTHDAY = "birthday", _("on the birthday")
    AFTER_PURCHASE = "after_purchase", _("days after a purchase")


class SeriesState(TextChoices):
    """Active ⇄ paused → ended."""

    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    ENDED = "ended", _("ended")


class RunState(TextChoices):
    """What came of one moment at which a series was due."""

    STARTED = "started", _("started")
    MISSED = "missed", _("missed")
    REFUSED = "refused", _("could not start")


class PostKind(TextChoices):
    """Where a post goes."""

    GROUP = "group", _("to group chats")
    MOMENT = "moment", _("moment")


class PostState(TextChoices):
    """Draft → scheduled → sending → waiting for staff → done."""

    DRAFT = "draft", _("draft")
    SCHEDULED = "scheduled", _("scheduled")
    SENDING = "sending", _("sending")
    WAITING = "waiting", _("waiting for staff")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")


POST_MOVES = {
    PostState.DRAFT: frozenset({PostState.SCHEDULED, PostState.CANCELLED}),
    PostState.SCHEDULED: frozenset({PostState.DRAFT, PostState.SENDING, PostState.CANCELLED}),
    PostState.SENDING: frozenset({PostState.WAITING, PostState.DONE, PostState.CANCELLED}),
    PostState.WAITING: frozenset({PostState.SENDING, PostState.DONE, PostState.CANCELLED}),
    PostState.DONE: frozenset(),
    PostState.CANCELLED: frozenset(),
}


class TargetState(TextChoices):
    """What became of a post in one group chat, or with one member who publishes it."""

    QUEUED = "queued", _("queued")
    HANDED = "handed", _("handed to the channel")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")
    UNCLEAR = "unclear", _("unclear")
    CANCELLED = "cancelled", _("cancelled")


class ReactionKind(TextChoices):
    """How somebody reacts to a moment."""

    COMMENT = "comment", _("comment")
    LIKE = "like", _("like")


class WelcomeState(TextChoices):
    """The outcome of every welcome code that was received."""

    PENDING = "pending", _("pending")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    EXPIRED = "expired", _("expired")
    SUPERSEDED = "superseded", _("someone else was first")
    OTHER_APP = "other_app", _("another app is greeting")
    FAILED = "failed", _("failed")
    UNCLEAR = "unclear", _("unclear")
    NO_RULE = "no_rule", _("no welcome set up")


class LeftOut(TextChoices):
    """Why a welcome went without some of its files."""

    NOT_READY = "not_ready", _("not at WeCom in time")
    FORGOTTEN = "forgotten", _("WeCom had lost it")


class MediaKind(TextChoices):
    """What a file that goes with a message is."""

    IMAGE = "image", _("picture")
    VIDEO = "video", _("video")
    FILE = "file", _("file")


class MediaUse(TextChoices):
    """What a file is uploaded to a channel for: what is right for one is refused for another."""

    MESSAGE = "message", _("message")
    COVER = "cover", _("cover of a mini-program card")
    MOMENT = "moment", _("moment")
