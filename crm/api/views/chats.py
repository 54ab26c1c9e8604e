"""Group chats, and who is to own those of a handover."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from contacts.actions.chat_plans import assign_chats
from contacts.enums import HandoverState, ItemState
from contacts.models import ChatItem, GroupChat, Handover
from crm.access import chats_of, handover_for
from crm.api.base import IdField, IdsField, Listing, StrictInput, pick
from crm.api.filters import IdFilter
from crm.api.shapes.chats import ChatItemShape, GroupChatShape
from crm.api.views.handovers import HandoverVerb


class GroupChatFilters(django_filters.FilterSet):
    """What group chats can be narrowed down by."""

    owner = IdFilter(field_name="owner")
    left_by = IdFilter(field_name="left_by")
    store = IdFilter(field_name="store")


class GroupChats(Listing):
    """List the group chats of your stores, or your own; those that were dismissed too."""

    resource = "group-chats"
    shape = GroupChatShape
    filterset_class = GroupChatFilters

    def rows(self) -> QuerySet[GroupChat]:
        """Return the chats the person sees."""
        return chats_of(self.viewer).select_related("owner", "left_by", "store")


class ChatItemFilters(django_filters.FilterSet):
    """What the chats of a handover can be narrowed down by."""

    state = django_filters.ChoiceFilter(choices=ItemState.choices)
    to_staff = IdFilter(field_name="to_staff")


class HandoverChats(Listing):
    """List the group chats of one handover, and how far each got."""

    resource = "handovers"
    shape = ChatItemShape
    filterset_class = ChatItemFilters

    def rows(self) -> QuerySet[ChatItem]:
        """Return the chats of this handover."""
        handover = handover_for(self.viewer, self.kwargs["pk"])
        return ChatItem.objects.filter(handover=handover).select_related("chat", "to_staff")


class AssignChats(HandoverVerb):
    """Group chats for one colleague."""

    class Input(StrictInput):
        """Which chats, by item, and whose they are to be; of a plan, null deals them out."""

        example: ClassVar = {"items": [3, 4], "to": 8}

        items = IdsField(min_length=1)
        to = IdField(allow_null=True)

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Choose the next owner of planned or failed group chats.

        Chats of a handover that was started are moved at once; one that was over is running again.
        """
        handover = handover_for(self.viewer, pk)
        if data["to"] is None and handover.state != HandoverState.PLANNED:
            raise ValidationError({"to": [_("Choose a colleague.")]})
        receiver = self.receivers([data["to"]])[0] if data["to"] else None
        items = [item.pk for item in pick(handover.chats.all(), data["items"], "items")]
        assign_chats(handover, items, receiver, actor=self.actor, now=self.now)
        return self.row(pk)
