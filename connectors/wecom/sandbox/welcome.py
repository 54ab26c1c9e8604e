"""A5: the welcome. Within 20 seconds, once."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.contents import read_content
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, World

VALID_SECONDS = 20


def send_welcome_msg(world: World, call: Call) -> Json:
    """Greet once. 41050 for an unknown or late code, 41051 for a used one; content errors leave it unused."""
    code = world.welcome_codes.get(fields.needed(call.body, "welcome_code", errcode=41050))
    content = read_content(world, call.body, call.at)
    if code is None:
        raise Refusal(41050)
    if code.used:
        raise Refusal(41051, breach="welcome code used twice")
    seconds = round(call.at - code.issued_at, 3)
    if seconds > VALID_SECONDS:
        raise Refusal(41050, breach=f"welcome code used after {seconds:.1f} seconds")
    code.used = True
    world.ledger.welcomes[code.external_userid].append(
        {
            "userid": code.userid,
            "welcome_code": code.code,
            "text": content.text,
            "attachments": content.attachments,
            "at": call.at,
            "seconds": seconds,
        }
    )
    return {}
