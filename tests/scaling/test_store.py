"""The vote store keeps what it acknowledged: many processes at once, SIGKILL in the middle, round trips to files."""

import multiprocessing
import signal
import subprocess
import sys

import pandas as pd
import pytest
from workers import vote_a_lot

from pqa_lab.errors import InputError
from pqa_lab.scaling.panel import make_panel, simulate_votes
from pqa_lab.scaling.store import COLUMNS, VoteStore


@pytest.fixture
def store(tmp_path):
    return VoteStore(tmp_path / "votes.db")


@pytest.mark.slow
def test_twenty_processes_vote_at_once_and_nothing_is_lost(tmp_path):
    path = tmp_path / "votes.db"  # not there yet: they race to make it, too
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(20), spawn.Queue()
    people = [spawn.Process(target=vote_a_lot, args=(path, f"o{k}", 50, start, answers)) for k in range(20)]
    for person in people:
        person.start()
    acknowledged = dict(answers.get(timeout=120) for _ in people)
    for person in people:
        person.join()
    table = VoteStore(path).votes(undone=True)
    assert len(table) == 1000
    assert table.id.is_unique
    for observer, ids in acknowledged.items():
        theirs = table[table.observer == observer]
        assert theirs.id.tolist() == ids
        assert theirs["first"].tolist() == [f"a{k}" for k in range(50)]
    turns = (table.observer != table.observer.shift()).sum()
    assert turns > 200, "they voted one after the other; the test proves nothing"


VOTER = """
import sys
from pqa_lab.scaling.store import VoteStore
store = VoteStore(sys.argv[1])
for k in range(1000):
    print(store.add("park", f"a{k}", f"b{k}", "tie", "o"), flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 137, 600])
def test_sigkill_loses_no_acknowledged_vote(tmp_path, acknowledged):
    path = tmp_path / "votes.db"
    child = subprocess.Popen([sys.executable, "-c", VOTER, str(path)], stdout=subprocess.PIPE, text=True)
    seen = [int(child.stdout.readline()) for _ in range(acknowledged)]
    child.send_signal(signal.SIGKILL)
    seen += [int(line) for line in child.stdout.read().split("\n")[:-1]]  # printed whole before the kill arrived
    assert child.wait() == -signal.SIGKILL
    assert len(seen) < 1000, "the child finished before it was killed; the test proves nothing"
    table = VoteStore(path).votes(undone=True)
    assert set(seen) <= set(table.id)
    assert len(table) <= len(seen) + 1  # at most the one that was on its way
    assert (table["first"].str[1:] == table["second"].str[1:]).all()
    assert VoteStore(path).add("park", "a", "b", "first", "o") == len(table) + 1


def test_a_fork_gets_a_connection_of_its_own(tmp_path):
    store = VoteStore(tmp_path / "votes.db")
    store.add("park", "a", "b", "first", "parent")
    children = [multiprocessing.get_context("fork").Process(target=store.add, args=("park", "a", "b", "tie", f"o{k}"))
                for k in range(4)]  # fmt: skip
    for child in children:
        child.start()
    store.add("park", "a", "b", "second", "parent")
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert len(store) == 6


def test_every_commit_reaches_the_disk(store):
    connection = store._connection()
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_undo_is_recorded_and_the_pair_comes_back(store):
    store.set_plan("park", "o", [("a", "b"), ("c", "d")])
    store.add("park", "a", "b", "first", "o")
    store.add("park", "a", "b", "second", "somebody else")
    assert store.plan("park", "o") == [("c", "d")]
    assert store.undo("park", "o") == ("a", "b")
    assert store.plan("park", "o") == [("a", "b"), ("c", "d")]
    assert store.votes().observer.tolist() == ["somebody else"]
    record = store.votes(undone=True)
    assert record.observer.tolist() == ["o", "somebody else"]
    assert record.undone_at.notna().tolist() == [True, False]
    assert store.undo("park", "o") is None


def test_plans_are_kept_apart(store):
    store.set_plan("park", "o", [("a", "b"), ("c", "d")])
    store.set_plan("park", "p", [("a", "c")])
    store.set_plan("beach", "p", [("x", "y")])
    assert store.plans_of_others("park", "o") == [("a", "c")]
    store.set_plan("park", "o", [("b", "c")])
    assert store.plan("park", "o") == [("b", "c")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_votes_go_out_and_come_back_unchanged(store, tmp_path, suffix):
    jods = {"007": 1.0, "NA": 0.0, "ünïcode, \"quoted\"": -1.0, "null": 0.3}  # fmt: skip
    table = simulate_votes(jods, 300, make_panel(5, tie_width=0.3), seed=2, scene="park")
    assert store.add_votes(table) == 300
    pd.testing.assert_frame_equal(store.votes(), table, check_dtype=False)
    store.undo("park", "o1")
    path = store.export(tmp_path / f"votes{suffix}")
    other = VoteStore(tmp_path / "other.db")
    assert other.load(path) == 299
    pd.testing.assert_frame_equal(other.votes(), store.votes())
    assert other.load(path) == 0, "a file that is taken in twice must not double the votes"
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_votes_without_the_optional_columns(store, tmp_path):
    (tmp_path / "v.csv").write_text("first,second,preferred\na,b,first\na,b,first\n")
    assert store.load(tmp_path / "v.csv") == 2
    table = store.votes()
    assert list(table) == [name for name in COLUMNS if name != "observer"]
    assert table.answered_at.isna().all()


@pytest.mark.parametrize(
    "text, says",
    [
        ("first,second\na,b\n", "preferred"),
        ("first,second,preferred\na,a,first\n", "itself"),
        ("first,second,preferred\na,b,left\n", "left"),
        ("first,second,preferred\na,,first\nc,d,first\n", "empty"),
        ("first,second,preferred,answered_at\na,b,first,yesterday-ish\n", "no ISO time"),
        ("first,second,preferred\na,b,first\na,b,c,d,e,first\n", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_sentence_and_adds_nothing(store, tmp_path, text, says):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(InputError, match=rf"^[^\n]*{says}[^\n]*\.$"):
        store.load(tmp_path / "v.csv")
    assert len(store) == 0


def test_other_bad_input_is_one_sentence(store, tmp_path):
    (tmp_path / "text.db").write_text("this is no database, whatever its name says, and long enough to tell" * 20)
    for call in (
        lambda: VoteStore(tmp_path / "text.db"),
        lambda: VoteStore(tmp_path / "nowhere" / "votes.db"),
        lambda: store.add("park", "a", "a", "first"),
        lambda: store.add("park", "a", "b", "left"),
        lambda: store.export(tmp_path / "votes.xlsx"),
        lambda: store.load(tmp_path / "none.csv"),
    ):
        with pytest.raises(InputError, match=r"^[^\n]+\.$"):
            call()
    assert len(store) == 0
