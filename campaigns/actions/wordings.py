"""Words of a message, and whether a channel would take them."""

from dataclasses import dataclass

from campaigns.attachments import check_for_channel
from campaigns.channels import abilities_of, available_channels
from campaigns.html import clean_html
from campaigns.models import Content, Segment
from campaigns.placeholders import SENDER_PLACEHOLDERS, used_in
from campaigns.segments import check_rule
from contacts.errors import RuleBroken
from contacts.saying import gettext as _


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What of a message is not in its content: for channels that have it."""

    subject: str = ""
    html: str = ""

    def __post_init__(self) -> None:
        """Keep nothing of the HTML that has no place in a mail."""
        object.__setattr__(self, "html", clean_html(self.html))


def check_sendable(content: Content, segment: Segment, channel: str, wording: Wording) -> None:
    """Raise ``RuleBroken`` if this could not go to the segment: no such channel, words, rule."""
    if channel not in available_channels():
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})
    check_words(content, channel, wording)
    check_rule(segment.rule)


def check_words(content: Content, channel: str, wording: Wording) -> None:
    """Raise ``RuleBroken``, saying what to change, if a channel would not take these words."""
    abilities = abilities_of(channel)
    if not content.text.strip() and not content.attachments:
        raise RuleBroken(_("The message is empty. Write a text or add an attachment."))
    size = len(content.text.encode())
    if size > abilities.text_bytes:
        raise RuleBroken(
            _("The text has %(size)s bytes; this channel takes %(limit)s. Shorten it.")
            % {"size": size, "limit": abilities.text_bytes}
        )
    if channel == "email" and not wording.subject.strip():
        raise RuleBroken(_("An e-mail needs a subject."))
    if (wording.subject and not abilities.has_subject) or (wording.html and not abilities.has_html):
        raise RuleBroken(_("This channel takes neither subject nor HTML."))
    check_for_channel(content.attachments, abilities)
    check_placeholders(content.text, channel)


def check_placeholders(text: str, channel: str) -> None:
    """Raise ``RuleBroken`` if a text has a placeholder that the channel cannot fill."""
    personal = used_in(text) - SENDER_PLACEHOLDERS
    if personal and not abilities_of(channel).personal_text:
        raise RuleBroken(
            _(
                "One call carries one text for all of a sender's customers: {%(word)s} cannot be filled."
            )
            % {"word": min(personal)}
        )
