"""The second part of the story: 100 people scan a contact code within ten seconds."""

from collections import Counter
from datetime import timedelta
from random import Random

from django.db.models import QuerySet

from campaigns.enums import WelcomeState
from campaigns.models import Welcome
from connectors.wecom.sandbox.client import Json, SandboxControl
from contacts.enums import Gender, IdentityKind
from contacts.models import Customer, CustomerTag, Follow
from crm.demo.names import customer_name
from crm.demo.people import address_of
from crm.demo.report import Report
from crm.demo.stage import Stage

PEOPLE = 100
SPREAD = 10  # seconds
VALID_FOR = 20  # seconds after which a welcome code is worthless
PATIENCE = timedelta(seconds=90)

_OPEN = (WelcomeState.PENDING, WelcomeState.SENDING)


def newcomers(hundred: int) -> list[Json]:
    """The people of the first, second, … hundred who scan, as the sandbox wants them."""
    dice = Random(f"liuke scan {hundred}")  # noqa: S311 -- a shop window, no secret
    people = []
    for number in range(PEOPLE):
        gender = dice.choice((Gender.FEMALE, Gender.FEMALE, Gender.MALE))
        people.append(
            {
                "external_userid": address_of(number, f"scan {hundred}"),
                "name": customer_name(dice, gender),
                "gender": 1 if gender == Gender.MALE else 2,
                "unionid": f"o6demo{hundred:03d}{number:013d}",
            }
        )
    return people


def run(stage: Stage) -> None:
    """Let a hundred people scan, and wait until every welcome code has its outcome.

    If an earlier start was stopped while they did, codes may have died unused: then another
    hundred come, and the report counts these.
    """
    control = stage.control
    if control is None:
        stage.terminal.say("contact code: nobody can be made to scan at this WeCom, left out")
        return
    hundred = _latest(control)
    if hundred:
        stage.wait(lambda: _is_greeted(hundred), at_most=PATIENCE)
    if not hundred or _sent(hundred).count() < PEOPLE:
        if hundred:
            stage.terminal.say("contact code: the demo was stopped while people scanned; once more")
        hundred += 1
        control.scan(newcomers(hundred), state=stage.company.code.state, spread=SPREAD)
        stage.terminal.say(
            f"contact code: {PEOPLE} people scan “{stage.company.code.name}” within {SPREAD} seconds"
        )
        stage.wait(lambda: _is_greeted(hundred), at_most=PATIENCE)


def _latest(control: SandboxControl) -> int:
    """The last hundred who have begun to scan; 0 when nobody has."""
    hundred = 0
    while control.rows("follows", external_userid=address_of(0, f"scan {hundred + 1}")):
        hundred += 1
    return hundred


def measure(stage: Stage) -> Report:
    """Count customers, owners, follows, tags and greetings of the newcomers."""
    code = stage.company.code
    report = Report(f"Contact code “{code.name}”: {PEOPLE} people within {SPREAD} seconds")
    if stage.control is None:
        report.expect("greeted", "left out", "greeted", why_not=stage.why_not)
        return report
    hundred = _latest(stage.control)
    customers = _customers(hundred)
    ids = customers.values("pk")
    tagged = CustomerTag.objects.filter(customer__in=ids, tag__in=code.tags.all())
    follows = Follow.objects.active().filter(customer__in=ids, came_by=code.state)
    if hundred > 1:
        cut_off = PEOPLE * (hundred - 1) - sum(_sent(n).count() for n in range(1, hundred))
        report.say("codes that died while the demo was stopped", cut_off)
    report.expect("customers", customers.count(), PEOPLE)
    report.expect("with an owner", customers.filter(owner__isnull=False).count(), PEOPLE)
    report.expect("connected with a guide on duty", follows.count(), PEOPLE)
    report.expect("with the tags of the code", tagged.count(), PEOPLE * code.tags.count())
    _expect_greetings(report, stage.control, hundred)
    return report


def _customers(hundred: int) -> QuerySet[Customer]:
    addresses = [person["external_userid"] for person in newcomers(hundred)]
    return Customer.objects.filter(
        identities__kind=IdentityKind.WECOM, identities__value__in=addresses
    )


def _sent(hundred: int) -> QuerySet[Welcome]:
    customers = _customers(hundred).values("pk")
    return Welcome.objects.filter(customer__in=customers, state=WelcomeState.SENT)


def _expect_greetings(report: Report, control: SandboxControl, hundred: int) -> None:
    people = {person["external_userid"] for person in newcomers(hundred)}
    rows = [row for row in control.rows("welcomes") if row["external_userid"] in people]
    times = Counter(row["external_userid"] for row in rows)
    slowest = max((row["seconds"] for row in rows), default=float("inf"))
    report.expect("welcomes in state sent", _sent(hundred).count(), PEOPLE)
    report.expect("greeted exactly once, says WeCom", sum(n == 1 for n in times.values()), PEOPLE)
    report.expect_that(
        "slowest greeting", f"{slowest:.1f} s after the code", right=slowest < VALID_FOR
    )


def _is_greeted(hundred: int) -> tuple[bool, str]:
    customers = _customers(hundred).values("pk")
    done = Welcome.objects.filter(customer__in=customers).exclude(state__in=_OPEN).count()
    return done >= PEOPLE, f"contact code: {done} of {PEOPLE} newcomers greeted"
