"""How the views describe themselves in the OpenAPI document.

Summary and description of an operation are the first line and the rest of a docstring: for GET
that of the view, else that of the method that does it. So code and document cannot drift apart.
"""

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

_METHODS = {"PATCH": "patch", "PUT": "put", "POST": "act"}
_ERRORS = {
    "400": "The request is not right, or against a rule.",
    "401": "No key, or one that is unknown, expired or revoked.",
    "403": "The key's scopes or the person's role do not allow this.",
    "404": "Nothing here that you may see.",
    "409": "Someone else was faster; `fresh` holds the row as it is now.",
    "422": "The idempotency key was used for another request.",
    "429": "Too many requests; see `Retry-After`.",
}
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=(
        "Up to 255 characters, your choice. The same request with the same key within 24 hours"
        " is done once and answered the same, with the header `Idempotent-Replayed: true`."
    ),
)


class ProblemShape(serializers.Serializer[Any]):
    """A problem (RFC 9457)."""

    type = serializers.CharField(help_text="What kind of problem, for programs.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened and what to do, for people.")
    errors = serializers.DictField(  # type: ignore[assignment]  # a field, not the serializer's own
        required=False, help_text="Per field: a list of messages."
    )
    fresh = serializers.DictField(required=False, help_text="The row as it is now.")


class ApiSchema(AutoSchema):
    """Reads summary, input, output, idempotency key and problems off an ``ApiView``."""

    view: Any

    def get_operation_id(self) -> str:
        """Name the operation after its path: ``campaigns_schedule``, ``customers_list``."""
        words = [word for word in self.path.split("/")[3:] if "{" not in word]
        verb = {"GET": "read", "PATCH": "change", "PUT": "set"}.get(self.method, "")
        if self._is_list_view():
            verb = "list"
        if self.method == "POST" and self.path.count("/") == 3:
            verb = "create"
        return "_".join(word.replace("-", "_") for word in [*words, verb] if word)

    def get_tags(self) -> list[str]:
        """Group operations by resource."""
        return [self.path.split("/")[3]]

    def get_summary(self) -> str:
        """Return the first line of the docstring."""
        return self._words()[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """Return the rest of it."""
        return "\n".join(self._words()[1:]).strip()

    def get_request_serializer(self) -> Any:
        """Return ``Input`` of a POST, ``Change`` of a PATCH or PUT; nothing if it has no fields."""
        name = {"POST": "Input", "PATCH": "Change", "PUT": "Change"}.get(self.method, "")
        wanted = getattr(self.view, name, None)
        return wanted if wanted is not None and wanted().fields else None

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        """Name a component: ``Customer``, ``CampaignsScheduleInput``."""
        name: str = type(serializer).__name__.removesuffix("Shape")
        if name != "Input":
            return name
        return "".join(word.capitalize() for word in self.get_operation_id().split("_")) + name

    def get_examples(self) -> list[OpenApiExample]:
        """Return the example that an input brings along."""
        wanted = self.get_request_serializer()
        example = getattr(wanted, "example", None)
        return [OpenApiExample("Example", value=example, request_only=True)] if example else []

    def get_response_serializers(self) -> Any:
        """Return the view's ``shape`` and the problems that may come instead."""
        shape = self.view.verb_shape if self.method == "POST" else self.view.shape
        return {self._success(): shape} | {
            code: OpenApiResponse(ProblemShape, description=words)
            for code, words in _ERRORS.items()
            if self._may_answer(code)
        }

    def get_override_parameters(self) -> list[Any]:
        """Add the idempotency key to every POST."""
        return [_IDEMPOTENCY_KEY] if self.method == "POST" else []

    def map_renderers(self, attribute: str) -> list[str]:
        """Answers are JSON."""
        return ["application/json"]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.method == "GET" and hasattr(self.view, "rows")

    def _success(self) -> str:
        return str(self.view.success) if self.method == "POST" else "200"

    def _may_answer(self, code: str) -> bool:
        if code == "404":
            return "{" in self.path
        return self.method == "POST" or code not in {"409", "422"}

    def _words(self) -> list[str]:
        method = _METHODS.get(self.method)
        doc = inspect.getdoc(getattr(self.view, method) if method else type(self.view)) or ""
        return doc.splitlines() or [""]


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Documents ``Authorization: Bearer <key>``."""

    target_class = "crm.api.keys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Describe the scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "lk_…",
            "description": (
                "A key made by `manage.py create_api_key`. It acts for one staff member: it sees"
                " the rows that this person sees, and no more than its scopes allow."
            ),
        }
