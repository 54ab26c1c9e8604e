"""Group chats of the demo company, all in its first store: the leaver's move with her customers."""

from datetime import datetime

from contacts.enums import IdentityKind
from contacts.models import GroupChat, Identity
from crm.demo import cast
from crm.demo.organisation import Organisation

CHATS = (
    (cast.LEAVER, "兴业里店会员群", 36),
    (cast.LEAVER, "新品抢先看", 24),
    (cast.LEAVER, "周末穿搭", 15),
    (cast.RECEIVERS[0], "林悦的老顾客", 28),
)
"""Whose they are, how they are called, and how many of the owner's customers are in them."""


def load_chats(organisation: Organisation, *, now: datetime) -> None:
    """Write the group chats; call it once the customers are there."""
    for number, (userid, name, size) in enumerate(CHATS, start=1):
        owner = organisation.staff[userid]
        known = Identity.objects.filter(kind=IdentityKind.WECOM, customer__owner=owner)
        GroupChat.objects.create(
            chat_id=f"wrDemo{number:04}",
            name=name,
            owner=owner,
            store=organisation.stores[cast.SHOPS[0].code],
            members=size + 1,
            customers=list(known.order_by("pk").values_list("value", flat=True)[:size]),
            known_at=now,
        )
