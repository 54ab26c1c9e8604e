"""Tagging a customer."""

from django import forms

from contacts.models import Tag


class TagForm(forms.Form):
    """One press of a tag button: add this tag, or take that one away."""

    add = forms.ModelChoiceField(Tag.objects.select_related("group"), required=False)
    remove = forms.ModelChoiceField(Tag.objects.all(), required=False)
