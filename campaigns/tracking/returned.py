"""Whether a mark that came back with a mail is one that we gave to that letter."""

from campaigns.tracking.tokens import BadToken, TokenUse, read_token


def is_our_mark(key: str, mark: str) -> bool:
    """Whether the mark was made by us for the letter with this key."""
    try:
        token = read_token(mark, TokenUse.RETURN)
    except BadToken:
        return False
    return key == f"liuke-{token.campaign_id}-{token.customer_id}" and not token.link
