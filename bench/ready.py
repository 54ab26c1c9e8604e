"""Importing this sets Django up, so that what is imported after it may name models."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
