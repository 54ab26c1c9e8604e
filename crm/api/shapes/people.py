"""Shapes of stores, staff, customers and what hangs on them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.enums import IdentityKind, Role
from contacts.models import (
    ContactCode,
    Customer,
    Follow,
    HistoryEntry,
    Identity,
    Interaction,
    RoleGrant,
    Staff,
    Store,
    Tag,
    TagGroup,
)
from crm.access import sees_numbers

_SHOWN_AT_THE_END = 4
_HIDDEN = 4


def masked(number: str) -> str:
    """Return the number with its middle hidden: ``+86138****5678``."""
    end = number[-_SHOWN_AT_THE_END:]
    return f"{number[: -_SHOWN_AT_THE_END - _HIDDEN]}{'*' * _HIDDEN}{end}"


class StoreRef(serializers.ModelSerializer[Store]):
    """A store, by id and name."""

    class Meta:
        model = Store
        fields = ("id", "name")
        read_only_fields = fields


class StaffRef(serializers.ModelSerializer[Staff]):
    """A staff member, by id and name."""

    class Meta:
        model = Staff
        fields = ("id", "name")
        read_only_fields = fields


class CustomerRef(serializers.ModelSerializer[Customer]):
    """A customer, by id and name."""

    class Meta:
        model = Customer
        fields = ("id", "name")
        read_only_fields = fields


class StoreShape(serializers.ModelSerializer[Store]):
    """A store; its pool holds the customers that no guide answers for."""

    class Meta:
        model = Store
        fields = ("id", "name", "code", "city", "address", "closed_at")
        read_only_fields = fields


class RoleShape(serializers.ModelSerializer[RoleGrant]):
    """A role and how far it reaches."""

    class Meta:
        model = RoleGrant
        fields = ("role", "scope")
        read_only_fields = fields


class StaffShape(serializers.ModelSerializer[Staff]):
    """A person at work, or one who has left."""

    store = StoreRef(read_only=True, allow_null=True)
    roles = RoleShape(many=True, read_only=True)
    phone = serializers.SerializerMethodField(
        help_text="Masked unless you are a manager, or it is yours."
    )

    class Meta:
        model = Staff
        fields: tuple[str, ...] = (
            "id", "name", "store", "roles", "phone", "wecom_userid", "capacity",
            "state", "state_at", "leaves_on", "departed_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_phone(self, staff: Staff) -> str:
        """Return the number, masked where it has to be."""
        viewer = self.context["viewer"]
        if not staff.phone or staff == viewer.staff:
            return staff.phone
        return staff.phone if viewer.reaches(staff.store_id, Role.MANAGER) else masked(staff.phone)


class DepartedShape(StaffShape):
    """A person who has just left, with the handover that holds their customers."""

    handover = serializers.SerializerMethodField(help_text="Null if the person owned nobody.")

    class Meta(StaffShape.Meta):
        fields = (*StaffShape.Meta.fields, "handover")
        read_only_fields = fields

    def get_handover(self, staff: Staff) -> int | None:
        """Return the id of the departure's handover."""
        return (
            staff.handovers.filter(kind="departure")
            .order_by("-pk")
            .values_list("pk", flat=True)
            .first()
        )


class IdentityShape(serializers.ModelSerializer[Identity]):
    """An address of a customer in an outside system, unique there."""

    value = serializers.SerializerMethodField(
        method_name="shown_value",
        help_text="Phone numbers are masked unless you are the customer's owner or a manager.",
    )

    class Meta:
        model = Identity
        fields: tuple[str, ...] = ("kind", "system", "value")
        read_only_fields = fields

    def shown_value(self, identity: Identity) -> str:
        """Return the address, masked where it has to be."""
        if identity.kind != IdentityKind.PHONE:
            return identity.value
        allowed = sees_numbers(self.context["viewer"], identity.customer)
        return identity.value if allowed else masked(identity.value)


class IdentityRowShape(IdentityShape):
    """An address and whose it is."""

    class Meta(IdentityShape.Meta):
        fields = ("id", "customer", *IdentityShape.Meta.fields)
        read_only_fields = fields


class TagRef(serializers.ModelSerializer[Tag]):
    """A tag, by id and name."""

    class Meta:
        model = Tag
        fields = ("id", "name")
        read_only_fields = fields


class TagShape(serializers.ModelSerializer[Tag]):
    """A word that says something about a customer."""

    class Meta:
        model = Tag
        fields = ("id", "group", "name", "position")
        read_only_fields = fields


class TagGroupShape(serializers.ModelSerializer[TagGroup]):
    """A group of tags; of an exclusive one a customer carries at most one."""

    tags = TagRef(many=True, read_only=True)

    class Meta:
        model = TagGroup
        fields = ("id", "name", "is_exclusive", "position", "tags")
        read_only_fields = fields


class CustomerShape(serializers.ModelSerializer[Customer]):
    """A customer. Without an owner they rest in the pool of the store."""

    store = StoreRef(read_only=True)
    owner = StaffRef(read_only=True, allow_null=True)
    identities = IdentityShape(many=True, read_only=True)
    tags = serializers.SerializerMethodField()

    class Meta:
        model = Customer
        fields = (
            "id", "name", "gender", "birthday", "city", "note", "time_zone", "attributes", "store", "owner", "identities",
            "tags", "spent", "last_order_at", "last_interaction_at", "opted_out_at", "state",
            "created_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(TagRef(many=True))
    def get_tags(self, customer: Customer) -> Any:
        """Return the tags the customer carries."""
        return TagRef([carried.tag for carried in customer.carried_tags.all()], many=True).data


class FollowShape(serializers.ModelSerializer[Follow]):
    """Who is, or was, connected with whom in a channel."""

    staff = StaffRef(read_only=True)

    class Meta:
        model = Follow
        fields = (
            "id",
            "staff",
            "customer",
            "channel",
            "came_by",
            "began_at",
            "ended_at",
            "end_reason",
        )
        read_only_fields = fields


class InteractionShape(serializers.ModelSerializer[Interaction]):
    """What happened between a staff member and a customer."""

    staff = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = Interaction
        fields = ("id", "customer", "staff", "kind", "text", "happened_at", "created_at")
        read_only_fields = fields


class ContactCodeShape(serializers.ModelSerializer[ContactCode]):
    """A "contact me" QR code. Without a ``qr_code_url`` the channel has not made it yet."""

    store = StoreRef(read_only=True)
    staff_on_duty = StaffRef(many=True, read_only=True)
    tags = TagRef(many=True, read_only=True)

    class Meta:
        model = ContactCode
        fields = (
            "id", "name", "state", "store", "staff_on_duty", "tags", "qr_code_url",
            "created_at", "closed_at",
        )  # fmt: skip
        read_only_fields = fields


class HistoryShape(serializers.ModelSerializer[HistoryEntry]):
    """Who did what to what, and when. Without an actor the system did it."""

    actor = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = HistoryEntry
        fields = (
            "id",
            "at",
            "action",
            "subject_kind",
            "subject_id",
            "customer",
            "actor",
            "source",
            "data",
        )
        read_only_fields = fields
