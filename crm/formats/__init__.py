"""Dates and figures as the screens show them, where Django's own choice for a language is not ours."""
