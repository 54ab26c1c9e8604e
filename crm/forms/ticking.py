"""What forms with boxes to tick have in common."""

from itertools import groupby
from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from contacts.models import Tag

MOVED_ON = {
    "invalid_choice": _("Some of these customers have moved on in the meantime. Look again.")
}
"""What is said of rows that were on the page and are not there any more."""


def grouped(field: forms.BoundField) -> list[Any]:
    """Return the boxes of a field to tick, group by group, as the widget lays them out."""
    widget = cast("forms.CheckboxSelectMultiple", field.field.widget)
    ticked = [str(value) for value in field.value() or []]
    groups: list[Any] = widget.optgroups(field.html_name, ticked)
    return groups


def tag_choices(
    of: QuerySet[Tag] | None = None,
) -> list[tuple[str, list[tuple[int, str]]]]:
    """Return the tags to choose from, group by group; all there are unless some are given."""
    tags = (
        (Tag.objects.all() if of is None else of)
        .select_related("group")
        .order_by("group__position", "group_id", "position", "pk")
    )
    return [
        (group.name, [(tag.pk, tag.name) for tag in members])
        for group, members in groupby(tags, key=lambda tag: tag.group)
    ]


class TargetedForm(forms.Form):
    """A form that asks for ``tags`` and ``stores``, whose boxes the template lays out in groups."""

    def offer(self, field: str, choices: list[Any]) -> None:
        """Let these be chosen."""
        cast("forms.ChoiceField", self.fields[field]).choices = choices

    def tag_groups(self) -> list[Any]:
        """Return the tags to tick, group by group, as the widget lays them out."""
        return grouped(self["tags"])

    def store_groups(self) -> list[Any]:
        """Return the stores to tick, in one group."""
        return grouped(self["stores"])


class WhichForm(forms.Form):
    """Rows of a long list: those ticked on the page, or all that match its filter."""

    THESE, ALL, ALL_BUT = "these", "all", "all_but"

    which = forms.ChoiceField(
        choices=[
            (THESE, _("those ticked")),
            (ALL, _("all that match")),
            (ALL_BUT, _("all that match, without those ticked")),
        ],
        required=False,
    )

    def is_of_all(self) -> bool:
        """Whether all that match are meant, once the form is sound so far."""
        return self.cleaned_data.get("which") in {self.ALL, self.ALL_BUT}

    def spares_ticked(self) -> bool:
        """Whether those ticked are the ones that are not meant."""
        return bool(self.cleaned_data.get("which") == self.ALL_BUT)
