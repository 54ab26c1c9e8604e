"""Every address of the product, by the part that answers it."""

from django.urls import include, path

from config import health
from crm.api.docs import SchemaView, docs_page

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/docs/", docs_page, name="api-docs"),
    path("api/v1/", include("crm.api.urls")),
    path("", include("crm.urls")),
]

handler400 = "crm.views.errors.bad_request"
handler403 = "crm.views.errors.forbidden"
handler404 = "crm.views.errors.not_found"
handler500 = "crm.views.errors.server_error"
