"""What every view of the API shares: who asks, what is checked first, how rows are shown."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import BasePagination
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Staff
from crm.access import Viewer, viewer_of
from crm.api.guard import StrictJsonParser, check_address
from crm.api.idempotency import answer_once
from crm.api.keys import KeyAllows
from crm.api.pages import LARGEST_ID, KeysetPages
from crm.api.throttles import KeyThrottle

MOST_IDS = 500
"""Ids in one list of a request body."""

Row = TypeVar("Row", bound=Model)


class IdField(serializers.IntegerField):
    """The id of a row, within what the database can hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **options)


class IdsField(serializers.ListField):
    """A list of ids."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=IdField(), **{"max_length": MOST_IDS} | options)


class StrictInput(serializers.Serializer[Any]):
    """What a request may carry. An unknown field is an error, never ignored.

    So nobody believes to have set an owner or a state that only an action may change.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values; raises ``ValidationError``."""
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise ValidationError({name: [_("This field cannot be set here.")] for name in unknown})
        return super().to_internal_value(data)


class ApiView(GenericAPIView[Any]):
    """A view of the API: JSON in and out, one resource of the scopes, rows through ``crm.access``."""

    resource: ClassVar[str] = ""
    shape: ClassVar[type[serializers.BaseSerializer[Any]]]

    parser_classes = (StrictJsonParser,)
    renderer_classes = (JSONRenderer,)
    permission_classes: Sequence[Any] = (IsAuthenticated, KeyAllows)
    throttle_classes = (KeyThrottle,)
    filter_backends: Sequence[Any] = ()
    pagination_class: type[BasePagination] | None = None
    metadata_class = None  # the OpenAPI document says it better than OPTIONS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what is malformed before anybody works with it."""
        check_address(request._request)
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS:
            self.check_body(request)

    def check_body(self, request: Request) -> None:
        """Refuse too large a body, by reading it all. Raises ``RequestDataTooBig``."""
        len(request._request.body)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Let nobody on the way keep what is about people."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer

    @cached_property
    def viewer(self) -> Viewer:
        """Who is asking."""
        return viewer_of(self.request)

    @property
    def actor(self) -> Staff:
        """The staff member on whose behalf something is done."""
        return self.viewer.staff

    @cached_property
    def now(self) -> datetime:
        """The moment of the request: one clock for everything in it."""
        return timezone.now()

    def show(self, rows: Any, *, many: bool = False) -> Any:
        """Return the rows as the outside sees them."""
        return self.shape(rows, many=many, context={"viewer": self.viewer}).data

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        """Return the shape of the rows, for the schema."""
        return self.shape


class StrictFilters(DjangoFilterBackend):
    """Filters by an allow-list; a parameter that is not on it is an error, never ignored."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return the filtered rows; raises ``ValidationError`` for unknown or bad parameters."""
        filters = getattr(view, "filterset_class", None)
        known = KeysetPages.parameters | set(filters.base_filters if filters else ())
        if unknown := sorted(set(request.query_params) - known):
            raise ValidationError({name: [_("Unknown parameter.")] for name in unknown})
        return super().filter_queryset(request, queryset, view)


class Listing(ApiView):
    """``GET``: one page of the rows that the person sees, newest first."""

    filter_backends = (StrictFilters,)
    pagination_class = KeysetPages

    def rows(self) -> QuerySet[Any]:
        """Return the rows the person may see, with all that ``shape`` touches."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows; the schema generator asks without anybody asking."""
        if getattr(self, "swagger_fake_view", False):
            model: type[Model] = self.shape.Meta.model  # type: ignore[attr-defined]  # lists show models
            return model._default_manager.none()
        return self.rows()

    def get(self, request: Request, **ids: int) -> Response:
        """List."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.show(page, many=True))


class Reading(ApiView):
    """``GET``: one row. A subclass has ``row(pk)``, which returns it or answers 404."""

    row: Callable[..., Any]

    def get(self, request: Request, **ids: int) -> Response:
        """Read."""
        return Response(self.show(self.row(**ids)))

    def fresh(self) -> Any:
        """Return the row as it is now, for somebody who came too late."""
        return self.show(self.row(**self.kwargs))


class Verb(ApiView):
    """``POST``: checked input, one action, and the fresh row as the answer.

    A subclass has ``act(data, pk)``, which does it and returns the row to show, or a ready
    ``Response``. With an idempotency key it is done once (``crm.api.idempotency``).
    """

    act: Callable[..., Any]
    success: ClassVar[int] = 200
    calls_outside: ClassVar[bool] = False
    unsaved: ClassVar[tuple[str, ...]] = ()
    """Fields of the answer that are not kept for repetitions: secrets."""

    class Input(StrictInput):
        """Nothing to say."""

    @property
    def verb_shape(self) -> type[serializers.BaseSerializer[Any]]:
        """The shape of the answer."""
        return self.shape

    def post(self, request: Request, **ids: int) -> Response | HttpResponse:
        """Check, act, answer."""

        def answer() -> Response:
            checked = self.Input(data=request.data, context={"viewer": self.viewer})
            checked.is_valid(raise_exception=True)
            done = self.act(checked.validated_data, **ids)
            if isinstance(done, Response):
                return done
            return Response(
                self.verb_shape(done, context={"viewer": self.viewer}).data, status=self.success
            )

        return answer_once(
            request,
            self.actor,
            answer,
            now=self.now,
            outside=self.calls_outside,
            unsaved=self.unsaved,
        )


def pick(rows: QuerySet[Row], ids: Iterable[int], field: str) -> list[Row]:
    """Return the rows with these ids, in the order given, each once.

    Raises ``ValidationError`` on ``field`` if one does not exist or is out of the person's sight.
    """
    wanted = list(dict.fromkeys(ids))
    found = {row.pk: row for row in rows.filter(pk__in=wanted)}
    if missing := [pk for pk in wanted if pk not in found]:
        message = gettext_lazy("Unknown id: %(ids)s.") % {"ids": ", ".join(map(str, missing))}
        raise ValidationError({field: [message]})
    return [found[pk] for pk in wanted]
