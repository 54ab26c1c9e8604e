"""Messages: what is said, to whom, and what became of it."""

from campaigns.models.campaigns import Batch, Campaign, ChannelPace, Delivery, Tally
from campaigns.models.contents import Content
from campaigns.models.drafts import CampaignDraft
from campaigns.models.posts import Post, PostShare, PostTarget
from campaigns.models.quick_replies import QuickReply
from campaigns.models.rules import MessagingRules
from campaigns.models.segments import Segment
from campaigns.models.welcomes import Welcome, WelcomeRule

__all__ = [
    "Batch",
    "Campaign",
    "CampaignDraft",
    "ChannelPace",
    "Content",
    "Delivery",
    "MessagingRules",
    "Post",
    "PostShare",
    "PostTarget",
    "QuickReply",
    "Segment",
    "Tally",
    "Welcome",
    "WelcomeRule",
]
