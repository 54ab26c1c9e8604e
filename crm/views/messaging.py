"""What the company allows itself in messages, and what a customer wants of them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.restraint import company_rules
from contacts.actions.consent import opt_in, opt_out
from contacts.errors import RuleBroken
from crm.access import customer_for, require_company, viewer_of
from crm.consent_queries import consent_sheet
from crm.forms.messaging import ConsentForm, MessagingRulesForm


@login_required
@require_http_methods(["GET", "POST"])
def messaging_rules(request: HttpRequest) -> HttpResponse:
    """Show the company's messaging rules to its administrators; on POST change them."""
    viewer = viewer_of(request)
    require_company(viewer)
    form = MessagingRulesForm(company_rules(), request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            change_messaging_rules(form.changes(), actor=viewer.staff, now=timezone.now())
        except RuleBroken as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("This goes from now on."))
            return redirect("messaging_rules")
    status = 400 if request.method == "POST" else 200
    return render(request, "crm/messaging_rules.html", {"form": form}, status=status)


@login_required
@require_POST
def customer_consent(request: HttpRequest, pk: int) -> HttpResponse:
    """Note what the customer has said to the guide: yes or no, of a channel and a purpose."""
    viewer = viewer_of(request)
    customer = customer_for(viewer, pk)
    form = ConsentForm(request.POST)
    if form.is_valid():
        say = opt_in if form.cleaned_data["granted"] == "yes" else opt_out
        say(
            customer,
            channel=form.cleaned_data["channel"],
            purpose=form.cleaned_data["purpose"],
            source="staff",
            now=timezone.now(),
            actor=viewer.staff,
        )
        customer.refresh_from_db()
    else:
        messages.error(request, _("That cannot be noted. Look again."))
    if not request.headers.get("HX-Request"):
        return redirect(reverse("customer_page", args=[pk]) + "#consent")
    context = {"customer": customer, "consent": consent_sheet(customer), "open": True}
    return render(request, "crm/parts/_consent_answer.html", context)
