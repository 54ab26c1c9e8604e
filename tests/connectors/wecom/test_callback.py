import base64
import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.wecom.callback import (
    BadCallback,
    Envelope,
    open_envelope,
    seal_check,
    seal_envelope,
    verify_url,
)
from connectors.wecom.config import WeComConfig
from connectors.wecom.crypto import Unreadable, decrypt, encrypt, is_signed, sign
from connectors.wecom.errors import ConfigProblem

TOKEN = "QDG6eK"
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORP = "wx5823bf96d3bd56c7"
CONFIG = WeComConfig("http://127.0.0.1/cgi-bin", CORP, "1000002", "secret", TOKEN, KEY)
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
GOLDEN_QUERY = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": ECHO,
}
SENT_AT = 1760000000
ADDED = """<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>
<FromUserName><![CDATA[sys]]></FromUserName><CreateTime>1760000000</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[change_external_contact]]></Event>
<ChangeType><![CDATA[add_external_contact]]></ChangeType><UserID><![CDATA[lin]]></UserID>
<ExternalUserID><![CDATA[woAJ2GCAAAexample]]></ExternalUserID><State><![CDATA[cc-17]]></State>
<WelcomeCode><![CDATA[WELCOME]]></WelcomeCode></xml>"""


def sealed(xml: str, config: WeComConfig = CONFIG) -> Envelope:
    return seal_envelope(config, xml, timestamp=SENT_AT, nonce="n1")


def sealed_bytes(message: bytes) -> Envelope:
    """Seal what is not text, as somebody who knows our key might."""
    encrypted = encrypt(KEY, message, CORP)
    query = {"timestamp": "1", "nonce": "n", "msg_signature": sign(TOKEN, "1", "n", encrypted)}
    return Envelope(query, f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode())


def refusal(query: dict[str, str], body: bytes, config: WeComConfig = CONFIG) -> str:
    """Return why a callback is refused, having checked that the outside is told nothing."""
    with pytest.raises(BadCallback) as refused:
        open_envelope(config, query, body)
    assert str(refused.value) == "not a callback for us"
    return refused.value.reason


def test_the_official_vector_is_verified_and_decrypted() -> None:
    assert verify_url(CONFIG, GOLDEN_QUERY) == "1616140317555161061"


def test_a_plus_that_became_a_space_is_understood() -> None:
    query = {**GOLDEN_QUERY, "echostr": ECHO.replace("+", " ")}

    assert verify_url(CONFIG, query) == "1616140317555161061"


def test_the_vector_for_encryption_holds() -> None:
    encrypted = encrypt(KEY, b"<xml><Event>x</Event></xml>", CORP, salt=b"0123456789abcdef")

    assert encrypted == (
        "sKqRbbiSUnDhFHOvPjtUMcDt5Jomggz7Q8UQ4ZQQ5sX15HrONqcV/o/OcHFqUqgL394tQavftSJ5oODz99zc"
        "x09nDGgsduhH2NbFx3BRuDu3YuHeijc1u+7mOFsW/Hic"
    )


@pytest.mark.parametrize("length", range(33))
def test_every_length_of_padding_is_understood(length: int) -> None:
    assert decrypt(KEY, encrypt(KEY, b"x" * length, CORP), CORP) == b"x" * length


def test_an_event_is_read() -> None:
    envelope = sealed(ADDED)

    event = open_envelope(CONFIG, envelope.query, envelope.body)

    assert (event.event, event.change_type) == ("change_external_contact", "add_external_contact")
    assert (event.user_id, event.external_user_id) == ("lin", "woAJ2GCAAAexample")
    assert (event.state, event.welcome_code) == ("cc-17", "WELCOME")
    assert (event.fail_reason, event.source, event.create_time) == ("", "", SENT_AT)
    assert event.xml == ADDED
    assert event.key == hashlib.sha256(ADDED.encode()).hexdigest()
    assert event.fields["MsgType"] == "event"


def test_a_repeated_callback_has_the_same_key_and_another_has_not() -> None:
    first, again, other = sealed(ADDED), sealed(ADDED), sealed(ADDED.replace("lin", "mei"))

    keys = [open_envelope(CONFIG, sent.query, sent.body).key for sent in (first, again, other)]

    assert first.body != again.body
    assert keys[0] == keys[1] != keys[2]


def test_lists_and_unknown_events_are_read() -> None:
    envelope = sealed(
        "<xml><Event>new_thing</Event><ChatId>wr1</ChatId><MemChangeList><Item>wo1</Item>"
        "<Item><![CDATA[wo2]]></Item></MemChangeList><CreateTime>soon</CreateTime><Empty/></xml>"
    )

    event = open_envelope(CONFIG, envelope.query, envelope.body)

    assert event.event == "new_thing"
    assert event.fields["MemChangeList"] == "wo1,wo2"
    assert event.fields["Empty"] == ""
    assert event.create_time == 0


def test_bytes_that_no_database_stores_cost_only_themselves() -> None:
    broken = b"<xml><Event>x</Event><Name>Li\x00n\xed\xa0\xbd\xff</Name></xml>"
    envelope = sealed_bytes(broken)

    event = open_envelope(CONFIG, envelope.query, envelope.body)

    assert event.fields["Name"].startswith("Lin\N{REPLACEMENT CHARACTER}")
    assert event.key == hashlib.sha256(broken).hexdigest()
    assert "\x00" not in event.xml
    event.xml.encode()


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
def test_a_changed_or_missing_part_of_the_query_is_refused(name: str) -> None:
    envelope = sealed(ADDED)
    changed = {**envelope.query, name: envelope.query[name] + "0"}
    missing = {key: value for key, value in envelope.query.items() if key != name}

    assert refusal(changed, envelope.body) == "signature"
    assert refusal(missing, envelope.body) in {"signature", "incomplete"}


@pytest.mark.parametrize("value", ["", "ü" * 40, "\ud800", "a" * 1000, "\x00"])
def test_a_strange_signature_is_refused(value: str) -> None:
    envelope = sealed(ADDED)

    assert refusal({**envelope.query, "msg_signature": value}, envelope.body)
    assert refusal({**envelope.query, "nonce": value}, envelope.body)


def test_a_changed_body_is_refused_before_it_is_decrypted() -> None:
    envelope = sealed(ADDED)
    body = envelope.body.replace(b"<Encrypt>", b"<Encrypt>AAAA")

    assert refusal(envelope.query, body) == "signature"


def test_the_secrets_of_another_company_are_refused() -> None:
    other_token = sealed(ADDED, replace(CONFIG, callback_token="other"))
    other_key = sealed(ADDED, replace(CONFIG, callback_aes_key="A" * 43))
    other_corp = sealed(ADDED, replace(CONFIG, corp_id="ww0000000000000001"))

    assert refusal(other_token.query, other_token.body) == "signature"
    assert refusal(other_key.query, other_key.body) in {"wrong padding", "wrong length"}
    assert refusal(other_corp.query, other_corp.body) == "another receiver"


def test_without_a_token_nothing_is_believed() -> None:
    config = replace(CONFIG, callback_token="")
    envelope = sealed(ADDED, config)

    assert refusal(envelope.query, envelope.body, config) == "signature"
    assert not is_signed(sign("", "1", "n", "e"), "", "1", "n", "e")


@pytest.mark.parametrize("key", ["", "short", "A" * 44, "ü" * 43, KEY + "="])
def test_a_key_that_is_none_is_a_problem_of_the_settings(key: str) -> None:
    with pytest.raises(ConfigProblem, match="43 characters"):
        decrypt(key, ECHO, CORP)


@pytest.mark.parametrize(
    ("encrypted", "why"),
    [
        ("", "not whole blocks"),
        ("AAAA", "not whole blocks"),
        ("!!!!", "not base64"),
        ("ü", "not base64"),
        (base64.b64encode(bytes(16)).decode(), "wrong"),
        (base64.b64encode(bytes(64)).decode(), "wrong"),
    ],
)
def test_what_was_not_encrypted_for_us_is_unreadable(encrypted: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        decrypt(KEY, encrypted, CORP)


def test_a_length_beyond_the_message_is_unreadable() -> None:
    encrypted = encrypt(KEY, b"", CORP)
    plain_receiver = encrypt(KEY, b"x" * 40, "")

    assert decrypt(KEY, encrypted, CORP) == b""
    with pytest.raises(Unreadable, match="another receiver"):
        decrypt(KEY, plain_receiver, CORP)
    with pytest.raises(Unreadable, match="another receiver"):
        decrypt(KEY, encrypt(KEY, b"x", CORP + "x"), CORP)


ENTITIES = {
    "XXE": '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><Encrypt>&x;</Encrypt></xml>',
    "a remote DTD": '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd"><xml><Encrypt>a</Encrypt></xml>',
    "billion laughs": "<!DOCTYPE xml [<!ENTITY a 'lol'>"
    + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><xml><Encrypt>&i;</Encrypt></xml>",
    "a parameter entity": "<!DOCTYPE xml [<!ENTITY % p 'x'> %p;]><xml/>",
    "an empty DTD": "<!DOCTYPE xml><xml><Encrypt>a</Encrypt></xml>",
}


@pytest.mark.parametrize("xml", ENTITIES.values(), ids=ENTITIES.keys())
def test_document_types_are_refused_outside_and_inside(xml: str) -> None:
    envelope = sealed(xml)

    assert refusal(envelope.query, xml.encode()) == "envelope: a document type or an entity"
    assert refusal(envelope.query, xml.encode("utf-16")) == "envelope: a document type or an entity"
    assert refusal(envelope.query, envelope.body) == "message: a document type or an entity"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<xml>",
        b"<xml><Encrypt>a</xml>",
        b"<xml><Encrypt>&#0;</Encrypt></xml>",
        b"<xml><Encrypt>&#xD800;</Encrypt></xml>",
        b"<xml><Encrypt>\x00</Encrypt></xml>",
        b"<xml><Encrypt>\xff</Encrypt></xml>",
        '<?xml version="1.0" encoding="utf-16"?><xml/>'.encode("utf-16"),
        b"<xml>" + b"<a>" * 5000,
        b"<xml>" + b"<a/>" * 6000 + b"</xml>",
    ],
)
def test_a_body_that_is_no_envelope_is_refused(body: bytes) -> None:
    reason = refusal(sealed(ADDED).query, body)

    assert reason.startswith("envelope") or reason == "incomplete"


def test_an_envelope_without_or_with_two_contents_is_refused() -> None:
    envelope = sealed(ADDED)
    twice = envelope.body.replace(b"</Encrypt>", b"</Encrypt><Encrypt>AAAA</Encrypt>")

    assert refusal(envelope.query, b"<xml><Encrypt/></xml>") == "incomplete"
    assert refusal(envelope.query, b"<xml/>") == "incomplete"
    assert refusal(envelope.query, twice) == "signature"


def test_a_huge_body_is_refused_at_once() -> None:
    body = b"<xml><Encrypt>" + b"A" * 10_000_000 + b"</Encrypt></xml>"
    began = time.perf_counter()

    assert refusal(sealed(ADDED).query, body) == "too long"

    assert time.perf_counter() - began < 0.05


def test_a_forged_check_of_the_address_echoes_nothing() -> None:
    for query in ({}, {**GOLDEN_QUERY, "nonce": "1"}, {**GOLDEN_QUERY, "echostr": "A" * 70_000}):
        with pytest.raises(BadCallback):
            verify_url(CONFIG, query)


def test_a_check_of_the_address_is_sealed_as_wecom_does() -> None:
    check = seal_check(CONFIG, "42", timestamp=SENT_AT, nonce="n1")

    assert verify_url(CONFIG, check.query) == "42"
    assert check.body == b""


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (4, True), (-4, True), (6, False), (-6, False)]
)
def test_an_old_callback_is_refused_when_the_time_is_given(minutes: int, accepted: bool) -> None:
    envelope = sealed(ADDED)
    now = datetime.fromtimestamp(SENT_AT, tz=UTC) + timedelta(minutes=minutes)

    if accepted:
        assert open_envelope(CONFIG, envelope.query, envelope.body, now=now).user_id == "lin"
    else:
        with pytest.raises(BadCallback) as refused:
            open_envelope(CONFIG, envelope.query, envelope.body, now=now)
        assert refused.value.reason == "signed too long ago"


def test_the_settings_do_not_show_their_secrets() -> None:
    shown = repr(replace(CONFIG, secret="SECRET"))

    assert not [secret for secret in ("SECRET", TOKEN, KEY) if secret in shown]
