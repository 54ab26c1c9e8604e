"""Shapes: what the outside sees of a row. Every field is named; nothing shows by itself."""
