"""How people get an account: from an administrator, never by signing up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Closes the sign-up page; everything else is allauth's own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up: a staff account is made when the person is hired."""
        return False
