"""The main job, told as a story: what people do during the demo, and whether every figure is right.

The story does only what people would do, through the actions behind the screens; workers do the
work. Each step first looks whether it was done, so a demo that was interrupted goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
from django.utils import timezone

from connectors.wecom.sandbox.client import SandboxControl
from contacts.wecom import wecom
from crm.demo import campaign_part, handover_part, scan_part
from crm.demo.report import Book, Report
from crm.demo.sandbox import publish_codes, seed_sandbox
from crm.demo.stage import CLOCK_STAYS, Stage
from crm.invariants import check_rules

PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class Part:
    """A part of the story. ``measure`` only counts, and may be repeated at any time."""

    name: str
    measure: Callable[[Stage], Report]


PARTS = (
    Part("campaign", campaign_part.measure),
    Part("contact code", scan_part.measure),
    Part("handover", handover_part.measure),
)


def play(stage: Stage, book: Book) -> None:
    """Play what has not been played, and keep the report of each part in the book.

    The sandbox's clock is that of this machine, before and after: whoever looks around later
    finds no moment that has not come yet. The guide leaves while the campaign waits for its results, which WeCom does
    not give in the first minute; none of her customers is in its segment.
    """
    if is_told(book):
        return
    if stage.control:
        _prepare(stage, stage.control)
    campaign_part.launch(stage)
    scan_part.run(stage)
    campaign_part.confirm(stage)
    handover_part.run(stage)
    campaign_part.fetch_results(stage)
    for part in PARTS:
        book.keep(part.name, part.measure(stage))


def is_told(book: Book) -> bool:
    """Whether every part was played to its end, so that nothing is left to be judged."""
    kept = [book.reports.get(part.name) for part in PARTS]
    return all(report is not None and not report.not_judged for report in kept)


def measure_again(stage: Stage, book: Book) -> None:
    """Count everything anew: the book may be old, and somebody may have touched the rows."""
    for part in PARTS:
        book.keep(part.name, part.measure(stage))


def show(stage: Stage, book: Book) -> bool:
    """Write the three reports, the invariants and the verdict; returns whether all is right."""
    promises = Report("What always holds")
    findings = list(check_rules(now=timezone.now()))
    broken = [finding for finding in findings if finding.rows]
    for finding in broken:
        promises.say(f"rule {finding.rule.number}", "; ".join(finding.examples))
    promises.expect("rules checked", len(findings), len(findings))
    promises.expect("rows that break one", sum(finding.rows for finding in findings), 0)
    reports = [*(book.reports[part.name] for part in PARTS), promises]
    for report in reports:
        report.show(stage.terminal)
    right, open_figures = (
        all(one.is_right for one in reports),
        sum(one.not_judged for one in reports),
    )
    stage.terminal.say()
    if open_figures:
        stage.terminal.say(f"{open_figures} figures could not be judged: {CLOCK_STAYS}.")
    rest = "Every other figure" if open_figures else "Every figure"
    stage.terminal.say(f"{rest} is right." if right else "Figures are WRONG; see above.")
    return right


def _prepare(stage: Stage, control: SandboxControl) -> None:
    """Wait for the sandbox, and tell it of the company."""
    stage.wait(lambda: _answers(control), at_most=PATIENCE)
    seed_sandbox(control)
    if client := wecom():
        publish_codes(client)


def _answers(control: SandboxControl) -> tuple[bool, str]:
    try:
        control.clock()
    except httpx.TransportError:
        return False, "waiting for the WeCom sandbox to answer"
    return True, ""
