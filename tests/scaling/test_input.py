"""Bad input: one clear sentence each. And the files that votes come in."""

import numpy as np
import pandas as pd
import pytest

from pqa_lab.errors import InputError
from pqa_lab.scaling import read_counts, read_votes, scale, scale_counts

GOOD = pd.DataFrame(
    {
        "scene": "s",
        "first": ["a", "b", "c", "a"],
        "second": ["b", "c", "a", "b"],
        "preferred": ["first", "second", "tie", "second"],
        "observer": ["x", "y", "x", "y"],
        "answered_at": [1, 2, 3, 4],
    }
)


def change(**columns):
    return GOOD.assign(**columns)


VOTES = {
    "columns": (GOOD.rename(columns={"preferred": "choice"}), "need the columns first, second, preferred"),
    "self": (change(first=["a", "c", "c", "a"]), "compare an image with itself"),
    "winner": (change(preferred=["first", "left", "tie", "second"]), "found 'left'"),
    "none": (GOOD.iloc[:0], "There are no votes"),
    "no observer": (change(observer=["x", None, "x", "y"]), "Column observer is empty"),
    "no image": (change(first=["a", np.nan, "c", "a"]), "Column first is empty"),
    "no answer": (change(preferred=["first", None, "tie", "tie"]), "Column preferred is empty"),
    "no scene": (change(scene=["s", None, "s", "s"]), "Column scene is empty"),
    "twice": (pd.concat([GOOD, GOOD.iloc[:1]]), "stand in the table twice"),
    "list": ([("a", "b")], "must be a pandas table"),
    "groups": (
        pd.concat([GOOD, GOOD.assign(first=GOOD["first"] + "2", second=GOOD["second"] + "2")]),
        r"No votes join 2 groups of images of scene s: \(a, b, c\); \(a2, b2, c2\)",
    ),
}
OPTIONS = {
    "prior": ({"prior": "flat"}, "prior must be"),
    "negative prior": ({"prior": -1.0}, "must be a positive number"),
    "ci": ({"ci": "exact"}, "ci must be one of"),
    "model": ({"model": "elo"}, "model must be one of"),
    "level": ({"level": 95}, "level must lie between 0 and 1"),
    "reference": ({"reference": "z"}, "There is no image 'z'"),
    "weights": ({"weights": [1, 2]}, "one number a vote"),
    "negative weights": ({"weights": [1, 1, 1, -1]}, "not negative"),
    "weight column": ({"weights": "w"}, "no column w"),
    "images": ({"images": ["a", "b"]}, "not in the list of images"),
    "standard": ({"standardize": "kadid"}, "piq23"),
    "pwcmp": ({"prior": "pwcmp", "model": "bradley-terry"}, "Thurstone model only"),
}
COUNTS = {
    "negative": ([[0, -1], [2, 0]], "must not be negative"),
    "fraction": ([[0, 1.5], [2, 0]], "whole numbers"),
    "nan": ([[0, np.nan], [2, 0]], "empty or infinite"),
    "shape": ([[0, 1, 2], [2, 0, 1]], "square"),
    "vector": ([1, 2], "square"),
    "self": ([[1, 1], [2, 0]], "with itself"),
    "one": ([[0]], "One image has no scale"),
    "zero": (np.zeros((3, 3)), "every count is zero"),
    "text": ([["a", "b"], ["c", "d"]], "matrix of numbers"),
}


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize("name", VOTES)
def test_bad_votes(name):
    votes, match = VOTES[name]
    with pytest.raises(InputError, match=match) as error:
        scale(votes)
    one_sentence(error)


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_options(name):
    options, match = OPTIONS[name]
    with pytest.raises(InputError, match=match) as error:
        scale(GOOD, **options)
    one_sentence(error)


@pytest.mark.parametrize("name", COUNTS)
def test_bad_counts(name):
    counts, match = COUNTS[name]
    with pytest.raises(InputError, match=match) as error:
        scale_counts(counts)
    one_sentence(error)


def test_bad_labels_and_ties():
    c = [[0, 2], [1, 0]]
    with pytest.raises(InputError, match="different names"):
        scale_counts(c, labels=["a", "a"])
    with pytest.raises(InputError, match="symmetric"):
        scale_counts(c, ties=[[0, 1], [2, 0]])


def test_duplicates_can_be_dropped_or_kept_and_repetitions_are_votes():
    twice = pd.concat([GOOD, GOOD.iloc[:1]])
    assert scale(twice, duplicates="drop").report["votes"] == 4
    assert scale(twice, duplicates="keep").report["votes"] == 5
    later = scale(pd.concat([GOOD, GOOD.iloc[:1].assign(answered_at=9)]))
    assert later.report["votes"] == 5
    assert any("repeat a pair" in note for note in later.report["notes"])


def test_winner_and_loser_are_enough_and_other_columns_are_left_alone():
    table = scale(pd.DataFrame({"winner": [3, 1, 2], "loser": [1, 2, 3], "mood": ["-", "+", "-"]})).table
    assert table["image"].tolist() == [1, 2, 3]
    assert scale(GOOD.assign(mood="+")).table.equals(scale(GOOD).table)


def test_files(tmp_path):
    GOOD.to_csv(tmp_path / "v.csv", index=False)
    GOOD.to_parquet(tmp_path / "v.parquet")
    expected = scale(GOOD).table
    for name in ("v.csv", "v.parquet"):
        pd.testing.assert_frame_equal(scale(read_votes(tmp_path / name)).table, expected)
    c = np.array([[0, 3, 1], [2, 0, 4], [1, 1, 0]])
    plain, above, both = tmp_path / "plain.csv", tmp_path / "above.csv", tmp_path / "both.csv"
    np.savetxt(plain, c, "%d", delimiter=",")
    pd.DataFrame(c, columns=list("abc")).to_csv(above, index=False)
    pd.DataFrame(c, columns=list("abc"), index=list("abc")).to_csv(both)
    expected = scale_counts(c).table
    for path, names in ((plain, [0, 1, 2]), (above, list("abc")), (both, list("abc"))):
        table = scale_counts(read_counts(path)).table
        np.testing.assert_allclose(table["jod"], expected["jod"])
        assert table["image"].tolist() == names


def test_bad_files(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\x00\x81\xff" * 50)
    (tmp_path / "y.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="There is no file gone.csv"):
        read_votes(tmp_path / "gone.csv")
    with pytest.raises(InputError):
        scale(read_votes(tmp_path / "x.csv"))
    with pytest.raises(InputError, match="square"):
        scale_counts(read_counts(tmp_path / "y.csv"))
