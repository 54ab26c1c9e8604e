"""WeCom repeats itself: each callback comes up to five times, from sixteen sides at once."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

import httpx
import pytest

from campaigns.enums import WelcomeState
from campaigns.models import Welcome, WelcomeRule
from connectors.wecom.callback import seal_envelope
from contacts.enums import CallbackState
from contacts.models import Callback, Customer, Follow, Identity, OwnershipPeriod
from contacts.wecom import wecom_config
from tests.builders import make_content, make_staff
from tests.faults.crew import Crew, until
from tests.faults.stories import broken_promises
from tests.sandboxed import Shop, open_shop

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

THREADS = 16
PEOPLE = 40


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    """A sandbox that sends nothing: here the test itself delivers what the sandbox would."""
    with open_shop() as opened:
        yield opened


def test_each_callback_has_one_effect_however_often_it_comes(crew: Crew, shop: Shop) -> None:
    crew.start("web", "worker-realtime", "worker-bulk")
    lin = make_staff("Lin")
    shop.open(lin)
    WelcomeRule.objects.create(content=make_content("Welcome!"))
    address = f"http://127.0.0.1:{crew.port}/callbacks/wecom/"
    until(lambda: answers(address), what="the web server")
    until(lambda: "ready." in crew.log("worker-realtime"), what="the worker")
    addresses = [f"wmNew{number}" for number in range(PEOPLE)]
    people = [{"external_userid": who, "name": who} for who in addresses]
    shop.control.scan(people, userid=lin.wecom_userid or "")
    told = [row["xml"] for row in shop.control.rows("callbacks")]
    assert len(told) == PEOPLE
    posts = [xml for xml in told for _again in range(random.randint(1, 5))]  # noqa: S311
    random.shuffle(posts)

    with httpx.Client(trust_env=False, timeout=30) as http, ThreadPoolExecutor(THREADS) as pool:
        codes = list(pool.map(lambda xml: post(http, address, xml), posts))

    assert codes == [200] * len(posts)
    assert Callback.objects.count() == PEOPLE
    open_rows = Callback.objects.exclude(state=CallbackState.DONE)
    until(lambda: not open_rows.exists(), what="every callback done")
    pending = Welcome.objects.exclude(state=WelcomeState.SENT)
    until(lambda: not pending.exists(), what="every welcome sent")
    found = Identity.objects.filter(value__in=addresses)
    assert sorted(found.values_list("value", flat=True)) == sorted(addresses)
    assert Customer.objects.count() == PEOPLE
    assert Follow.objects.count() == PEOPLE
    assert OwnershipPeriod.objects.count() == PEOPLE
    assert Welcome.objects.count() == PEOPLE
    greeted = [row["external_userid"] for row in shop.control.rows("welcomes")]
    assert sorted(greeted) == sorted(addresses)
    assert shop.violations() == []
    assert broken_promises() == []


def answers(address: str) -> bool:
    """Whether somebody listens there: a check of the address without a signature is refused."""
    try:
        return httpx.get(address, trust_env=False).status_code == httpx.codes.BAD_REQUEST
    except httpx.TransportError:
        return False


def post(http: httpx.Client, address: str, xml: str) -> int:
    """Deliver one event, sealed anew as by another of WeCom's servers."""
    config = wecom_config()
    assert config
    sealed = seal_envelope(config, xml, timestamp=int(time.time()), nonce=token_hex(8))
    headers = {"Content-Type": "text/xml"}
    answer = http.post(address, params=sealed.query, content=sealed.body, headers=headers)
    return answer.status_code
