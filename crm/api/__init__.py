"""The REST API, version 1: the same rows, rules and actions as the screens."""
