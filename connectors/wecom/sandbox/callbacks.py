"""A4: events as XML, and what is to be done to them on their way."""

from connectors.wecom.sandbox.state import Callback, World


def cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def event_xml(corp_id: str, at: float, fields: dict[str, str]) -> str:
    """One event in the documented shape; a field without a value is left out, as WeCom does."""
    head = (
        f"<xml><ToUserName>{cdata(corp_id)}</ToUserName><FromUserName>{cdata('sys')}</FromUserName>"
        f"<CreateTime>{int(at)}</CreateTime><MsgType>{cdata('event')}</MsgType>"
    )
    return head + "".join(f"<{k}>{cdata(v)}</{k}>" for k, v in fields.items() if v) + "</xml>"


def emit(world: World, at: float, fields: dict[str, str]) -> Callback:
    """Queue one event; the faults in force now decide its fate."""
    callback = Callback(world.next_seq(), at, event_xml(world.settings.corp_id, at, fields))
    if _struck(world, "drop"):
        callback.state = "dropped"
    else:
        world.unsent[callback.seq] = callback
    if _struck(world, "duplicate"):
        callback.copies = 2
    callback.wrong_key = _struck(world, "wrong_key")
    world.callbacks[callback.seq] = callback
    return callback


def _struck(world: World, fault: str) -> bool:
    """Whether this event is one of the next n to suffer ``fault``; n < 0 means every one."""
    left = world.callback_faults.get(fault, 0)
    if left > 0:
        world.callback_faults[fault] -= 1
    return left != 0
