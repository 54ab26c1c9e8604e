"""Simplified Chinese: figures in groups of three, as on price tags and in WeCom."""

NUMBER_GROUPING = 3
