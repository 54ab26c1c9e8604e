"""How long somebody waits for the count while a segment is built, over a million customers."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import bench.ready  # noqa: F401 -- before the first model is imported
from bench.figures import Figure
from campaigns.segments import count_customers, customers_in
from contacts.models import Store, Tag

ROUNDS = 5

Say = Callable[[Figure], None]


def measure(say: Say) -> None:
    """Measure the slowest of some rules as marketers write them."""
    waits = {name: _wait_for(rule) for name, rule in _rules().items()}
    for name, seconds in waits.items():
        say(Figure(f"live count: {name}", seconds * 1000, "ms", at_most=400))


def _rules() -> dict[str, dict[str, Any]]:
    tags = list(Tag.objects.order_by("position").values_list("pk", flat=True))
    stores = list(Store.objects.order_by("pk").values_list("pk", flat=True))
    tagged = {"field": "tag", "op": "any", "value": tags[:2]}
    not_tagged = {"field": "tag", "op": "none", "value": [tags[2]]}
    quiet = {"field": "last_interaction", "op": "before_days", "value": 90}
    no_coupon = {"field": "coupon", "op": "valid", "value": False}
    connected = {"field": "connected", "op": "is", "value": True}
    women = {"field": "gender", "op": "is", "value": "female"}
    return {
        "one store": {"all": [{"field": "store", "op": "in", "value": stores[3:4]}]},
        "a tag, and not another": {"all": [tagged, not_tagged]},
        "a coupon that expires soon": {
            "all": [{"field": "coupon", "op": "expires_within_days", "value": 14}]
        },
        "a tag, and no valid coupon": {"all": [tagged, no_coupon]},
        "a tag, and not connected": {"all": [tagged, {"not": connected}]},
        "a coupon by its title": {"all": [{"field": "coupon", "op": "title", "value": "spring"}]},
        "not met for 90 days": {"all": [quiet]},
        "groups within groups": {
            "all": [
                {"any": [tagged, {"all": [women, quiet]}]},
                {"not": {"field": "store", "op": "in", "value": stores[:2]}},
            ]
        },
        "everybody": {"all": []},
    }


def _wait_for(rule: dict[str, Any]) -> float:
    found = customers_in(rule)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        counted = count_customers(found)
        times.append(time.perf_counter() - began)
        if not counted.is_exact:
            raise AssertionError("the count was only a guess")
    return statistics.median(times)
