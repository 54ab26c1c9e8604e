"""Who may take customers over."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from contacts.actions.transfers import goes_through_channel
from contacts.enums import StaffState
from contacts.errors import RuleBroken
from contacts.models import Handover, Staff


def locked_receivers(handover: Handover, receivers: Sequence[Staff]) -> list[Staff]:
    """Read the receivers anew; neither they nor the giver can depart before the transaction ends."""
    ids = {staff.pk for staff in receivers}
    people = Staff.objects.select_for_update(no_key=True).filter(
        pk__in=ids | {handover.from_staff_id}
    )
    return [person for person in people.order_by("pk") if person.pk in ids]


def check_receivers(handover: Handover, receivers: Sequence[Staff]) -> None:
    """Raise ``RuleBroken``, naming the first, if one of these people cannot take its customers."""
    if not receivers:
        raise RuleBroken(_("Choose at least one colleague."))
    for staff in receivers:
        if staff.pk == handover.from_staff_id:
            raise RuleBroken(
                _("%(name)s cannot take over their own customers.") % {"name": staff.name}
            )
        if staff.state != StaffState.ACTIVE:
            raise RuleBroken(
                _("%(name)s is not at work and cannot take customers.") % {"name": staff.name}
            )
        if not staff.wecom_userid and goes_through_channel(handover):
            raise RuleBroken(
                _("%(name)s has no WeCom account and cannot take over WeCom customers.")
                % {"name": staff.name}
            )
