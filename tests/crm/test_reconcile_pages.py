"""The check against WeCom on the screen and in the API: who sees what, and what each button does."""

from typing import Any

import pytest
from django.test import Client

from contacts.enums import (
    FindingKind,
    FindingState,
    HandoverState,
    ItemState,
    OwnershipReason,
    ReconciliationState,
    Role,
    Scope,
)
from contacts.models import Customer, Finding, HistoryEntry, OwnershipPeriod, Reconciliation, Staff
from tests.builders import (
    make_customer,
    make_finding,
    make_follow,
    make_handover,
    make_reconciliation,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

PAGE = "/wecom-check/"


@pytest.fixture
def apart(hua: Staff) -> Finding:
    """Lin answers for Chen, and Mei is connected with her."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=lin)
    make_follow(mei, chen)
    return make_finding(
        FindingKind.OWNER_APART,
        staff=lin,
        customer=chen,
        detail={"owner": lin.pk, "followers": [mei.pk]},
    )


def state_of(finding: Finding) -> str:
    finding.refresh_from_db()
    return finding.state


def test_guides_get_403_and_other_stores_404(client: Client, apart: Finding) -> None:
    sign_in(client, make_staff("Wu"))
    assert client.get(PAGE).status_code == 403
    assert client.post(f"/findings/{apart.pk}/repair/").status_code == 403

    sign_in(client, make_staff("Yu", role=Role.MANAGER, store=make_store("Elsewhere")))
    assert "Chen" not in client.get(PAGE).text
    for verb in ("repair", "dismiss"):
        assert client.post(f"/findings/{apart.pk}/{verb}/").status_code == 404
    assert state_of(apart) == FindingState.OPEN


def test_buttons_do_nothing_when_followed_as_a_link(manager: Client, apart: Finding) -> None:
    for address in (f"/findings/{apart.pk}/repair/", f"/findings/{apart.pk}/dismiss/"):
        assert manager.get(address).status_code == 405
    assert manager.get("/wecom-check/start/").status_code == 405
    assert state_of(apart) == FindingState.OPEN


def test_forms_need_the_token(apart: Finding, hua: Staff) -> None:
    careful = sign_in(Client(enforce_csrf_checks=True), hua)

    assert careful.post(f"/findings/{apart.pk}/repair/").status_code == 403
    assert state_of(apart) == FindingState.OPEN


def test_a_finding_says_what_it_is_and_what_to_do(manager: Client, apart: Finding) -> None:
    page = manager.get(PAGE).text

    assert "Lin answers for Chen without being connected. Connected is: Mei." in page
    assert "Let the connected colleague answer for the customer" in page
    assert "Change the owner" in page


@pytest.mark.parametrize("kind", FindingKind)
def test_every_kind_has_words(manager: Client, kind: FindingKind) -> None:
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    detail = {"owner": lin.pk, "followers": [lin.pk], "customers": 3}
    make_finding(kind, staff=lin, customer=chen, detail=detail)

    assert "Lin" in manager.get(PAGE).text


def test_repairing_gives_the_customer_to_the_connected_colleague(
    manager: Client, apart: Finding, hua: Staff
) -> None:
    answer = manager.post(f"/findings/{apart.pk}/repair/", follow=True)

    assert "Put right." in answer.text
    assert state_of(apart) == FindingState.REPAIRED
    assert apart.settled_by == hua
    assert Customer.objects.get().owner == Staff.objects.get(name="Mei")
    assert OwnershipPeriod.objects.get(ended_at=None).reason == OwnershipReason.TRANSFER
    assert HistoryEntry.objects.filter(action="finding.repaired", actor=hua).exists()


def test_what_is_not_so_any_more_is_not_repaired(manager: Client, apart: Finding) -> None:
    make_follow(Staff.objects.get(name="Lin"), Customer.objects.get())

    answer = manager.post(f"/findings/{apart.pk}/repair/", follow=True)

    assert "not so any more" in answer.text
    assert state_of(apart) == FindingState.OPEN
    assert Customer.objects.get().owner == Staff.objects.get(name="Lin")


def test_a_customer_in_a_handover_is_not_given_away(manager: Client, apart: Finding) -> None:
    make_handover(apart.staff, customers=[Customer.objects.get()])

    manager.post(f"/findings/{apart.pk}/repair/")

    assert state_of(apart) == FindingState.OPEN


def test_nobody_gives_a_customer_to_a_colleague_of_a_store_they_do_not_manage(
    manager: Client, apart: Finding
) -> None:
    Staff.objects.filter(name="Mei").update(store=make_store("Elsewhere"))

    page = manager.get(PAGE).text
    answer = manager.post(f"/findings/{apart.pk}/repair/", follow=True)

    assert "Mei" not in page
    assert "Change the owner" not in page
    assert "Ask an administrator" in answer.text
    assert state_of(apart) == FindingState.OPEN


def test_an_overdue_handover_is_asked_about_at_once(manager: Client) -> None:
    handover = make_handover(
        to_staff=make_staff("Mei"), item_state=ItemState.WAITING, state=HandoverState.RUNNING
    )
    finding = make_finding(
        FindingKind.OVERDUE,
        staff=handover.from_staff,
        handover=handover,
        detail={"customers": 1},
    )

    manager.post(f"/findings/{finding.pk}/repair/")

    handover.refresh_from_db()
    assert handover.check_at
    assert state_of(finding) == FindingState.REPAIRED


def test_what_has_no_repair_says_so(manager: Client) -> None:
    finding = make_finding(FindingKind.STAFF_GONE, staff=make_staff("Lin"))

    answer = manager.post(f"/findings/{finding.pk}/repair/", follow=True)

    assert "cannot be put right from here" in answer.text
    assert state_of(finding) == FindingState.OPEN


def test_somebody_who_is_gone_leads_to_the_departure(manager: Client) -> None:
    lin = make_staff("Lin")
    make_finding(FindingKind.STAFF_GONE, staff=lin)

    assert f"/staff/{lin.pk}/depart/" in manager.get(PAGE).text


def test_dismissing_takes_a_reason(manager: Client, apart: Finding, hua: Staff) -> None:
    refused = manager.post(f"/findings/{apart.pk}/dismiss/", {"note": " "}, follow=True)
    assert "Say why" in refused.text
    assert state_of(apart) == FindingState.OPEN

    manager.post(f"/findings/{apart.pk}/dismiss/", {"note": "A family"})

    assert state_of(apart) == FindingState.DISMISSED
    assert (apart.note, apart.settled_by) == ("A family", hua)
    assert "A family" in manager.get(f"{PAGE}?state=dismissed").text
    assert "Lin answers" not in manager.get(PAGE).text


def test_a_second_press_comes_too_late(manager: Client, apart: Finding) -> None:
    manager.post(f"/findings/{apart.pk}/dismiss/", {"note": "A family"})

    answer = manager.post(f"/findings/{apart.pk}/repair/", follow=True)

    assert "settled in the meantime" in answer.text
    assert state_of(apart) == FindingState.DISMISSED


def test_findings_are_chosen_by_state_and_kind_and_paged(manager: Client) -> None:
    lin = make_staff("Lin")
    run = make_reconciliation()
    made = [make_finding(FindingKind.STAFF_GONE, run=run, staff=lin) for _ in range(30)]
    make_finding(FindingKind.STAFF_BACK, run=run, staff=lin)
    address = f"{PAGE}?kind=staff_gone"

    first = manager.get(address).context
    second = manager.get(f"{address}&after={first['last'].pk}").context

    shown = [row.finding.pk for row in [*first["rows"], *second["rows"]]]
    assert sorted(shown) == [row.pk for row in made]
    assert first["kinds"] == {FindingKind.STAFF_GONE: 30, FindingKind.STAFF_BACK: 1}
    assert manager.get(f"{PAGE}?kind=x&state=y&after=z").status_code == 200


def test_a_press_goes_back_to_the_kind_that_was_looked_through(
    manager: Client, apart: Finding
) -> None:
    other = make_finding(
        FindingKind(apart.kind), run=make_reconciliation(), staff=make_staff("Mei")
    )
    gone = make_finding(FindingKind.STAFF_GONE, run=make_reconciliation(), staff=make_staff("Sun"))
    address = f"{PAGE}?kind={apart.kind}"
    assert f'name="kind" value="{apart.kind}"' in manager.get(address).text

    def dismiss(finding: Finding, kind: str) -> str:
        values = {"note": "A family", "kind": kind}
        return manager.post(f"/findings/{finding.pk}/dismiss/", values)["Location"]

    assert dismiss(apart, apart.kind) == address
    assert dismiss(other, "//elsewhere") == PAGE
    left = [row.finding for row in manager.get(address).context["rows"]]
    assert left == [gone]


def test_what_the_first_comparison_found_appears_when_it_is_done(client: Client) -> None:
    run = make_reconciliation(state=ReconciliationState.RUNNING)
    sign_in(client, make_staff("Jin", role=Role.ADMINISTRATOR))
    renewed = f"{PAGE}?found=none"
    assert f'hx-get="{renewed}"' in client.get(PAGE).text

    make_finding(FindingKind.STAFF_GONE, run=run, staff=make_staff("Lin"))

    assert (
        'id="found" aria-label="Findings" hx-swap-oob="true"'
        in client.get(renewed, HTTP_HX_REQUEST="true").text
    )
    page = client.get(PAGE).text
    assert "hx-swap-oob" not in page
    assert f'hx-get="{PAGE}"' in page


def test_the_page_takes_the_same_queries_for_1_and_3_findings(manager: Client) -> None:
    def find() -> None:
        lin = make_staff("Lin")
        chen = make_customer("Chen", owner=lin)
        make_finding(FindingKind.NOT_MOVED, staff=lin, customer=chen)

    find()
    few = queries_for(manager, PAGE)
    find()
    find()

    assert queries_for(manager, PAGE) == few <= 16


def test_only_who_sees_the_company_sees_its_figures(client: Client, hua: Staff) -> None:
    make_reconciliation(repaired={"follow_new": 77}, seen={"follows": 99})

    assert "77 put right" not in sign_in(client, hua).get(PAGE).text
    jin = make_staff("Jin", role=Role.ADMINISTRATOR)
    shown = sign_in(client, jin).get(PAGE).text
    assert "99 connections" in shown
    assert "77 put right" in shown
    assert "2 minutes" in shown


@pytest.mark.parametrize(
    ("role", "scope", "starts"),
    [
        (Role.MANAGER, Scope.COMPANY, False),
        (Role.ADMINISTRATOR, Scope.STORE, False),
        (Role.ADMINISTRATOR, Scope.COMPANY, True),
    ],
)
def test_administrators_of_the_company_start_a_comparison(
    client: Client, settings: Any, role: Role, scope: Scope, *, starts: bool
) -> None:
    settings.WECOM_CORP_ID = "ww1"
    sign_in(client, make_staff("Jin", role=role, scope=scope))

    assert ("Compare now" in client.get(PAGE).text) == starts
    client.post("/wecom-check/start/")

    assert Reconciliation.objects.exists() == starts


def test_while_one_runs_no_second_one_is_started(client: Client, settings: Any) -> None:
    settings.WECOM_CORP_ID = "ww1"
    make_reconciliation(state=ReconciliationState.RUNNING)
    sign_in(client, make_staff("Jin", role=Role.ADMINISTRATOR))

    answer = client.post("/wecom-check/start/", follow=True)

    assert "under way already" in answer.text
    assert 'hx-trigger="every 4s"' in answer.text
    assert Reconciliation.objects.count() == 1


def test_the_words_of_customers_stay_words(manager: Client) -> None:
    lin = make_staff("Lin")
    evil = make_customer("<script>alert(1)</script>%(name)s", owner=lin)
    make_finding(FindingKind.NOT_MOVED, staff=lin, customer=evil, note="<b>")

    page = manager.get(PAGE).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;%(name)s" in page


def test_an_empty_page_says_what_that_means(manager: Client) -> None:
    assert "cannot put right stands here" in manager.get(PAGE).text
    make_reconciliation()
    assert "say the same" in manager.get(PAGE).text
    assert "Nothing here" in manager.get(f"{PAGE}?state=repaired").text
