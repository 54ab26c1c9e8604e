"""Who reacted to a moment, as far as the person who looks may know them."""

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns.models import Post, PostReaction
from contacts.enums import IdentityKind
from contacts.models import Identity, Staff
from crm.access.customers import customers_of
from crm.access.viewer import Viewer


def reactions_to(viewer: Viewer, post: Post) -> QuerySet[PostReaction]:
    """Return who reacted to a post: colleagues, and the customers that the person sees.

    Whoever sees the whole company also sees addresses that belong to nobody yet. To others these,
    and customers out of their sight, are figures only. Rows carry ``who_customer`` or
    ``who_staff``, an id, with ``…_name``.
    """
    visible = customers_of(viewer)
    known = Identity.objects.filter(
        Q(customer__in=visible) | Q(customer__merged_into__in=visible),
        kind=IdentityKind.WECOM,
        system="",
        value=OuterRef("address"),
    )
    members = Staff.objects.filter(wecom_userid=OuterRef("address"))
    merged = Coalesce("customer__merged_into", "customer")
    name = Coalesce("customer__merged_into__name", "customer__name")
    rows = (
        PostReaction.objects.filter(post=post)
        .annotate(
            who_customer=Subquery(known.values_list(merged)[:1]),
            who_customer_name=Subquery(known.values_list(name)[:1]),
            who_staff=Subquery(members.values("pk")[:1]),
            who_staff_name=Subquery(members.values("name")[:1]),
        )
        .select_related("target__staff")
    )
    if viewer.stores_for() is None:
        return rows
    return rows.filter(Q(by_staff=True) | Q(who_customer__isnull=False))
