"""What every channel of letters promises, kept against a far side that takes, refuses and breaks."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy

import pytest

from connectors.base import Answer, DirectConnector, Letter, Outcome, Recovery
from connectors.channels import find_channels
from connectors.smtp.mails import Mailer
from tests.connectors.contract import Case, FarSide, Scene, all_cases

CASES = all_cases()
WITH_FAR_SIDE = [case for case in CASES if case.has_connections]
SCENES = [
    pytest.param(case, scene, id=f"{case.name}: {scene.value}")
    for case in CASES
    for scene in Scene
    if scene in case.scenes
]
TEXT = "你好 🎉 «é»\n.\n..\nFrom here & there = 100 % <b>"


def every(cases: Iterable[Case]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases]


def letter(
    case: Case, place: int, text: str = "a text of its own", subject: str = "Spring"
) -> Letter:
    return Letter(f"liuke-1-{place}", case.address(place), f"{text} {place}", subject)


class Source:
    """Letters as an engine yields them; nobody may ask again when they have ended."""

    def __init__(self, letters: Iterable[Letter | None]) -> None:
        self._letters = iter(letters)
        self.drawn = 0
        self.ended = False

    def __iter__(self) -> Iterator[Letter | None]:
        return self

    def __next__(self) -> Letter | None:
        assert not self.ended, "drawn once more after the end"
        try:
            found = next(self._letters)
        except StopIteration:
            self.ended = True
            raise
        self.drawn += found is not None
        return found


@pytest.fixture
def far(case: Case) -> Iterator[FarSide]:
    with case.open() as opened:
        yield opened


@pytest.fixture
def connector(far: FarSide) -> Iterator[DirectConnector]:
    made = far.connect()
    yield made
    made.close()


def send(connector: DirectConnector, letters: Iterable[Letter | None]) -> dict[str, Answer]:
    """Send them; each is answered exactly once."""
    known = list(letters)
    answers = list(connector.send(Source(known)))
    keys = Counter(answer.key for answer in answers)
    assert keys == Counter(one.key for one in known if one)
    return {answer.key: answer for answer in answers}


def test_every_channel_of_letters_is_tested_here() -> None:
    tested = set()
    for case in CASES:
        with case.open() as far:
            connector = far.connect()
            tested.add(connector.kind)
            connector.close()

    assert tested == set(find_channels())


@pytest.mark.parametrize("case", every(CASES))
def test_it_is_as_its_folder_says(case: Case, connector: DirectConnector) -> None:
    declared = find_channels()[connector.kind]

    assert tuple(connector.abilities.address_kinds) == tuple(declared.address_kinds)


@pytest.mark.parametrize("case", every(CASES))
def test_it_says_what_it_can_do(case: Case, connector: DirectConnector) -> None:
    assert connector.abilities.direct
    assert connector.abilities.recovery is case.recovery
    assert connector.abilities.max_per_call >= 1


@pytest.mark.parametrize(("case", "scene"), SCENES)
def test_each_letter_is_answered_once_and_truly(
    case: Case, scene: Scene, far: FarSide, connector: DirectConnector
) -> None:
    send(connector, [letter(case, 0)])  # the connection of before is there to be reused
    far.scene = scene
    letters = [letter(case, place) for place in range(1, 8)]

    answers = send(connector, letters)

    assert {answer.outcome for answer in answers.values()} <= case.outcomes(scene)
    for one in letters:
        answer = answers[one.key]
        assert one.address not in answer.why
        assert one.text not in answer.why
        assert len(answer.why) < 200
        assert answer.outcome is Outcome.TAKEN or answer.why or case.recovery is Recovery.KEYED
        goes_again = answer.outcome is Outcome.BUSY or (
            answer.outcome is Outcome.UNCLEAR and case.recovery is Recovery.KEYED
        )
        assert goes_again == (answer.retry_after > 0)
    assert max(Counter(got.text for got in far.got).values(), default=1) == 1  # none twice


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_one_letters_fate_is_not_anothers(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    cycle = [Scene.TAKE, Scene.TAKE, Scene.BUSY, Scene.REFUSE]
    letters = [letter(case, place) for place in range(60)]
    scenes = {one.key: cycle[place % 4] for place, one in enumerate(letters)}
    send(connector, [letter(case, 999)])
    seen = far.got[0].to.removesuffix(case.address(999)[-3:])
    for one in letters:  # as the far side writes it: Aliyun's numbers have no +86
        far.by_address[seen + one.address[len(case.address(999)) - 3 :]] = scenes[one.key]
        far.by_address[one.address] = scenes[one.key]

    answers = send(connector, letters)

    for one in letters:
        assert answers[one.key].outcome in case.outcomes(scenes[one.key])


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_a_refused_address_is_said_to_be_one(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    far.scene = Scene.REFUSE

    [answer] = send(connector, [letter(case, 1)]).values()

    # Where every customer can be reached under their number, no address can be wrong.
    assert answer.is_address == bool(connector.abilities.address_kinds)
    assert not answer.is_channel


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_who_refuses_connections_got_nothing(case: Case) -> None:
    with case.open() as far:
        connector = far.connect()

    answers = send(connector, [letter(case, place) for place in range(5)])

    connector.close()
    assert far.got == []
    for answer in answers.values():
        assert answer.outcome is Outcome.BUSY
        assert answer.is_channel
        assert answer.retry_after > 0


@pytest.mark.parametrize("case", every(CASES))
def test_no_more_are_drawn_than_can_be_under_way(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    far.wait = 0.03
    source = Source(letter(case, place) for place in range(300))
    answered = 0
    for _answer in connector.send(source):
        assert source.drawn - answered <= case.in_flight
        answered += 1

    assert answered == source.drawn == 300


@pytest.mark.parametrize("case", every(CASES))
def test_while_there_is_no_letter_what_is_under_way_goes_on(
    case: Case, connector: DirectConnector
) -> None:
    answered: list[str] = []

    def letters() -> Iterator[Letter | None]:
        yield None
        for place in range(3):
            yield letter(case, place)
            for _moment in range(500):
                if len(answered) > place:
                    break
                yield None
            assert len(answered) == place + 1

    for answer in connector.send(Source(letters())):
        answered.append(answer.key)  # noqa: PERF401 -- the source looks at it meanwhile

    assert answered == [f"liuke-1-{place}" for place in range(3)]


@pytest.mark.parametrize("case", every(CASES))
def test_nothing_to_send_is_no_answer(case: Case, connector: DirectConnector) -> None:
    assert send(connector, []) == {}
    assert send(connector, [None, None]) == {}


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_words_arrive_as_they_are(case: Case, far: FarSide, connector: DirectConnector) -> None:
    one = letter(case, 1, text=TEXT, subject="春 🎉")

    [answer] = send(connector, [one]).values()

    assert answer.outcome is Outcome.TAKEN
    assert [got.text for got in far.got] == [one.text]


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_a_letter_that_goes_again_has_the_same_key(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    one = letter(case, 1)

    send(connector, [one])
    send(connector, [one])

    assert far.got[0] == far.got[1]
    assert far.got[0].key == (one.key if case.carries_keys else "")


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_an_address_cannot_bring_a_command_along(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    evil = "evil@example.com"
    forged = case.address(1) + f">\r\nRCPT TO:<{evil}>\r\nBcc: {evil}\r\n\r\n.\r\n"
    asked = Letter("liuke-1-1", forged, "text", f"Spring\r\nBcc: {evil}", "<p>text</p>")

    answers = send(connector, [asked, letter(case, 2)])

    assert answers["liuke-1-2"].outcome is Outcome.TAKEN
    assert evil not in {got.to for got in far.got}
    assert len(far.got) <= 2


def test_a_subject_cannot_bring_a_header_along() -> None:
    subject = "Spring\r\nBcc: evil@example.com\r\n\r\nbody \u2028 x\x00"
    raw = Mailer("Shop <news@shop.example>").mail(Letter("k", "p@example.com", "text", subject))

    mail = message_from_bytes(raw, policy=policy.default)

    assert mail["Bcc"] is None
    assert mail.get_content().strip() == "text"


@pytest.mark.parametrize("case", every(WITH_FAR_SIDE))
def test_connections_are_kept_and_then_closed(case: Case, far: FarSide) -> None:
    connector = far.connect()
    for place in range(6):
        send(connector, [letter(case, place)])
    assert far.connections() == 1
    assert far.still_open() == 1

    connector.close()

    end = time.monotonic() + 5
    while far.still_open() and time.monotonic() < end:
        time.sleep(0.01)
    assert far.still_open() == 0


@pytest.mark.parametrize("case", every(CASES))
def test_whoever_leaves_in_the_middle_can_send_again(
    case: Case, far: FarSide, connector: DirectConnector
) -> None:
    far.wait = 0.02
    answers = connector.send(letter(case, place) for place in range(100))
    next(answers)
    getattr(answers, "close")()  # noqa: B009 -- an iterator by its type, a generator in truth

    again = send(connector, [letter(case, place) for place in range(200, 210)])

    assert {answer.outcome for answer in again.values()} == {Outcome.TAKEN}
