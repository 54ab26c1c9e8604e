"""Segments: rules over customers, and the queries they become.

A rule is a condition ``{"field": …, "op": …, "value": …}`` or a group of rules: ``{"all": […]}``,
``{"any": […]}`` or ``{"not": …}``. Fields and operators come from a closed list
(``campaigns.segments.fields``); nothing a person typed becomes SQL.
"""

from campaigns.segments.counting import Count, count_customers, within_patience
from campaigns.segments.fields import FIELDS, Field, Operator
from campaigns.segments.rules import MOST_CONDITIONS, check_rule, customers_in
from campaigns.segments.values import MOST_DAYS, MOST_VALUES

__all__ = [
    "FIELDS",
    "MOST_CONDITIONS",
    "MOST_DAYS",
    "MOST_VALUES",
    "Count",
    "Field",
    "Operator",
    "check_rule",
    "count_customers",
    "customers_in",
    "within_patience",
]
