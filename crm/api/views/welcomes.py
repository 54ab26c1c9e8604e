"""Welcomes: what new contacts are greeted with."""

from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers

from campaigns.actions.welcome_rules import drop_welcome, set_welcome
from campaigns.attachments import MOST
from campaigns.models import Content, WelcomeRule
from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import ContactCode, Staff
from crm.access import require, welcome_rule_for, welcome_rules_of
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.shapes.messages import WelcomeRuleShape
from crm.welcomes import Level, codes_in_reach, people_in_reach, stores_in_reach


class Welcomes(Listing, Verb):
    """List the welcomes you see."""

    resource = "contents"
    shape = WelcomeRuleShape
    success = 201

    class Input(StrictInput):
        """For a contact code, a colleague, a store, or (with none of them) the company.

        `attachments` are those of contents; WeCom wants files, not their addresses. Whoever
        changes a welcome names the `content` that it has so far.
        """

        example: ClassVar = {"store": 1, "text": "Welcome! I am {guide} of {store}."}

        contact_code = IdField(required=False)
        staff = IdField(required=False)
        store = IdField(required=False)
        text = serializers.CharField(max_length=4000, allow_blank=True, default="")
        attachments = serializers.ListField(
            child=serializers.DictField(), max_length=MOST, default=list
        )
        content = IdField(required=False)

    def rows(self) -> QuerySet[WelcomeRule]:
        """Return the welcomes within reach."""
        return welcome_rules_of(self.viewer)

    def act(self, data: dict[str, Any]) -> WelcomeRule:
        """Say what people are greeted with; 409 if somebody else has said something since."""
        require(self.viewer, Role.MARKETER)
        return set_welcome(
            **self._level(data),
            text=data["text"],
            attachments=data["attachments"],
            seen=self._seen(data),
            actor=self.actor,
            now=self.now,
        )

    def _level(self, data: dict[str, Any]) -> Level:
        named = [name for name in ("contact_code", "staff", "store") if name in data]
        if len(named) > 1:
            raise RuleBroken(_("A welcome is for one of these: a code, a colleague, a store."))
        if not named:
            if self.viewer.stores_for(Role.MARKETER) is not None:
                raise PermissionDenied(_("Your role does not allow this."))
            return {}
        ids = [data[named[0]]]
        if named == ["contact_code"]:
            codes: list[ContactCode] = pick(codes_in_reach(self.viewer), ids, "contact_code")
            return {"contact_code": codes[0]}
        if named == ["staff"]:
            people: list[Staff] = pick(people_in_reach(self.viewer), ids, "staff")
            return {"staff": people[0]}
        return {"store": pick(stores_in_reach(self.viewer), ids, "store")[0]}

    def _seen(self, data: dict[str, Any]) -> Content | None:
        if "content" not in data:
            return None
        return pick(Content.objects.all(), [data["content"]], "content")[0]


class WelcomePage(Reading):
    """Read one welcome."""

    resource = "contents"
    shape = WelcomeRuleShape

    def row(self, pk: int) -> WelcomeRule:
        """Return the welcome."""
        return welcome_rule_for(self.viewer, pk)


class DropWelcome(Verb):
    """The end of a welcome."""

    resource = "contents"
    shape = WelcomeRuleShape

    def act(self, data: dict[str, Any], pk: int) -> WelcomeRule:
        """Greet by it no more; the next wider one takes its place."""
        rule = welcome_rule_for(self.viewer, pk, Role.MARKETER)
        drop_welcome(rule, actor=self.actor, now=self.now)
        return rule
