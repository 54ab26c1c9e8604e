"""Simplified Chinese: figures in groups of three, as on price tags and in WeCom; short dates."""

NUMBER_GROUPING = 3
THOUSAND_SEPARATOR = ","
MONTH_DAY_FORMAT = "n月j日"
