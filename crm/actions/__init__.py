"""Verbs that touch every app."""
