"""A1: the access token. One per secret, the same one while it is valid."""

from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, World


def gettoken(world: World, call: Call) -> Json:
    """The current token and the seconds it still lives.

    Asking more than ``tokens_per_minute`` times in a minute is a breach: a client
    keeps its token, it does not fetch one per request.
    """
    if call.query.get("corpid") != world.settings.corp_id:
        raise Refusal(40013)
    if call.query.get("corpsecret") != world.settings.secret:
        raise Refusal(40001)
    world.token_fetches = [at for at in world.token_fetches if at > call.at - 60] + [call.at]
    if len(world.token_fetches) > world.knobs.tokens_per_minute:
        raise Refusal(45009, breach=f"token fetched {len(world.token_fetches)} times in a minute")
    expires_at = world.tokens.get(world.current_token, 0.0)
    if expires_at <= call.at:
        expires_at = call.at + world.knobs.token_seconds
        world.current_token = world.new_id("token-")
        world.tokens[world.current_token] = expires_at
    return {"access_token": world.current_token, "expires_in": max(1, int(expires_at - call.at))}


def check_token(world: World, call: Call) -> None:
    """Raises ``Refusal``: 41001 without a token, 40014 for an unknown one, 42001 for an old one."""
    token = call.query.get("access_token", "")
    if not token:
        raise Refusal(41001, breach="call without access_token")
    if token not in world.tokens:
        raise Refusal(40014)
    if world.tokens[token] <= call.at:
        raise Refusal(42001)


def expire_tokens(world: World, at: float) -> None:
    """What WeCom may do at any time: every token out there is dead from now on."""
    for token in world.tokens:
        world.tokens[token] = min(world.tokens[token], at)
