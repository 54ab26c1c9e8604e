"""Calls over real HTTP: signed, bounded, never anywhere else."""

import base64
import hashlib
import hmac
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from connectors.webhook import client
from connectors.webhook.client import Delivered, Later, Receiver, Refused
from connectors.webhook.signing import make_secret, signed_headers
from tests.hooked import Answer, open_hook

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = {"type": "webhook.test", "said": "你好"}


@pytest.fixture
def hook():
    with open_hook() as hooked:
        yield hooked


def post(url, **options):
    with closing(Receiver(url, allow_loopback=True, **options)) as receiver:
        return receiver.post("evt_1", BODY, secrets=[SECRET])


def test_a_message_arrives_signed(hook):
    assert post(hook.url) == Delivered(200)

    [got] = hook.got
    assert got.path == "/hook?from=liuke"
    assert got.said == BODY
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["webhook-id"] == "evt_1"
    stamp = got.headers["webhook-timestamp"]
    assert abs(int(stamp) - time.time()) < 5
    content = f"evt_1.{stamp}.".encode() + got.body
    digest = hmac.new(b"k" * 32, content, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_the_signature_is_that_of_standard_webhooks():
    # The example of the specification's own libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_give_two_signatures():
    headers = signed_headers("evt_1", 1, b"", [SECRET, make_secret()])

    assert len(headers["webhook-signature"].split(" ")) == 2


def test_secrets_differ_and_nonsense_is_none():
    assert make_secret() != make_secret()
    with pytest.raises(ValueError, match="not a secret"):
        signed_headers("evt_1", 1, b"", ["whsec_?"])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Delivered(200)),
        (204, Delivered(204)),
        (400, Refused("HTTP 400", 400)),
        (404, Refused("HTTP 404", 404)),
        (410, Refused("HTTP 410", 410, gone=True)),
        (408, Later("HTTP 408", 408)),
        (429, Later("HTTP 429", 429)),
        (500, Later("HTTP 500", 500)),
        (503, Later("HTTP 503", 503)),
    ],
)
def test_an_answer_is_judged_by_its_status(hook, status, outcome):
    hook.usual = Answer(status)

    assert post(hook.url) == outcome


def test_a_receiver_may_say_when(hook):
    hook.answers = [
        Answer(429, {"Retry-After": "120"}),
        Answer(503, {"Retry-After": "99999999"}),
        Answer(503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        Answer(503, {"Retry-After": "soon"}),
    ]

    waits = [post(hook.url).retry_after for _ in range(4)]

    assert waits == [120.0, 3600.0, 0.0, None]


def test_a_redirect_is_not_followed(hook):
    with open_hook() as other:
        hook.usual = Answer(302, {"Location": other.url})

        outcome = post(hook.url)

        assert isinstance(outcome, Refused)
        assert other.got == []


def test_several_messages_go_over_one_connection(hook):
    with closing(Receiver(hook.url, allow_loopback=True)) as receiver:
        for number in range(3):
            assert receiver.post(f"evt_{number}", BODY, secrets=[SECRET]) == Delivered(200)

    assert hook.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(hook):
    hook.answers = [Answer(200, {"Connection": "close"}), Answer(), Answer(silent=True)]
    with closing(Receiver(hook.url, allow_loopback=True)) as receiver:
        outcomes = [receiver.post(f"evt_{n}", BODY, secrets=[SECRET]) for n in range(3)]

    assert outcomes == [Delivered(200)] * 3
    assert [got.headers["webhook-id"] for got in hook.got] == ["evt_0", "evt_1", "evt_2", "evt_2"]


def test_a_receiver_that_hangs_up_is_called_later(hook):
    hook.usual = Answer(silent=True)

    assert isinstance(post(hook.url), Later)


def test_an_answer_without_end_is_cut_off(hook):
    hook.usual = Answer(200, body=b"x" * 5_000_000)
    with closing(Receiver(hook.url, allow_loopback=True)) as receiver:
        assert receiver.post("evt_1", BODY, secrets=[SECRET]) == Delivered(200)
        assert receiver.post("evt_2", BODY, secrets=[SECRET]) == Delivered(200)

    assert hook.connections == 2


def test_a_receiver_that_does_not_answer_is_left(hook, monkeypatch):
    monkeypatch.setattr(client, "READ_SECONDS", 0.1)
    hook.usual = Answer(wait=1)

    assert post(hook.url) == Later(client.TOO_SLOW)


def test_an_answer_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(client, "TOTAL_SECONDS", 0.5)
    with dripping() as url:
        began = time.monotonic()

        assert post(url) == Later(client.TOO_SLOW)
        assert time.monotonic() - began < 3


@contextmanager
def dripping():
    """Serve a byte of a header ten times a second, for ever."""
    with socket.socket() as server:
        for port in range(9900, 9999):
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                continue
            break
        server.listen()
        over = threading.Event()

        def drip():
            caller, _address = server.accept()
            with caller:
                caller.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.1):
                    try:
                        caller.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{port}/"
        over.set()
        thread.join()


def test_nobody_listening_is_later():
    assert post("http://127.0.0.1:9999/") == Later(client.NO_CONNECTION)


def test_an_unknown_host_is_later():
    def look_up(host, port):
        raise socket.gaierror("unknown")

    outcome = post("https://nowhere.example/", look_up=look_up)

    assert isinstance(outcome, Later)


def test_a_name_is_looked_up_once_so_that_it_cannot_turn_inside(hook):
    """The second answer of a rebinding server is never asked for."""
    port = int(hook.url.split(":")[2].split("/")[0])
    looked_up = []

    def flipping(host, port):
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["10.0.0.1"]

    hook.answers = [Answer(200, {"Connection": "close"})]
    with closing(
        Receiver(f"http://rebind.example:{port}/", allow_loopback=True, look_up=flipping)
    ) as receiver:
        outcomes = [receiver.post(f"evt_{n}", BODY, secrets=[SECRET]) for n in range(2)]

    assert outcomes == [Delivered(200)] * 2
    assert looked_up == ["rebind.example"]
    assert hook.got[0].headers["Host"] == f"rebind.example:{port}"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1"])
def test_a_public_installation_calls_nothing_inside(hook, address):
    port = int(hook.url.split(":")[2].split("/")[0])
    receiver = Receiver(f"https://evil.example:{port}/", look_up=lambda host, port: [address])

    outcome = receiver.post("evt_1", BODY, secrets=[SECRET])

    assert isinstance(outcome, Refused)
    assert hook.got == []
    assert hook.connections == 0


def test_tls_that_is_none_is_later(hook):
    port = int(hook.url.split(":")[2].split("/")[0])

    assert post(f"https://127.0.0.1:{port}/") == Later(client.NO_CONNECTION)
