"""Making contact codes: the row first, then the channel's QR code for it."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.contents import create_content
from campaigns.models import WelcomeRule
from connectors.wecom.api.contact_ways import ContactWay, add_contact_way
from connectors.wecom.errors import WeComError
from contacts.actions.history import record
from contacts.enums import StaffState
from contacts.errors import RuleBroken
from contacts.models import ContactCode, Staff, Store, Tag
from contacts.wecom import wecom

MOST_ON_DUTY = 100
"""People behind one code (WeCom docs 92228)."""


def create_code(
    *,
    name: str,
    store: Store,
    staff: Sequence[Staff],
    tags: Sequence[Tag] = (),
    welcome: str = "",
    actor: Staff | None,
    now: datetime,
) -> ContactCode:
    """Make a contact code with its people on duty, the tags it gives and its welcome.

    It has no QR code until ``order_qr_code``. Raises ``RuleBroken`` if nobody who works is on
    duty, or too many are.
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
        if welcome.strip():
            content = create_content(name=code.name, text=welcome, actor=actor, now=now)
            WelcomeRule.objects.create(contact_code=code, content=content)
        record(code, "code.created", actor=actor, at=now)
    return code


def order_qr_code(code: ContactCode) -> bool:
    """Have WeCom make the QR code; returns whether it did.

    Not in a transaction. An unclear answer may leave an orphan at WeCom that nobody ever sees
    (docs 92228), so nothing here is repeated by itself.
    """
    client = wecom()
    users = [person.wecom_userid for person in code.staff_on_duty.all() if person.wecom_userid]
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
