"""Who takes how many: the arithmetic of a handover plan, for any numbers."""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from contacts.actions.sharing import Strategy, share_out

counts = st.integers(0, 400)
rooms = st.lists(st.integers(0, 5000), max_size=8)


def shares(count, rooms, strategy):
    """How many each receiver gets; receivers are numbered, ``None`` is the pool."""
    dealt = share_out(count, range(len(rooms)), rooms, strategy)
    assert len(dealt) == count
    return Counter(dealt)


@given(counts, rooms, st.sampled_from(Strategy))
def test_every_customer_gets_one_place(count, rooms, strategy):
    assert shares(count, rooms, strategy).total() == count


@given(counts, st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_evenly_means_that_nobody_has_two_more_than_another(count, rooms):
    dealt = shares(count, rooms, Strategy.EVENLY)

    assert dealt[None] == 0
    taken = [dealt[receiver] for receiver in range(len(rooms))]
    assert max(taken) - min(taken) <= 1


@given(counts, rooms)
@example(3, [10**9, 10**9, 10**9])
@example(399, [1, 399])
def test_by_capacity_nobody_gets_more_than_they_have_room_for(count, rooms):
    dealt = shares(count, rooms, Strategy.CAPACITY)

    assert all(dealt[receiver] <= room for receiver, room in enumerate(rooms))
    assert dealt[None] == max(0, count - sum(rooms))


@given(counts, rooms)
def test_by_capacity_everybody_is_within_one_of_their_proportion(count, rooms):
    dealt = shares(count, rooms, Strategy.CAPACITY)

    placed, total = count - dealt[None], sum(rooms)
    for receiver, room in enumerate(rooms):
        assert abs(dealt[receiver] * total - placed * room) <= total


@given(counts, rooms, st.sampled_from(Strategy))
def test_the_same_question_has_the_same_answer(count, rooms, strategy):
    receivers = range(len(rooms))

    assert share_out(count, receivers, rooms, strategy) == share_out(
        count, receivers, rooms, strategy
    )


@given(counts, st.sampled_from(Strategy))
def test_without_receivers_everybody_rests_in_the_pool(count, strategy):
    assert share_out(count, [], [], strategy) == [None] * count


def test_the_first_customers_are_spread_over_all_receivers():
    """They are the most recently met ones, so nobody gets them all."""
    assert share_out(6, [1, 2], [9, 9], Strategy.EVENLY) == [1, 2, 1, 2, 1, 2]
    assert share_out(6, [1, 2], [2, 4], Strategy.CAPACITY) == [1, 2, 1, 2, 2, 2]
