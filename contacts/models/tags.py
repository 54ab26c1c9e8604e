"""Tags of the company, in groups, and which customer carries which."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class TagGroup(models.Model):
    """A group of tags; of an exclusive group a customer carries at most one."""

    name = models.CharField(max_length=30)
    is_exclusive = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0)
    wecom_id = models.CharField(max_length=64, null=True, blank=True, unique=True)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="tag_group_name_unique")]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """One word that says something about a customer."""

    group = models.ForeignKey(TagGroup, on_delete=models.PROTECT, related_name="tags")

    name = models.CharField(max_length=30)
    position = models.PositiveIntegerField(default=0)
    wecom_id = models.CharField(max_length=64, null=True, blank=True, unique=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("group", Lower("name"), name="tag_name_unique_in_group")
        ]

    def __str__(self) -> str:
        return self.name


class CustomerTag(models.Model):
    """A tag that a customer carries.

    ``exclusive_group`` repeats the tag's group when that group is exclusive, so that the
    database can refuse a second tag of it.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="carried_tags", db_index=False
    )
    tag = models.ForeignKey(Tag, on_delete=models.PROTECT, related_name="carriers")
    exclusive_group = models.ForeignKey(
        TagGroup, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    added_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "tag"], name="customer_tag_once"),
            models.UniqueConstraint(
                fields=["customer", "exclusive_group"],
                condition=Q(exclusive_group__isnull=False),
                name="customer_tag_exclusive_group",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.tag_id}"
