"""The documented errcodes that the sandbox answers with, and the exception that carries one."""

TEXTS = {
    -1: "system error",
    0: "ok",
    40001: "invalid credential",
    40003: "invalid UserID",
    40004: "invalid media type",
    40007: "invalid media_id",
    40009: "invalid image size",
    40013: "invalid CorpID",
    40014: "invalid access_token",
    40031: "some userid in list is invalid",
    40056: "invalid agentid",
    40058: "invalid request parameter",
    40066: "invalid url",
    40068: "invalid tagid",
    40071: "tag name exists",
    40096: "invalid external_userid",
    40097: "the member has not left",
    40098: "the member has not been verified with a real name",
    40099: "the number of external contacts has reached the limit",
    40100: "the customer is in a transfer already",
    40126: "too many tags",
    40128: "the customer has been transferred too often",
    40129: "the customer is being transferred",
    40130: "handover and takeover are the same member",
    40131: "the handover member does not follow the customer",
    41001: "access_token missing",
    41037: "missing contact way type",
    41038: "missing contact way scene",
    41039: "invalid contact way type",
    41040: "invalid contact way scene",
    41041: "too many contact way users",
    41043: "missing config id",
    41044: "invalid config id",
    41047: "invalid group message id",
    41048: "no customer to send",
    41050: "invalid welcome code",
    41051: "the customer has begun to chat or was welcomed",
    41054: "the member has not been activated",
    41063: "the message is being dispatched",
    41065: "invalid attachment type",
    41093: "the message task has been cancelled",
    41094: "remind over frequency limit",
    42001: "access_token expired",
    44001: "empty media data",
    45002: "content too large",
    45009: "reach max api daily quota limit",
    45033: "concurrent api request limit exceeded",
    45034: "url needs a scheme",
    47001: "data format error",
    60011: "no privilege to access the member",
    60111: "userid not found",
    60123: "invalid party id",
    81011: "no privilege to access the tag",
    84061: "not external contact",
    84074: "no external contact right",
    90500: "the owner of this chat is not resigned",
    90501: "not a customer chat",
    90502: "the owner of this chat has resigned",
    90504: "the owner of this chat is unchanged",
    600018: "invalid start or end time",
}


class Refusal(Exception):
    """An answer with an errcode other than 0.

    ``breach`` says which documented limit the caller broke; it is empty for
    refusals that a correct client meets too, such as a customer who has gone.
    """

    def __init__(self, errcode: int, detail: str = "", *, breach: str = "") -> None:
        super().__init__(errcode, detail)
        self.errcode = errcode
        self.errmsg = text_of(errcode) + (f", {detail}" if detail else "")
        self.breach = breach


def text_of(errcode: int) -> str:
    return TEXTS.get(errcode, "error")
