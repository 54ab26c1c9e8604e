"""Who is to own group chats of a handover."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from contacts.enums import HandoverState, ItemState
from contacts.models import ChatItem, Handover, Staff
from crm.access import Viewer
from crm.forms.handovers import choose_from, ticked_in
from crm.handover_queries import receivers_of

WAITING = (ItemState.PLANNED, ItemState.FAILED)


class ChatsForm(forms.Form):
    """The ticked chats and their next owner, or one failed chat ``again`` for the same colleague."""

    chats = forms.ModelMultipleChoiceField(
        queryset=ChatItem.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": _(
                "Some of these group chats have moved on in the meantime. Look again."
            )
        },
    )
    owner = forms.ModelChoiceField(
        label=_("New owner"),
        queryset=Staff.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": _("This colleague cannot own group chats any more. Look again.")
        },
    )
    again = forms.ModelChoiceField(queryset=ChatItem.objects.none(), required=False)

    def __init__(self, viewer: Viewer, handover: Handover, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handover, self.owners = handover, receivers_of(viewer, handover)
        choose_from(self, "owner", self.owners)
        for name in ("chats", "again"):
            choose_from(self, name, handover.chats.filter(state__in=WAITING))

    def ticked(self) -> set[int]:
        """Return the ids ticked so far, sound or not, to show them ticked again."""
        return ticked_in(self, "chats")

    def clean(self) -> dict[str, Any]:
        """Turn either way of choosing into ``chats`` and ``owner``."""
        cleaned = super().clean() or self.cleaned_data
        if again := cleaned.get("again"):
            owner = self.owners.filter(pk=again.to_staff_id).first()
            cleaned |= {"chats": [again], "owner": owner}
        if self.errors:
            return cleaned
        if not cleaned["chats"]:
            self.add_error("chats", _("Tick the group chats."))
        if not cleaned["owner"] and self.handover.state != HandoverState.PLANNED:
            self.add_error("owner", _("Choose a colleague."))
        return cleaned
