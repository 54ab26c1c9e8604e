"""Addresses that do not exist."""

from django.http import Http404
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from crm.api.base import ApiView


class Nowhere(ApiView):
    """Answers whatever else is asked for under the API with a problem, never with a page."""

    schema = None  # not part of the document
    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Judge the address, then say that there is nothing."""
        super().initial(request, *args, **kwargs)
        raise Http404

    def get(self, request: Request, **ids: object) -> Response:
        """Never reached: ``initial`` has said no."""
        raise Http404
