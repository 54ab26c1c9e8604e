"""The OpenAPI document, and a page on which people read it and try it out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularJSONAPIView


class SchemaView(SpectacularJSONAPIView):
    """``/api/schema/``: generated from the views at every request, so it is never out of date."""

    authentication_classes = ()
    throttle_classes = ()


@require_safe
def docs_page(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI, from files of this server and without a line of inline script."""
    return render(request, "crm/api_docs.html")
