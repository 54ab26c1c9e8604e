"""``GET /sandbox/``: what is going on, for a person. Plain HTML, no script."""

from collections.abc import Sequence
from html import escape
from string import Template

from connectors.wecom.sandbox.clock import local_day
from connectors.wecom.sandbox.confirmations import waiting_tasks
from connectors.wecom.sandbox.reports import summary
from connectors.wecom.sandbox.state import World

ROWS = 100
PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>WeCom sandbox</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #ccc}
form{display:inline-block;margin:0 1rem 1rem 0}button{font:inherit;padding:.4rem .8rem}</style>
<h1>WeCom sandbox</h1>
<p>This stands in for WeCom. Nothing here reaches a real person. Its time is <strong>$now</strong> (Shanghai), $ahead ahead.</p>
<form method="post" action="/sandbox/confirm"><button>Staff confirm all tasks</button></form>
<form method="post" action="/sandbox/clock"><input type="hidden" name="advance" value="86400">
<button>Advance 24 hours</button></form>
<h2>Counts</h2>$counts
<h2>Tasks waiting for staff</h2>$tasks
<h2>Broken limits</h2>$violations
<h2>Calls</h2>$calls
</html>""")

COUNTS = (
    "staff",
    "customers",
    "follows",
    "unassigned",
    "messages",
    "waiting_tasks",
    "delivered",
    "delivered_twice",
    "welcome_codes",
    "welcomed",
    "callbacks",
    "transfers",
    "violations_total",
)


def overview(world: World, at: float) -> str:
    figures = summary(world, at)
    tasks = [(t.userid, len(t.recipients), m.text[:80]) for m, t in waiting_tasks(world)]
    breaches = [(_clock(v["at"]), v["path"], v["what"]) for v in reversed(world.ledger.violations)]
    return PAGE.substitute(
        now=_clock(at),
        ahead=f"{world.clock.offset / 3600:.1f} hours",
        counts=_table(("What", "How many"), [(name, figures[name]) for name in COUNTS]),
        tasks=_table(("Staff", "Recipients", "Text"), tasks),
        violations=_table(("When", "Call", "What"), breaches),
        calls=_table(("Call", "How often"), sorted(world.ledger.calls.items())),
    )


def _clock(at: float) -> str:
    return local_day(at).strftime("%Y-%m-%d %H:%M:%S")


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    if not rows:
        return "<p>None.</p>"
    lines = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows[:ROWS]]
    more = f"<p>{len(rows) - ROWS} more.</p>" if len(rows) > ROWS else ""
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<table><tr>{heads}</tr><tr>{'</tr><tr>'.join(lines)}</tr></table>{more}"
