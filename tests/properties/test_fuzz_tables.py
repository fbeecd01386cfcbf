"""The table loaders on damaged files: an answer with finite numbers, or one ``InputError`` sentence; nothing else."""

import io
import itertools
import warnings
import zlib

import numpy as np
import pandas as pd
import pytest
from damage import damaged, is_one_sentence, noise
from scipy.io import savemat

from pqa_lab import scaling
from pqa_lab.errors import InputError
from pqa_lab.evaluation import load_evaluation, per_scene, save_evaluation
from pqa_lab.scenes.challenge import load_challenge
from pqa_lab.scenes.own import load_folder
from pqa_lab.scenes.tables import read_mat

COPIES = 60
VOTES = scaling.simulate_votes(np.arange(5) / 2, 60, scaling.make_panel(4, seed=1), seed=1, scene="café")
COUNTS = pd.DataFrame([[0, 9, 7], [3, 0, 8], [2, 4, 0]], index=list("abc"), columns=list("abc"))
SCORES = pd.DataFrame({"image": ["a.png", "b.png", "c.png"], "jod": [0.5, -1.0, 0.5], "device": ["ä", "ß", "x"]})
CHALLENGE = pd.DataFrame({"IMAGE": ["s/a.png", "s/b.png", "s/c.png"], "CLASS": "s", "CONDITION": "indoor"})


def text(table, encoding="utf-8", **options):
    return table.to_csv(**({"index": False} | options)).encode(encoding)


def book(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def scaled(path):
    return scaling.scale(scaling.read_votes(path)).table["jod"]


def scaled_counts(path):
    return scaling.scale_counts(scaling.read_counts(path)).table["jod"]


def stored(path):
    store = scaling.VoteStore(path.with_name(f"{next(numbers)}.sqlite"))
    return [store.load(path)]


def reopened(path):
    return [len(scaling.VoteStore(path).votes())]


def scored(path):
    return load_folder(path.parent / "photos", scores=path, strict=False)["jod"]


def challenged(path):
    path.replace(path.parent / "photos" / "images.csv")
    return [len(load_challenge(path.parent / "photos", images_per_scene=None, strict=False))]


def evaluated(path):
    return per_scene(load_evaluation(path), fit=False)["n"]


numbers = itertools.count()
DOORS = {
    "votes": (scaled, "votes.csv", text(VOTES)),
    "votes, tabs": (scaled, "votes.tsv", text(VOTES, sep="\t")),
    "votes, parquet": (scaled, "votes.parquet", book(VOTES.to_parquet)),
    "votes, winner": (scaled, "votes.csv", b"winner,loser\n" + b"a,b\nb,a\na,c\nb,c\nc,a\n" * 4),
    "counts": (scaled_counts, "counts.csv", text(COUNTS, index=True)),
    "bare counts": (scaled_counts, "counts.csv", text(COUNTS, header=False)),
    "a study's import": (stored, "votes.csv", text(VOTES)),
    "scores": (scored, "scores.csv", text(SCORES)),
    "scores, semicolons": (scored, "scores.csv", text(SCORES, sep=";")),
    "scores, workbook": (scored, "scores.xlsx", book(lambda file: SCORES.to_excel(file, index=False))),
    "challenge": (challenged, "images.csv", text(CHALLENGE)),
}


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    (tmp_path / "photos" / "s").mkdir(parents=True)
    for number, name in enumerate(SCORES["image"]):
        Image.new("RGB", (80, 80), (60 * number, 90, 90)).save(tmp_path / "photos" / "s" / name)
    return tmp_path


def answer(door, path, data):
    """Whether there was one."""
    path.write_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = door(path)
    except InputError as refusal:
        text = str(refusal)
        assert is_one_sentence(text), text
        return False
    assert np.isfinite(np.array([v for v in values if v is not None], float)).all()
    return True


@pytest.mark.parametrize("name", DOORS)
def test_damage_gives_numbers_or_a_sentence(name, folder):
    door, file, data = DOORS[name]
    assert answer(door, folder / file, data)
    answers = [answer(door, folder / file, d) for d in damaged(data, COPIES, zlib.crc32(name.encode()))]
    assert not all(answers)
    assert not any([answer(door, folder / file, d) for d in noise(12, seed=5)])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp500"])
@pytest.mark.parametrize("name", ["votes", "a study's import", "scores", "challenge"])
def test_odd_encodings(name, encoding, folder):
    door, file, data = DOORS[name]
    answered = answer(door, folder / file, data.decode().encode(encoding))
    assert answered or encoding != "utf-8-sig"


def test_damaged_evaluations(tmp_path):
    frame = pd.DataFrame({"scene": "s", "image": list("abcd"), "score": [1.0, 2, 3, 4], "jod": [1.0, 3, 2, 4]})
    path = save_evaluation(frame, tmp_path / "scores.parquet", method="m", seed=0)
    data = path.read_bytes()
    assert answer(evaluated, path, data)
    assert not all([answer(evaluated, path, d) for d in (*damaged(data, COPIES, 1), *noise(5, 2))])


def test_damaged_matlab_files(tmp_path):
    data = book(lambda file: savemat(file, {"names": np.array(["a", "bc"], object), "mos": [1.0, 2.0]}))
    path = tmp_path / "scores.mat"
    assert answer(lambda p: read_mat(p, "mos"), path, data)
    for damage in (*damaged(data, COPIES, 1), *noise(5, 2)):
        answer(lambda p: [len(read_mat(p, "names"))], path, damage)


def test_damaged_studies(tmp_path):
    whole = scaling.VoteStore(tmp_path / "whole.sqlite")
    whole.add_votes(VOTES)
    whole._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = (tmp_path / "whole.sqlite").read_bytes()
    for number, damage in enumerate((*damaged(data, 30, 1), *noise(5, 2))):
        answer(reopened, tmp_path / f"{number}.sqlite", damage)
