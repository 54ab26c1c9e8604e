"""The addresses of the API, version 1. Resources in the plural, verbs as sub-resources."""

from django.urls import path, re_path

from crm.api.views import (
    campaigns,
    codes,
    customers,
    handovers,
    interactions,
    messages,
    organisation,
)
from crm.api.views.nowhere import Nowhere

app_name = "api"

urlpatterns = [
    path("stores", organisation.Stores.as_view(), name="stores"),
    path("staff", organisation.StaffList.as_view(), name="staff"),
    path("staff/<int:pk>", organisation.StaffPage.as_view(), name="staff-member"),
    path("staff/<int:pk>/depart", organisation.Depart.as_view(), name="staff-depart"),
    path("customers", customers.Customers.as_view(), name="customers"),
    path("customers/<int:pk>", customers.CustomerPage.as_view(), name="customer"),
    path("customers/<int:pk>/tags", customers.CustomerTags.as_view(), name="customer-tags"),
    path("customers/<int:pk>/opt-out", customers.OptOut.as_view(), name="customer-opt-out"),
    path(
        "customers/<int:pk>/interactions",
        interactions.CustomerInteractions.as_view(),
        name="customer-interactions",
    ),
    path(
        "customers/<int:pk>/history",
        organisation.CustomerHistory.as_view(),
        name="customer-history",
    ),
    path("identities", customers.Identities.as_view(), name="identities"),
    path("tag-groups", customers.TagGroups.as_view(), name="tag-groups"),
    path("tags", customers.Tags.as_view(), name="tags"),
    path("follows", customers.Follows.as_view(), name="follows"),
    path("interactions", interactions.Interactions.as_view(), name="interactions"),
    path("handovers", handovers.Handovers.as_view(), name="handovers"),
    path("handovers/<int:pk>", handovers.HandoverPage.as_view(), name="handover"),
    path("handovers/<int:pk>/items", handovers.HandoverItems.as_view(), name="handover-items"),
    path("handovers/<int:pk>/progress", handovers.Progress.as_view(), name="handover-progress"),
    path("handovers/<int:pk>/propose", handovers.Propose.as_view(), name="handover-propose"),
    path("handovers/<int:pk>/start", handovers.Start.as_view(), name="handover-start"),
    path("handovers/<int:pk>/cancel", handovers.Cancel.as_view(), name="handover-cancel"),
    path("handovers/<int:pk>/reassign", handovers.Reassign.as_view(), name="handover-reassign"),
    path("handovers/<int:pk>/finish", handovers.Finish.as_view(), name="handover-finish"),
    path("handovers/<int:pk>/undo", handovers.Undo.as_view(), name="handover-undo"),
    path("handovers/<int:pk>/refresh", handovers.Refresh.as_view(), name="handover-refresh"),
    path("contact-codes", codes.ContactCodes.as_view(), name="contact-codes"),
    path("contact-codes/<int:pk>", codes.ContactCodePage.as_view(), name="contact-code"),
    path("contents", messages.Contents.as_view(), name="contents"),
    path("contents/<int:pk>", messages.ContentPage.as_view(), name="content"),
    path("segments", messages.Segments.as_view(), name="segments"),
    path("segments/preview", messages.Preview.as_view(), name="segment-preview"),
    path("segments/<int:pk>", messages.SegmentPage.as_view(), name="segment"),
    path("campaigns", campaigns.Campaigns.as_view(), name="campaigns"),
    path("campaigns/<int:pk>", campaigns.CampaignPage.as_view(), name="campaign"),
    path("campaigns/<int:pk>/progress", campaigns.Progress.as_view(), name="campaign-progress"),
    path("campaigns/<int:pk>/schedule", campaigns.Schedule.as_view(), name="campaign-schedule"),
    path("campaigns/<int:pk>/pause", campaigns.Pause.as_view(), name="campaign-pause"),
    path("campaigns/<int:pk>/resume", campaigns.Resume.as_view(), name="campaign-resume"),
    path("campaigns/<int:pk>/cancel", campaigns.Cancel.as_view(), name="campaign-cancel"),
    path("campaigns/<int:pk>/remind", campaigns.Remind.as_view(), name="campaign-remind"),
    path("campaigns/<int:pk>/refresh", campaigns.Refresh.as_view(), name="campaign-refresh"),
    path("batches", campaigns.Batches.as_view(), name="batches"),
    path("deliveries", campaigns.Deliveries.as_view(), name="deliveries"),
    path("history", organisation.History.as_view(), name="history"),
    re_path(r"^", Nowhere.as_view(), name="nowhere"),
]
