"""A session asks each observer each pair once, in sensible order, and can be left, resumed, doubled and undone."""

import numpy as np
import pytest

from pqa_lab.errors import InputError
from pqa_lab.scaling.sampling import METHODS
from pqa_lab.scaling.session import PairSession
from pqa_lab.scaling.store import VoteStore

IMAGES = [f"photo {k}" for k in range(7)]


@pytest.fixture
def store(tmp_path):
    return VoteStore(tmp_path / "votes.db")


def finish(session, answer=lambda pair: "first"):
    shown = []
    while (pair := session.current) is not None:
        shown.append(pair)
        assert session.answer(answer(pair), pair.turn)
    return shown


@pytest.mark.parametrize("method", METHODS)
def test_a_whole_session_asks_every_pair_once(store, method):
    session = PairSession(IMAGES, store, method=method, goal=100)
    assert session.goal == 21
    shown = finish(session)
    assert len({frozenset((pair.first, pair.second)) for pair in shown}) == len(shown) == session.done == 21
    assert session.current is None
    assert not session.answer("first")


def test_it_resumes_at_the_very_same_pair(store):
    session = PairSession(IMAGES, store)
    for _ in range(4):
        session.answer("second")
    again = PairSession(IMAGES, VoteStore(store.path))
    assert again.done == 4
    assert again.current == session.current


def test_undo_brings_back_the_pair_as_it_was_shown(store):
    session = PairSession(IMAGES, store)
    assert not session.undo()
    pair = session.current
    session.answer("first")
    after = session.current
    assert session.undo()
    back = session.current
    assert (back.first, back.second) == (pair.first, pair.second)
    assert back.turn != pair.turn, "a late second click on the first showing must not count as the new answer"
    assert session.done == 0
    session.answer("tie")
    assert session.votes().preferred.tolist() == ["tie"]
    assert store.votes(undone=True).preferred.tolist() == ["first", "tie"]
    assert (session.current.first, session.current.second) == (after.first, after.second)


def test_a_double_click_counts_once(store):
    session = PairSession(IMAGES, store)
    window = PairSession(IMAGES, store)  # the same person, a second window
    turn = session.current.turn
    assert window.current.turn == turn
    assert session.answer("first", turn)
    assert not session.answer("first", turn)
    assert not window.answer("second", turn)
    assert session.done == 1


def test_skip_is_later_and_no_vote(store):
    session = PairSession(IMAGES[:3], store)
    pair = session.current
    assert session.skip(pair.turn)
    assert not session.skip(pair.turn)
    assert session.current != pair
    assert session.done == 0
    shown = finish(session)
    assert (shown[-1].first, shown[-1].second) == (pair.first, pair.second)
    only = PairSession(IMAGES[:2], store, scene="two")
    assert only.skip()
    assert only.current is not None, "the only pair there is stays"


def test_forbidden_pairs_and_caps(store):
    forbidden = [(IMAGES[0], name) for name in IMAGES[2:]]
    session = PairSession(IMAGES, store, forbidden=forbidden, goal=100, max_per_pair=2)
    assert session.goal == 16
    banned = {frozenset(pair) for pair in forbidden}
    assert not banned & {frozenset((pair.first, pair.second)) for pair in finish(session)}
    finish(PairSession(IMAGES, store, observer="b", forbidden=forbidden, goal=100, max_per_pair=2))
    assert PairSession(IMAGES, store, observer="c", forbidden=forbidden, max_per_pair=2).current is None


def test_observers_at_the_same_time_are_sent_to_different_pairs(store):
    images = [f"photo {k}" for k in range(30)]
    sessions = [PairSession(images, store, observer=f"o{k}") for k in range(20)]
    shown = {frozenset((session.current.first, session.current.second)) for session in sessions}
    assert len(shown) >= 19
    planned = [frozenset(pair) for k in range(20) for pair in store.plan("scene", f"o{k}")]
    assert len(set(planned)) / len(planned) > 0.9


def test_left_and_right_are_drawn_by_lot(store):
    session = PairSession([f"{k:02d}" for k in range(40)], store, goal=200, method="matching")
    left = [pair.first < pair.second for pair in finish(session)]
    assert 70 < sum(left) < 130


def test_the_scale_finds_the_order(store):
    session = PairSession(IMAGES, store, goal=21)
    assert session.scale() is None
    finish(session, lambda pair: "first" if pair.first < pair.second else "second")  # photo 0 is the best
    table = session.scale(ci="none").table.set_index("image")
    assert np.all(np.diff(table.jod[IMAGES]) < 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda store: PairSession(["a"], store),
        lambda store: PairSession(["a", "a"], store),
        lambda store: PairSession(["a", "b"], store, observer=""),
        lambda store: PairSession(["a", "b"], store, method="best"),
        lambda store: PairSession(["a", "b"], store).answer("left"),
    ],
)
def test_bad_input_is_one_sentence(store, make):
    with pytest.raises(InputError, match=r"^[^\n]+\.$"):
        make(store)
