"""Customers, their addresses, tags and connections."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.actions.customers import tag_customer, untag_customer
from contacts.actions.profiles import edit_customer, take_in_customer
from contacts.enums import Gender, IdentityKind, Role
from contacts.errors import RuleBroken
from contacts.models import Customer, Follow, Identity, Staff, Store, Tag, TagGroup
from crm.access import customer_for, customers_of, require, staff_of, stores_of
from crm.api.base import IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.inputs import (
    AttributesField,
    BirthdayField,
    IdentityInput,
    TimeZoneField,
    address_from,
)
from crm.api.shapes.people import (
    CustomerShape,
    FollowShape,
    IdentityRowShape,
    TagGroupShape,
    TagShape,
)
from crm.api.shapes.work import BriefShape
from crm.briefs import Brief, brief_of


def shown(rows: QuerySet[Customer]) -> QuerySet[Customer]:
    """Return the rows with all that ``CustomerShape`` touches: four queries, whatever the number."""
    return rows.select_related("store", "owner").prefetch_related("identities", "carried_tags__tag")


class CustomerFilters(django_filters.FilterSet):
    """How customers can be narrowed down."""

    store = IdFilter()
    owner = IdFilter()
    pool = django_filters.BooleanFilter(
        field_name="owner", lookup_expr="isnull", label="Whether nobody owns them."
    )
    tag = IdFilter(field_name="carried_tags__tag")
    search = django_filters.CharFilter(
        method="by_words", max_length=80, label="Part of name, pinyin, initials or phone number."
    )
    identity = django_filters.CharFilter(
        method="by_identity", max_length=320, label="One address: `phone:+8613812345678`."
    )

    def by_words(self, rows: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        """Search as the search box does."""
        return rows.filter(search_key__contains=value.lower())

    def by_identity(self, rows: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        """Look one address up."""
        address = address_from(value)
        return rows.filter(
            identities__kind=address.kind,
            identities__system=address.system,
            identities__value=address.value,
        )


class DetailsInput(StrictInput):
    """What may be written about a customer."""

    name = serializers.CharField(max_length=255, required=False)
    gender = serializers.ChoiceField(choices=Gender.choices, required=False, allow_blank=True)
    birthday = BirthdayField(required=False, allow_null=True)
    city = serializers.CharField(max_length=80, required=False, allow_blank=True)
    note = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    time_zone = TimeZoneField(required=False, allow_blank=True)
    attributes = AttributesField(
        required=False,
        help_text="Whatever else is known: texts, numbers, yes or no; segments ask for them. `null` takes one away.",
    )


class Customers(Listing, Verb):
    """List the customers you see, newest first."""

    resource = "customers"
    shape = CustomerShape
    filterset_class = CustomerFilters
    success = 201

    class Input(DetailsInput):
        """A person, with at least one address."""

        example: ClassVar = {
            "identities": [{"kind": "phone", "value": "+8613812345678"}],
            "name": "陈静",
            "city": "上海",
        }

        identities = serializers.ListField(child=IdentityInput(), min_length=1, max_length=20)
        store = IdField(required=False, help_text="Managers only; otherwise your own.")
        owner = IdField(
            required=False, help_text="Managers only; otherwise you, if you are a guide."
        )

    def rows(self) -> QuerySet[Customer]:
        """Return the customers the person sees."""
        return shown(customers_of(self.viewer))

    def act(self, data: dict[str, Any]) -> Response:
        """Add a customer, or find the one with these identities.

        201 if the customer is new. Otherwise 200: identities and details that were not known
        are added, nothing that is known is overwritten, store and owner stay as they are. 400 if
        one of the identities was of somebody who was erased.
        """
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        store, owner = self._place(data)
        customer, created = take_in_customer(
            [row["address"] for row in data.pop("identities")],
            details={name: value for name, value in data.items() if value},
            store=store,
            owner=owner,
            actor=self.actor,
            now=self.now,
        )
        row = self.rows().filter(pk=customer.pk).first()
        if row is None:
            raise RuleBroken(_("Somebody else in the company answers for this customer."))
        return Response(self.show(row), status=201 if created else 200)

    def _place(self, data: dict[str, Any]) -> tuple[Store, Staff | None]:
        """Return store and owner of a new customer; a guide's are always the guide's own."""
        if data.keys() & {"store", "owner"}:
            require(self.viewer, Role.MANAGER)
        is_guide = self.viewer.has(Role.GUIDE)
        owner: Staff | None = self.actor if is_guide else None
        if "owner" in data:
            owner = pick(staff_of(self.viewer), [data.pop("owner")], "owner")[0]
        store = owner.store if owner else self.actor.store
        if "store" in data:
            store = pick(stores_of(self.viewer, Role.MANAGER), [data.pop("store")], "store")[0]
        if store is None:
            raise RuleBroken(_("Name the store of the customer."))
        return store, owner


class CustomerPage(Reading):
    """Read one customer."""

    resource = "customers"
    shape = CustomerShape

    Change = DetailsInput

    def row(self, pk: int) -> Customer:
        """Return the customer, with all that the shape touches."""
        return shown(customers_of(self.viewer)).get(pk=customer_for(self.viewer, pk).pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Change what is written about a customer; of the attributes, those that are named."""
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        checked = DetailsInput(data=request.data)
        checked.is_valid(raise_exception=True)
        customer = customer_for(self.viewer, pk, Role.GUIDE, Role.MANAGER)
        edit_customer(customer, checked.validated_data, actor=self.actor, now=self.now)
        return Response(self.show(self.row(pk)))


class CustomerBrief(Reading):
    """Read what a new owner should know of a customer.

    Why and from whom they came, what they like, what was promised, what is open, and words to say
    first.
    """

    resource = "customers"
    shape = BriefShape

    def row(self, pk: int) -> Brief:
        """Return the brief."""
        return brief_of(customer_for(self.viewer, pk))


class CustomerTags(CustomerPage, Verb):
    """Tag a customer."""

    http_method_names = ["post"]

    class Input(StrictInput):
        """Ids of tags; of an exclusive group the new tag replaces the old one."""

        example: ClassVar = {"add": [3, 7], "remove": [4]}

        add = IdsField(default=list)
        remove = IdsField(default=list)

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Add tags to a customer and take tags away."""
        require(self.viewer, Role.GUIDE, Role.MANAGER, Role.MARKETER)
        customer = customer_for(self.viewer, pk)
        tags = Tag.objects.select_related("group")
        for tag in pick(tags, data["remove"], "remove"):
            untag_customer(customer, tag, actor=self.actor, now=self.now)
        added = pick(tags, data["add"], "add")
        tag_customer(customer, added, actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class IdentityFilters(django_filters.FilterSet):
    """How identities can be narrowed down."""

    customer = IdFilter()
    kind = django_filters.ChoiceFilter(choices=IdentityKind.choices)


class Identities(Listing):
    """List the addresses of the customers you see."""

    resource = "identities"
    shape = IdentityRowShape
    filterset_class = IdentityFilters

    def rows(self) -> QuerySet[Identity]:
        """Return the identities of visible customers."""
        visible = Identity.objects.filter(customer__in=customers_of(self.viewer))
        return visible.select_related("customer")


class TagGroups(Listing):
    """List the groups of tags, with their tags."""

    resource = "tag-groups"
    shape = TagGroupShape

    def rows(self) -> QuerySet[TagGroup]:
        """Return all groups: tags belong to the company."""
        return TagGroup.objects.prefetch_related("tags")


class TagFilters(django_filters.FilterSet):
    """How tags can be narrowed down."""

    group = IdFilter()


class Tags(Listing):
    """List the tags of the company."""

    resource = "tags"
    shape = TagShape
    filterset_class = TagFilters

    def rows(self) -> QuerySet[Tag]:
        """Return all tags."""
        return Tag.objects.all()


class FollowFilters(django_filters.FilterSet):
    """How follows can be narrowed down."""

    customer = IdFilter()
    staff = IdFilter()
    active = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull")


class Follows(Listing):
    """List who is connected with whom: follows of your customers, and your own."""

    resource = "follows"
    shape = FollowShape
    filterset_class = FollowFilters

    def rows(self) -> QuerySet[Follow]:
        """Return the follows of visible customers, and the person's own."""
        mine = Q(staff=self.actor) | Q(customer__in=customers_of(self.viewer))
        return Follow.objects.filter(mine).select_related("staff")
