"""Making contact codes: the row first, then the channel's QR code for it."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.welcome_rules import set_welcome
from campaigns.tasks import tell_duty
from connectors.wecom.api.contact_ways import ContactWay, add_contact_way, update_contact_way
from connectors.wecom.errors import Refused, WeComError
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.enums import StaffState
from contacts.errors import RuleBroken
from contacts.models import ContactCode, Staff, Store, Tag
from contacts.wecom import wecom

logger = logging.getLogger(__name__)

TELL_AGAIN = timedelta(minutes=1)

MOST_ON_DUTY = 100
"""People behind one code (WeCom docs 92228)."""


def create_code(
    *,
    name: str,
    store: Store,
    staff: Sequence[Staff],
    tags: Sequence[Tag] = (),
    welcome: str = "",
    attachments: Sequence[Mapping[str, Any]] = (),
    actor: Staff | None,
    now: datetime,
) -> ContactCode:
    """Make a contact code with its people on duty, the tags it gives and its welcome.

    ``attachments`` go with the welcome. It has no QR code until ``order_qr_code``. Raises
    ``RuleBroken`` if nobody who works is on duty, or too many are, or the welcome cannot be sent.
    """
    if not name.strip():
        raise RuleBroken(_("Give the code a name."))
    if not 0 < len(staff) <= MOST_ON_DUTY:
        raise RuleBroken(
            _("A code has between 1 and %(most)s people on duty.") % {"most": MOST_ON_DUTY}
        )
    for person in staff:
        if person.state != StaffState.ACTIVE:
            raise RuleBroken(_("%(name)s is not at work.") % {"name": person.name})
    with transaction.atomic():
        code = ContactCode.objects.create(
            store=store, name=name.strip(), state=secrets.token_hex(8), created_at=now
        )
        code.staff_on_duty.set(staff)
        code.tags.set(tags)
        if welcome.strip() or attachments:
            set_welcome(
                contact_code=code, text=welcome, attachments=attachments, actor=actor, now=now
            )
        record(code, "code.created", actor=actor, at=now)
    return code


def order_qr_code(code: ContactCode) -> bool:
    """Have WeCom make the QR code; returns whether it did.

    Not in a transaction. An unclear answer may leave an orphan at WeCom that nobody ever sees
    (docs 92228), so nothing here is repeated by itself.
    """
    client = wecom()
    users = _people_in_channel(code)
    if client is None or not users or code.config_id:
        return False
    way = ContactWay(users=users, state=code.state, remark=code.name)
    try:
        made = add_contact_way(client, way)
    except WeComError:
        return False
    ContactCode.objects.filter(pk=code.pk, config_id="").update(
        config_id=made.config_id, qr_code_url=made.qr_code
    )
    code.refresh_from_db()
    return True


def leave_duty(staff: Staff, successor: Staff | None, *, now: datetime) -> list[ContactCode]:
    """Take somebody off all contact codes; returns those that had nobody else.

    A code without anybody leads to an active colleague of its store or, failing that, to the
    successor. WeCom is told by a worker. Call it in the transaction in which the person leaves.
    """
    orphaned = []
    codes = ContactCode.objects.select_for_update().filter(staff_on_duty=staff, closed_at=None)
    for code in codes.order_by("pk"):
        code.staff_on_duty.remove(staff)
        if not code.staff_on_duty.filter(state=StaffState.ACTIVE).exists():
            orphaned.append(code)
            colleagues = Staff.objects.able_to_receive().filter(store=code.store)
            stand_in = colleagues.exclude(wecom_userid=None).order_by("pk").first() or successor
            if stand_in:
                code.staff_on_duty.add(stand_in)
        ContactCode.objects.filter(pk=code.pk).update(duty_changed_at=now)
        ring(tell_duty, code.pk)
    ContactCode.staff_on_duty.through.objects.filter(staff=staff).delete()  # closed codes
    return orphaned


def codes_to_tell(now: datetime) -> list[int]:
    """Codes whose people on duty WeCom does not know yet, for the sweeper."""
    changed = ContactCode.objects.filter(duty_changed_at__lte=now)
    return list(changed.order_by("duty_changed_at").values_list("pk", flat=True)[:100])


def tell_people_on_duty(code_id: int, *, now: datetime) -> bool:
    """Tell WeCom who is on duty at a code; returns whether it knows now.

    WeCom's list is overwritten as a whole (docs 92228), so telling it twice does no harm. What
    changes during the call is told again. While WeCom is busy the code waits for its next turn.
    """
    code = ContactCode.objects.get(pk=code_id)
    claimed = ContactCode.objects.filter(pk=code_id, duty_changed_at__lte=now).update(
        duty_changed_at=now + TELL_AGAIN
    )
    client = wecom()
    users = _people_in_channel(code)
    if not claimed:
        return False
    if client and users and code.config_id:
        way = ContactWay(users=users, state=code.state, remark=code.name)
        try:
            update_contact_way(client, code.config_id, way)
        except Refused:
            logger.warning("WeCom refuses the people on duty of code %s", code_id)
        except WeComError:
            return False
    told = ContactCode.objects.filter(pk=code_id, duty_changed_at=now + TELL_AGAIN)
    return bool(told.update(duty_changed_at=None))


def _people_in_channel(code: ContactCode) -> list[str]:
    """Return the user ids of those on duty who are at work: one wrong one fails the whole call."""
    people = code.staff_on_duty.filter(state__in=[StaffState.ACTIVE, StaffState.LEAVING])
    return [person.wecom_userid for person in people.order_by("pk") if person.wecom_userid]
