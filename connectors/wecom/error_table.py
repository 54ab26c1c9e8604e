"""WeCom's error codes as data: what kind of failure each is, and what to tell a person.

From WeCom's list of global error codes and from the pages of the endpoints. A code that is not
here is a plain refusal: WeCom answered, so nothing was done.
"""

from enum import StrEnum


def gettext_noop(text: str) -> str:
    """Mark a text for translation; whoever shows it translates it."""
    return text


class ErrorKind(StrEnum):
    """What the failure asks of the caller."""

    TOKEN = "token"  # noqa: S105 -- a kind of failure
    """The access token is stale: the client replaces it by itself."""

    BUSY = "busy"
    """Nothing is wrong: later."""

    CONFIG = "config"
    """No call will work until a person mends the connection."""

    ITEM = "item"
    """This customer or staff member cannot be served; go on with the next."""

    CONTENT = "content"
    """The message or file has to be changed."""

    CAPACITY = "capacity"
    """A limit of WeCom is used up."""

    OVER = "over"
    """There is nothing to do, or no longer."""

    OTHER = "other"
    """Refused for a reason that we do not know."""


STALE_TOKEN = frozenset({40001, 40014, 42001})
SYSTEM_BUSY = -1
TOO_FREQUENT = 45009
TOO_PARALLEL = 45033

RETRY_AFTER: dict[int, float] = {
    SYSTEM_BUSY: 5,
    TOO_FREQUENT: 60,
    TOO_PARALLEL: 5,
    41063: 120,
    41079: 120,
    41094: 3600,
    41096: 1,
}
"""Seconds to wait before the next attempt, for the codes of kind BUSY."""

_TOKEN = {
    40001: gettext_noop("WeCom does not accept the secret or the access token."),
    40014: gettext_noop("WeCom does not accept the access token."),
    42001: gettext_noop("The access token has expired."),
}
_BUSY = {
    -1: gettext_noop("WeCom is busy."),
    45009: gettext_noop("WeCom receives too many calls from us."),
    45033: gettext_noop("WeCom receives too many calls from us at the same time."),
    41063: gettext_noop("WeCom is still handing out this message; ask again in a few minutes."),
    41079: gettext_noop("WeCom is still handing out this moment; ask again in a few minutes."),
    41094: gettext_noop("This message has been reminded of as often as WeCom allows."),
    41096: gettext_noop("Another app is sending the welcome message."),
}
_CONFIG = {
    40013: gettext_noop("WeCom does not know the company id."),
    40056: gettext_noop("WeCom does not know the agent id."),
    40091: gettext_noop("WeCom does not accept the secret."),
    41001: gettext_noop("The access token is missing."),
    48002: gettext_noop("The app may not use this part of the API; allow it in WeCom's console."),
    48004: gettext_noop("WeCom has blocked this part of the API for the app."),
    48005: gettext_noop("WeCom has retired this part of the API."),
    48006: gettext_noop("The company may not use this part of the API."),
    60020: gettext_noop("The server's address is not among the app's trusted addresses."),
    301002: gettext_noop("The app may not act for this member."),
}
_ITEM = {
    40003: gettext_noop("WeCom does not know this member."),
    40031: gettext_noop("WeCom does not know one of the members."),
    40058: gettext_noop("WeCom does not accept a value in the call."),
    40068: gettext_noop("WeCom does not know this tag."),
    40071: gettext_noop("A tag of this name exists."),
    40096: gettext_noop("WeCom does not know this customer."),
    40097: gettext_noop("The member has not left the company in WeCom."),
    40098: gettext_noop("The member's real name is not verified in WeCom."),
    40100: gettext_noop("The customer is being handed over already."),
    40128: gettext_noop("The customer has been handed over too often lately."),
    40129: gettext_noop("The customer is being handed over now."),
    40130: gettext_noop("The customer cannot be handed over to the same member."),
    40131: gettext_noop("The customer is no longer connected to the member who hands over."),
    40143: gettext_noop("The receiving member may not take over customers."),
    41035: gettext_noop("The member has no right to send to customers."),
    41043: gettext_noop("The id of the contact code is missing."),
    41044: gettext_noop("WeCom does not know this contact code."),
    41050: gettext_noop("The welcome code has expired or is not valid."),
    41051: gettext_noop("The customer has been greeted, or the chat has begun."),
    41054: gettext_noop("A member has not activated WeCom."),
    60011: gettext_noop("The app has no right to this member, tag or department."),
    60021: gettext_noop("The member is outside what the app may see."),
    60111: gettext_noop("WeCom does not know this member."),
    60123: gettext_noop("WeCom does not know this department."),
    610004: gettext_noop(
        "The member may not serve customers, or this is not the company's customer."
    ),
    81011: gettext_noop("The app has no right to this tag."),
    81013: gettext_noop("None of the members can be reached."),
    84061: gettext_noop("The customer and the member are not connected."),
    84074: gettext_noop("The member has no right to outside contacts."),
    90500: gettext_noop("The owner of the group has not left the company."),
    90501: gettext_noop("This is not a customer group."),
    90502: gettext_noop("The owner of the group has left the company."),
    90503: gettext_noop("The group can only be handed over inside WeCom."),
    90504: gettext_noop("The group has this owner already."),
    90507: gettext_noop("The group is being taken over."),
    90508: gettext_noop("The group has been taken over."),
    90509: gettext_noop("This is not a customer group."),
}
_CONTENT = {
    40007: gettext_noop("The media file is unknown to WeCom or has expired."),
    40009: gettext_noop("The media file is too large or too small."),
    41064: gettext_noop("An attachment is too large."),
    41065: gettext_noop("WeCom does not accept an attachment of this type."),
    41072: gettext_noop("The attachment was uploaded for another purpose."),
    44001: gettext_noop("The media file is empty."),
    45001: gettext_noop("The media file is too large."),
    45002: gettext_noop("The message is too long."),
    45007: gettext_noop("The recording is too long."),
    45034: gettext_noop("A link has to begin with http:// or https://."),
}
_CAPACITY = {
    40099: gettext_noop("The receiving member cannot have more customers."),
    40126: gettext_noop("The customer cannot have more tags."),
    41041: gettext_noop("The contact code has too many members."),
    41045: gettext_noop("The company cannot have more contact codes."),
    41055: gettext_noop("The company cannot have more group welcome messages."),
    41068: gettext_noop("There are too many words in the rule."),
    41069: gettext_noop("The company cannot have more rules."),
    41078: gettext_noop("The company cannot send more moments today."),
    81017: gettext_noop("Too much was asked for in one call."),
}
_OVER = {
    41047: gettext_noop("WeCom no longer knows this message."),
    41048: gettext_noop("There is no customer to whom the message can be sent."),
    41093: gettext_noop("The message has been cancelled."),
}
_OTHER = {
    41052: gettext_noop("WeCom does not accept the time of sending."),
    600018: gettext_noop("WeCom does not accept the range of dates."),
}

_TEXTS: dict[ErrorKind, dict[int, str]] = {
    ErrorKind.TOKEN: _TOKEN,
    ErrorKind.BUSY: _BUSY,
    ErrorKind.CONFIG: _CONFIG,
    ErrorKind.ITEM: _ITEM,
    ErrorKind.CONTENT: _CONTENT,
    ErrorKind.CAPACITY: _CAPACITY,
    ErrorKind.OVER: _OVER,
    ErrorKind.OTHER: _OTHER,
}

ERRORS: dict[int, tuple[ErrorKind, str]] = {
    code: (kind, text) for kind, texts in _TEXTS.items() for code, text in texts.items()
}

UNKNOWN = gettext_noop("WeCom refused the call.")

# What happens without an error code.
NO_ID = gettext_noop("WeCom took the call and gave it no id.")
NOT_SET_UP = gettext_noop("WeCom is not set up.")
NOT_WECOM = gettext_noop("There is no WeCom at the address of the API.")
BAD_AES_KEY = gettext_noop("The AES key of the callback must have 43 characters.")
BAD_AGENT_ID = gettext_noop("The agent id must be a number.")
UNREACHABLE = gettext_noop("WeCom cannot be reached.")
SILENT = gettext_noop("WeCom does not answer.")
ANSWER_LOST = gettext_noop("WeCom's answer was lost; the call may have been carried out.")
NO_TOKEN = gettext_noop("WeCom gives no access token.")
NO_REDIS = gettext_noop("Redis does not answer.")
SAME_PAGE = gettext_noop("WeCom gives the same page again.")
CALLS_USED_UP = gettext_noop("The calls that WeCom allows are used up for now.")
NOT_OUR_TURN = gettext_noop("Another worker is making this call.")
