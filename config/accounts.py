"""How people get an account: from an administrator, never by signing up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils.translation import gettext_noop

# Words that allauth's Chinese leaves half in English or says otherwise: ours are asked first.
SAID_BETTER = (
    gettext_noop("Username or email"),
    gettext_noop("Email Addresses"),
    gettext_noop("The following email addresses are associated with your account:"),
    gettext_noop("Primary"),
    gettext_noop("Re-send Verification"),
    gettext_noop("Add Email Address"),
    gettext_noop("Add Email"),
    gettext_noop("Do you really want to remove the selected email address?"),
    gettext_noop("Two-Factor Authentication"),
    gettext_noop("Sessions"),
    gettext_noop("Bad Token"),
    gettext_noop("Email Changed"),
    gettext_noop("Please Confirm Your Email Address"),
    gettext_noop("Hello from %(site_name)s!"),
)


class AccountAdapter(DefaultAccountAdapter):
    """Closes the sign-up page; everything else is allauth's own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up: a staff account is made when the person is hired."""
        return False
