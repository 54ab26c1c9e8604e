"""Sending a message to oneself, to see it where customers will."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.channels import address_kinds, direct_connector, is_direct
from campaigns.previews import Preview
from connectors.base import Letter, Outcome
from connectors.wecom.api.app_messages import MAX_TEXT_BYTES, send_app_message, text_message
from connectors.wecom.errors import WeComError
from contacts.actions.history import record
from contacts.enums import IdentityKind
from contacts.errors import RuleBroken
from contacts.models import HistoryEntry, Staff
from contacts.saying import read_channel
from contacts.wecom import wecom

MOST_AN_HOUR = 20
ACTION = "content.test_sent"


def send_trial(preview: Preview, *, channel: str, to: Staff, now: datetime) -> str:
    """Send a message to a colleague's own address in the channel, and return that address.

    In WeCom it comes from the app, since only staff send to customers. Raises ``RuleBroken`` if
    there is no address, it was done too often, or the channel did not take it.
    """
    address = _address(to, channel)
    with transaction.atomic():
        Staff.objects.select_for_update().get(pk=to.pk)
        lately = HistoryEntry.objects.filter(
            actor=to, action=ACTION, at__gt=now - timedelta(hours=1)
        )
        if lately.count() >= MOST_AN_HOUR:
            raise RuleBroken(
                _("You have sent %(most)s tests within an hour. Wait a while.")
                % {"most": MOST_AN_HOUR}
            )
        record(to, ACTION, actor=to, at=now, data={"channel": channel})
    if is_direct(channel):
        _send_letter(preview, channel, address, key=f"liuke-test-{to.pk}-{now:%Y%m%d%H%M%S%f}")
    else:
        _send_from_app(preview, address)
    return address


def _address(to: Staff, channel: str) -> str:
    own: dict[str, str] = {IdentityKind.EMAIL: to.email, IdentityKind.PHONE: to.phone}
    if not is_direct(channel):
        address = to.wecom_userid
    elif kinds := address_kinds(channel):
        address = next((own[kind] for kind in kinds if own.get(kind)), "")
    else:
        address = f"staff-{to.pk}"
    if not address:
        raise RuleBroken(
            _("You have no address of your own in this channel. An administrator can add it.")
        )
    return address


def _send_letter(preview: Preview, channel: str, address: str, *, key: str) -> None:
    letter = Letter(
        key=key,
        address=address,
        text=preview.text,
        subject=preview.subject,
        html=preview.html,
        attachments=preview.attachments,
    )
    (answer,) = direct_connector(channel).send([letter])
    if answer.outcome is Outcome.UNCLEAR:
        raise RuleBroken(_("The channel did not answer: it may have arrived or not."))
    if answer.outcome is not Outcome.TAKEN:
        why = read_channel(answer.why)
        raise RuleBroken(_("The channel did not take it: %(why)s") % {"why": why})


def _send_from_app(preview: Preview, address: str) -> None:
    client = wecom()
    if client is None:
        raise RuleBroken(_("WeCom is not set up."))
    lines = [preview.text, *(f"[{_name_of(item)}]" for item in preview.attachments)]
    text = "\n".join(filter(None, lines)).encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
    try:
        send_app_message(client, [address], text_message(text))
    except WeComError as error:
        raise RuleBroken(read_channel(str(error))) from error


def _name_of(item: dict[str, object]) -> str:
    return str(item.get("title") or item.get("url") or item["kind"])
