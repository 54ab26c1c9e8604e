"""Shapes of contents, segments, campaigns, batches and deliveries."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.attachments import media_url
from campaigns.models import (
    Batch,
    Campaign,
    ChannelPace,
    Content,
    Delivery,
    MediaFile,
    QuickReply,
    WelcomeRule,
)
from campaigns.models.experiments import LETTERS
from campaigns.previews import Preview
from campaigns.queries import BATCHES_SHOWN, AudiencePreview, BatchCell
from crm.api.shapes.people import StaffRef, StoreRef
from crm.campaign_watch import Pace, Watched


class ContentShape(serializers.ModelSerializer[Content]):
    """A message: text with placeholders, and attachments. With a folder it is in the library.

    `replaces` is the version before this one.
    """

    folder = serializers.CharField(source="folder.name", allow_null=True, read_only=True)

    class Meta:
        model = Content
        fields = (
            "id", "name", "text", "attachments", "folder", "version", "replaces", "created_at",
            "archived_at",
        )  # fmt: skip
        read_only_fields = fields


class WelcomeRuleShape(serializers.ModelSerializer[WelcomeRule]):
    """What new contacts are greeted with: at a code, by a colleague, in a store, or by the company.

    `files_error` is why its files could not be brought to WeCom the last time; until they are
    there, welcomes go without them.
    """

    text = serializers.CharField(source="content.text", read_only=True)
    attachments = serializers.ListField(
        source="content.attachments", child=serializers.DictField(), read_only=True
    )

    class Meta:
        model = WelcomeRule
        fields = (
            "id", "contact_code", "staff", "store", "content", "text", "attachments",
            "files_due_at", "files_error",
        )  # fmt: skip
        read_only_fields = fields


class MediaShape(serializers.ModelSerializer[MediaFile]):
    """A file that goes with messages; `url` is its address for everybody who knows it."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = MediaFile
        fields = (
            "id", "kind", "name", "media_type", "size", "width", "height", "url", "created_at",
            "archived_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_url(self, media: MediaFile) -> str:
        """Return the public address."""
        return media_url(media)


class MessagePreviewShape(serializers.Serializer[Preview]):
    """A message as one customer gets it."""

    customer = serializers.IntegerField(
        source="customer.pk", default=None, allow_null=True, help_text="Whose words are filled in."
    )
    text = serializers.CharField()
    attachments = serializers.ListField(child=serializers.DictField())
    size = serializers.IntegerField(help_text="Bytes of the text.")
    parts = serializers.IntegerField(help_text="Parts that an SMS takes; 0 elsewhere.")
    unfilled = serializers.ListField(
        child=serializers.CharField(), help_text="Placeholders that the channel cannot fill."
    )
    unknown = serializers.ListField(
        child=serializers.CharField(),
        help_text="What looks like a placeholder and is none: it goes out as it was typed.",
    )


class QuickReplyShape(serializers.ModelSerializer[QuickReply]):
    """Words at hand: of one person, of a store, or of the company."""

    owner = StaffRef(read_only=True, allow_null=True)
    store = StoreRef(read_only=True, allow_null=True)
    text = serializers.CharField(source="content.text", read_only=True)

    class Meta:
        model = QuickReply
        fields = ("id", "title", "text", "owner", "store", "created_at", "archived_at")
        read_only_fields = fields


class PreviewShape(serializers.Serializer[AudiencePreview]):
    """Whom a campaign would reach at this moment, and whom not and why."""

    reachable = serializers.IntegerField()
    batches = serializers.IntegerField()
    senders = serializers.IntegerField()
    skipped = serializers.DictField(child=serializers.IntegerField(), help_text="By reason.")
    over_quota = serializers.IntegerField(
        help_text="Of those reachable, whom WeCom would refuse: their receive limit is reached."
    )
    later = serializers.IntegerField(
        help_text="Of those reachable, who get it when their quiet hours end."
    )


class CampaignShape(serializers.ModelSerializer[Campaign]):
    """One message to everybody in a segment. Figures, text and attachments are fixed when it is
    planned.

    An announcement has the customers of a `handover` in place of a segment.
    """

    created_by = StaffRef(read_only=True, allow_null=True)
    text = serializers.CharField(source="words", read_only=True)
    attachments = serializers.ListField(
        source="enclosed", child=serializers.DictField(), read_only=True
    )

    class Meta:
        model = Campaign
        fields: tuple[str, ...] = (
            "id", "name", "channel", "purpose", "skip_if_in_another", "content", "segment", "handover", "state", "state_at",
            "send_at", "send_until", "track_clicks", "track_opens", "conversion_days", "local_time", "zone", "scheduled_by", "asked_recipients",
            "approved_by", "approved_at", "planned_at", "closed_at", "recipients", "skipped", "subject", "text", "attachments", "html", "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class RemindedShape(CampaignShape):
    """A campaign whose senders were reminded."""

    reminded = serializers.IntegerField(
        read_only=True, help_text="Batches whose senders were reminded."
    )

    class Meta(CampaignShape.Meta):
        fields = (*CampaignShape.Meta.fields, "reminded")
        read_only_fields = fields


@extend_schema_field({"type": ["string", "null"], "enum": [*LETTERS.lower(), None]})
class LetterField(serializers.IntegerField):
    """One of the wordings that are compared, as the letter that people see."""

    def __init__(self) -> None:
        super().__init__(read_only=True, allow_null=True)

    def to_representation(self, value: int) -> str:  # type: ignore[override]  # numbers are ours
        """Name it."""
        return LETTERS[value].lower()


class BatchShape(serializers.ModelSerializer[Batch]):
    """At most 200 recipients, sent in one call in the name of one sender."""

    sender = StaffRef(read_only=True, allow_null=True)
    variant = LetterField()

    class Meta:
        model = Batch
        fields = (
            "id", "campaign", "seq", "sender", "variant", "size", "state", "error", "reminders",
            "handed_at", "confirmed_at", "done_at",
        )  # fmt: skip
        read_only_fields = fields


class DeliveryShape(serializers.ModelSerializer[Delivery]):
    """One recipient's fate in one campaign."""

    campaign = serializers.IntegerField(source="campaign_id", read_only=True)
    customer = serializers.IntegerField(source="customer_id", read_only=True)
    batch = serializers.IntegerField(source="batch_id", read_only=True, allow_null=True)
    variant = LetterField()

    class Meta:
        model = Delivery
        fields = (
            "campaign", "customer", "batch", "variant", "state", "reason", "reference", "sent_at",
        )  # fmt: skip
        read_only_fields = fields


class BatchCellShape(serializers.Serializer[BatchCell]):
    """One batch on the way."""

    id = serializers.IntegerField()
    seq = serializers.IntegerField()
    sender_name = serializers.CharField()
    size = serializers.IntegerField()
    state = serializers.CharField()
    confirmed_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()


class ReasonShape(serializers.Serializer[Any]):
    """Why so many were skipped or failed."""

    state = serializers.CharField()
    reason = serializers.CharField()
    customers = serializers.IntegerField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Name the members of the triple."""
        state, reason, customers = instance
        return {"state": state, "reason": reason, "customers": customers}


class PaceShape(serializers.Serializer[Pace]):
    """How fast recipients go to the channel."""

    handed = serializers.IntegerField(help_text="Recipients whom the channel has taken so far.")
    per_minute = serializers.IntegerField(help_text="Of those, within the last minute.")
    left = serializers.IntegerField(help_text="Recipients whom the channel is still to be given.")
    seconds_left = serializers.IntegerField(
        allow_null=True,
        help_text="How long that takes at the pace of the last minute; null if nobody can say.",
    )


class BatchErrorShape(serializers.Serializer[Any]):
    """What the channel said of batches, or of letters in them, that it refused."""

    error = serializers.CharField()
    batches = serializers.IntegerField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Name the members of the pair."""
        error, batches = instance
        return {"error": error, "batches": batches}


class RestShape(serializers.Serializer[ChannelPace]):
    """The channel takes nothing for a while, after trouble; sending goes on by itself."""

    until = serializers.DateTimeField(source="rest_until")
    why = serializers.CharField(help_text="What the channel said, in English.")


class CampaignProgressShape(serializers.Serializer[Watched]):
    """Where the recipients stand; ``states`` always adds up to ``total``."""

    total = serializers.IntegerField(source="progress.total")
    states = serializers.DictField(source="progress.states", child=serializers.IntegerField())
    reasons = ReasonShape(source="progress.reasons", many=True)
    batch_states = serializers.DictField(
        source="progress.batch_states",
        child=serializers.IntegerField(),
        help_text="How many batches are in each state.",
    )
    batches = BatchCellShape(
        source="progress.batches",
        many=True,
        help_text=f"The first {BATCHES_SHOWN}; all are in the pages of `/batches?campaign={{id}}`.",
    )
    refused = BatchErrorShape(
        many=True,
        help_text="Why batches, or letters in them, were refused, the most frequent first; at most "
        "five.",
    )
    pace = PaceShape()
    rest = RestShape(
        allow_null=True, help_text="Until when the channel rests, and why; null if it does not."
    )
