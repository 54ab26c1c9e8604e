"""The chart of hours: bars in their places over an axis of time."""

from datetime import timedelta

from campaigns.tracking.queries import Hour
from crm.hour_chart import HourChart, chart_of
from tests.builders import NOON

HOUR = timedelta(hours=1)


def drawn(counts: dict[int, int]) -> HourChart:
    chart = chart_of([Hour(NOON + offset * HOUR, clicked=n) for offset, n in counts.items()])
    assert chart
    return chart


def test_where_nobody_did_anything_there_is_no_chart() -> None:
    assert chart_of([]) is None
    assert chart_of([Hour(NOON, replied=3)]) is None


def test_an_hour_in_which_nobody_did_anything_is_an_empty_place() -> None:
    chart = drawn({0: 10, 3: 5})

    assert [(bar.x, bar.at, bar.n) for bar in chart.bars] == [
        (1, NOON, 10),
        (31, NOON + 3 * HOUR, 5),
    ]
    assert [(bar.y, bar.height) for bar in chart.bars] == [(0, 100), (50, 50)]
    assert (chart.top, chart.half, chart.later) == (10, 5, 0)
    assert chart.ticks == [NOON, NOON + 6 * HOUR, NOON + 12 * HOUR]
    assert chart.best.at == NOON


def test_a_long_tail_does_not_flatten_the_beginning_and_is_told() -> None:
    chart = drawn({0: 60, 1: 35, 500: 5})

    assert chart.hours == 1
    assert len(chart.bars) == 2
    assert chart.later == 5
    assert chart.ticks[-1] == NOON + 48 * HOUR


def test_what_takes_days_gets_bars_of_several_hours() -> None:
    chart = drawn(dict.fromkeys(range(120), 1))

    assert chart.hours == 3
    assert sum(bar.n for bar in chart.bars) == 120
    assert chart.bars[1].at == NOON + 3 * HOUR
    assert chart.top == 4


def test_what_takes_a_season_still_fits() -> None:
    chart = drawn({offset * 24: 1 for offset in range(100)})

    assert len(chart.bars) <= 48
    assert sum(bar.n for bar in chart.bars) + chart.later == 100
    assert all(bar.x < chart.width for bar in chart.bars)


def test_the_axis_ends_at_a_round_number() -> None:
    tops = {n: drawn({0: n}).top for n in (1, 2, 3, 7, 11, 150, 1001)}

    assert tops == {1: 1, 2: 2, 3: 4, 7: 8, 11: 20, 150: 200, 1001: 2000}
    assert drawn({0: 1}).half == 0
