"""The segment builder: every press shows the rule anew with everything typed kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from campaigns.actions.segments import change_segment, create_segment
from campaigns.models import Segment
from campaigns.segments import FIELDS, Field, count_customers, within_patience
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, described_to, segment_for, viewer_as
from crm.audiences import check_change_of_rule
from crm.forms.rule_tree import (
    JOINS,
    Node,
    change_tree,
    finished_part,
    is_sound,
    new_tree,
    read_tree,
    rule_of,
    tree_of,
)
from crm.forms.segments import SegmentForm
from crm.segment_choices import Choices

SAMPLE = 10


@dataclass(slots=True)
class Bench:
    """Who builds what, and everything typed so far."""

    viewer: Viewer
    segment: Segment | None
    form: SegmentForm
    tree: Node
    base: str
    refusal: str = ""

    @property
    def has_rule(self) -> bool:
        """Whether there is a rule to build; a static list has none."""
        return self.segment is None or not self.segment.is_static

    @property
    def may_share(self) -> bool:
        """Whether sharing is theirs to decide: of what they made, or nobody did."""
        return self.segment is None or self.segment.created_by_id in {None, self.viewer.staff.pk}


@login_required
@require_http_methods(["GET", "POST"])
def segment_new(request: HttpRequest) -> HttpResponse:
    """Build a new segment."""
    return _build(request, viewer_as(request, Role.MARKETER), None)


@login_required
@require_http_methods(["GET", "POST"])
def segment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a segment; of a static list only its name and sharing."""
    viewer = viewer_as(request, Role.MARKETER)
    return _build(request, viewer, segment_for(viewer, pk))


@login_required
@require_POST
def segment_preview(request: HttpRequest) -> HttpResponse:
    """Return the count and a sample of the rule as far as it is finished."""
    viewer = viewer_as(request, Role.MARKETER)
    context = _counted(viewer, read_tree(request.POST))
    return render(request, "crm/parts/_segment_count.html", context)


def _build(request: HttpRequest, viewer: Viewer, segment: Segment | None) -> HttpResponse:
    if request.method != "POST":
        return _page(request, _opened(viewer, segment))
    bench = Bench(
        viewer,
        segment,
        SegmentForm(request.POST),
        read_tree(request.POST),
        request.POST.get("base", "")[:40],
    )
    go = request.POST.get("go", "")
    if go == "save":
        return _save(request, bench)
    # Nothing is judged before it is saved: a form that only shows what was typed.
    typed = {"name": request.POST.get("name", ""), "shared": "shared" in request.POST}
    bench.form = SegmentForm(initial=typed)
    return _page(request, bench, focus=change_tree(bench.tree, go))


def _opened(viewer: Viewer, segment: Segment | None) -> Bench:
    if segment is None:
        return Bench(viewer, None, SegmentForm(), new_tree(), "")
    form = SegmentForm(initial={"name": segment.name, "shared": segment.shared})
    return Bench(viewer, segment, form, tree_of(segment.rule), _base(segment))


def _base(segment: Segment) -> str:
    return (segment.changed_at or segment.created_at).isoformat()


def _save(request: HttpRequest, bench: Bench) -> HttpResponse:
    rule = rule_of(bench.tree) if bench.has_rule else None
    is_valid = bench.form.is_valid()
    if not is_valid or (bench.has_rule and not is_sound(bench.tree)):
        return _page(request, bench, status=400)
    if bench.segment and bench.base != _base(bench.segment):
        bench.refusal = _(
            "Somebody else has changed this segment since you began. Save again to put yours in "
            "the place of theirs."
        )
        bench.base = _base(bench.segment)
        return _page(request, bench, status=409)
    try:
        segment = _written(bench, rule, now=timezone.now())
    except RuleBroken as error:
        bench.refusal = str(error)
        return _page(request, bench, status=400)
    except MovedOn as error:
        bench.refusal = str(error)
        return _page(request, bench, status=409)
    messages.success(request, _("Saved."))
    return redirect("segment_page", pk=segment.pk)


def _written(bench: Bench, rule: dict[str, Any] | None, *, now: datetime) -> Segment:
    data, actor = bench.form.cleaned_data, bench.viewer.staff
    if bench.segment is None:
        name, shared = data["name"], data["shared"]
        return create_segment(name=name, rule=rule or {}, shared=shared, actor=actor, now=now)
    if rule is not None:
        check_change_of_rule(bench.segment, rule, bench.viewer)
    change_segment(
        bench.segment,
        name=data["name"],
        rule=rule,
        shared=data["shared"] if bench.may_share else None,
        actor=actor,
        now=now,
    )
    return bench.segment


def _page(
    request: HttpRequest, bench: Bench, *, focus: str = "", status: int = 200
) -> HttpResponse:
    segment = bench.segment
    here = reverse("segment_edit", args=[segment.pk]) if segment else reverse("segment_new")
    Choices(bench.viewer, but=segment.pk if segment else None).dress(bench.tree)
    context: dict[str, Any] = {
        "bench": bench,
        "segment": segment,
        "form": bench.form,
        "tree": bench.tree,
        "here": here,
        "focus": focus,
        "joins": JOINS.items(),
        "fields": _grouped_fields(),
    }
    if request.headers.get("HX-Target") == "builder":
        response = render(request, "crm/parts/_segment_builder.html", context, status=status)
        response["HX-Trigger-After-Swap"] = "rule-changed"
        return response
    if bench.has_rule:
        errors = {node.key: node.error for node in bench.tree.walk()}
        context |= _counted(bench.viewer, bench.tree)
        for node in bench.tree.walk():
            node.error = errors[node.key]
    return render(request, "crm/segment_builder.html", context, status=status)


def _grouped_fields() -> list[tuple[str, list[Field]]]:
    groups: dict[str, list[Field]] = {}
    for field in FIELDS.values():
        groups.setdefault(str(field.group), []).append(field)
    return list(groups.items())


def _counted(viewer: Viewer, tree: Node) -> dict[str, Any]:
    """Count what is finished of the rule, within the person's scope, and show ten people of it."""
    rule, left_out = finished_part(tree)
    try:
        found = described_to(viewer, rule)
    except RuleBroken as error:
        return {"cannot_count": str(error)}
    people = found.select_related("owner", "store").order_by("-pk")[:SAMPLE]
    return {
        "count": count_customers(found),
        "sample": within_patience(lambda: list(people)),
        "left_out": left_out,
        "is_everybody": not rule.get("all", True),
    }
