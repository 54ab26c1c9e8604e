"""Plans that were kept under a name: saved, compared, taken up again."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.plans import save_plan
from contacts.enums import HandoverState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover, HandoverPlan
from crm.access import Viewer
from crm.actions.plans import take_saved
from crm.forms.plans import SaveForm
from crm.paging import whole_number
from crm.plan_comparison import compared
from crm.plan_queries import plan_figures, plan_preview
from crm.views.handover_faces import show_face
from crm.views.plans import address_of, manager_of
from crm.views.refusals import moved_on, press


@login_required
@require_POST
def plan_save(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the plan as it stands under a name."""
    viewer, handover = manager_of(request, pk)
    form = SaveForm(request.POST)
    if not form.is_valid():
        return show_face(request, viewer, handover, status=400, save=form)
    now, name = timezone.now(), form.cleaned_data["name"]
    figures = plan_figures(plan_preview(handover, viewer, now=now))
    try:
        save_plan(handover, name, figures=figures, actor=viewer.staff, now=now)
    except RuleBroken as error:
        form.add_error("name", str(error))
        return show_face(request, viewer, handover, status=400, save=form)
    except MovedOn as error:
        return moved_on(request, error, back=address_of(handover))
    return redirect(f"{address_of(handover)}#saved")


@login_required
@require_POST
def plan_take(request: HttpRequest, pk: int, saved: int) -> HttpResponse:
    """Let a saved plan be the plan again."""
    viewer, handover = manager_of(request, pk)
    plan = get_object_or_404(handover.plans.select_related("handover__from_staff"), pk=saved)
    return press(
        request,
        lambda: take_saved(plan, actor=viewer.staff, now=timezone.now()),
        done=_("“%(name)s” is the plan now.") % {"name": plan.name},
        back=f"{address_of(handover)}#preview",
    )


@login_required
@require_GET
def plan_compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Lay two plans side by side; without a choice the last saved one and the plan as it is."""
    viewer, handover = manager_of(request, pk)
    saved = list(handover.plans.order_by("-pk")[:20])
    left = _side(request.GET.get("a"), saved, saved[0] if saved else None)
    right = _side(request.GET.get("b"), saved, None)
    is_plan = handover.state == HandoverState.PLANNED
    context = {
        "handover": handover,
        "saved": saved,
        "left": left,
        "right": right,
        "comparison": compared(_figures(left, handover, viewer), _figures(right, handover, viewer)),
        "is_plan": is_plan,
    }
    return render(request, "crm/plan_compare.html", context)


def _side(
    given: str | None, saved: list[HandoverPlan], otherwise: HandoverPlan | None
) -> HandoverPlan | None:
    """Return the saved plan of one side, or nothing for the plan as it stands."""
    if given == "now":
        return None
    wanted = whole_number(given)
    return next((plan for plan in saved if plan.pk == wanted), otherwise)


def _figures(plan: HandoverPlan | None, handover: Handover, viewer: Viewer) -> list[dict[str, Any]]:
    if plan is not None:
        return list(plan.figures)
    return plan_figures(plan_preview(handover, viewer, now=timezone.now()))
