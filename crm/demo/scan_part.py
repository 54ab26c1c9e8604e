"""The second part of the story: 100 people scan a contact code within ten seconds."""

from collections import Counter
from datetime import timedelta
from random import Random

from django.db.models import QuerySet

from campaigns.enums import WelcomeState
from campaigns.models import Welcome
from connectors.wecom.sandbox.client import Json, SandboxControl
from contacts.enums import CallbackState, Gender, IdentityKind
from contacts.models import Callback, Customer, CustomerTag, Follow
from crm.demo.names import customer_name
from crm.demo.people import address_of
from crm.demo.report import Report
from crm.demo.stage import Stage

PEOPLE = 100
SPREAD = 10  # seconds
TRIES = 3
"""Hundreds who come in one run of the demo, each more slowly, until one was greeted in time."""

SLOWEST = 8  # times the usual seconds
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

    If an earlier start was stopped while they did, or the machine is too busy, codes die unused:
    then another hundred come, in twice the time, and the report counts these and the dead ones.
    """
    control = stage.control
    if control is None:
        stage.terminal.say("contact code: nobody can be made to scan at this WeCom, left out")
        return
    hundred = _latest(control)
    if hundred:
        stage.wait(lambda: _is_greeted(hundred), at_most=PATIENCE)
    for _try in range(TRIES):
        if hundred and _sent(hundred).count() >= PEOPLE:
            return
        if hundred:
            dead = PEOPLE - _sent(hundred).count()
            stage.terminal.say(f"contact code: {dead} codes died unused; once more, more slowly")
        hundred += 1
        _let_scan(stage, control, hundred)


def _let_scan(stage: Stage, control: SandboxControl, hundred: int) -> None:
    """Let them scan once the workers have done what WeCom has told so far."""
    stage.wait(_is_quiet, at_most=PATIENCE)
    code, spread = stage.company.code, _spread(hundred)
    control.scan(newcomers(hundred), state=code.state, spread=spread)
    stage.terminal.say(f"contact code: {PEOPLE} people scan “{code.name}” within {spread} seconds")
    in_time = PATIENCE + timedelta(seconds=spread)
    stage.wait(lambda: _is_greeted(hundred), at_most=in_time)


def _spread(hundred: int) -> int:
    """In how many seconds this hundred scan: twice those of the one before, up to a limit."""
    return SPREAD * min(2 ** (hundred - 1), SLOWEST)


def _latest(control: SandboxControl) -> int:
    """The last hundred who have begun to scan; 0 when nobody has."""
    hundred = 0
    while control.rows("follows", external_userid=address_of(0, f"scan {hundred + 1}")):
        hundred += 1
    return hundred


def measure(stage: Stage) -> Report:
    """Count customers, owners, follows, tags and greetings of the newcomers."""
    code = stage.company.code
    hundred = _latest(stage.control) if stage.control else 1
    spread = _spread(max(hundred, 1))
    report = Report(f"Contact code “{code.name}”: {PEOPLE} people within {spread} seconds")
    if stage.control is None:
        report.expect("greeted", "left out", "greeted", why_not=stage.why_not)
        return report
    customers = _customers(hundred)
    ids = customers.values("pk")
    tagged = CustomerTag.objects.filter(customer__in=ids, tag__in=code.tags.all())
    follows = Follow.objects.active().filter(customer__in=ids, came_by=code.state)
    if hundred > 1:
        cut_off = PEOPLE * (hundred - 1) - sum(_sent(n).count() for n in range(1, hundred))
        report.say("codes that died before: stopped, or too busy", cut_off)
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


def _is_quiet() -> tuple[bool, str]:
    left = Callback.objects.filter(state=CallbackState.RECEIVED).count()
    return not left, "" if not left else f"contact code: {left} events of WeCom are worked on first"


def _is_greeted(hundred: int) -> tuple[bool, str]:
    customers = _customers(hundred).values("pk")
    done = Welcome.objects.filter(customer__in=customers).exclude(state__in=_OPEN).count()
    return done >= PEOPLE, f"contact code: {done} of {PEOPLE} newcomers greeted"
