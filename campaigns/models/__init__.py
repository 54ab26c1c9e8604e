"""Messages: what is said, to whom, and what became of it."""

from campaigns.models.campaigns import Batch, Campaign, ChannelPace, Delivery, Tally
from campaigns.models.contents import Content, Folder
from campaigns.models.drafts import CampaignDraft, SeriesDraft
from campaigns.models.experiments import Experiment, Variant
from campaigns.models.media import ChannelMedia, MediaBody, MediaFile
from campaigns.models.posts import Post, PostShare, PostTarget
from campaigns.models.quick_replies import QuickReply
from campaigns.models.reactions import PostReaction
from campaigns.models.rules import MessagingRules
from campaigns.models.segments import Segment, SegmentMember
from campaigns.models.series import Series, SeriesRun
from campaigns.models.tracking import Engagement, EngagementTally, TallyRound, TrackedLink
from campaigns.models.welcomes import Welcome, WelcomeRule

__all__ = [
    "Batch",
    "Campaign",
    "CampaignDraft",
    "ChannelMedia",
    "ChannelPace",
    "Content",
    "Delivery",
    "Engagement",
    "EngagementTally",
    "Experiment",
    "Folder",
    "MediaBody",
    "MediaFile",
    "MessagingRules",
    "Post",
    "PostReaction",
    "PostShare",
    "PostTarget",
    "QuickReply",
    "Segment",
    "SegmentMember",
    "Series",
    "SeriesDraft",
    "SeriesRun",
    "Tally",
    "TallyRound",
    "TrackedLink",
    "Variant",
    "Welcome",
    "WelcomeRule",
]
