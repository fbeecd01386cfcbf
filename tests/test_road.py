"""The whole road from the command line: quickstart, train, evaluate, submission, methods."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_cli import one_line, pqa


@pytest.mark.training
def test_quickstart_walks_the_whole_road(tmp_path):
    out = tmp_path / "qs"
    answer = pqa("quickstart", "--out", out, timeout=900)
    assert answer.returncode == 0, answer.stderr
    median = float(re.search(r"median over unseen scenes: SRCC (-?[\d.]+)", answer.stdout)[1])
    assert median > 0.2  # chance has a standard deviation of about 0.15 over these scenes
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") >= 6
    assert "not PIQ23" in page
    jods = pd.read_csv(out / "jods.csv")
    assert np.isfinite(jods["jod"]).all()
    photos = sorted(path for path in out.rglob("*.jpg"))
    assert photos == []  # one self-contained page
    again = pqa("quickstart", "--out", tmp_path)
    assert again.returncode == 2
    assert "holds something else" in one_line(again.stderr)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "run"
    answer = pqa("train", "hyperiqa", "--data", "simulated:8x6", "--steps", "6", "--out", out)
    assert answer.returncode == 0, answer.stderr
    return out / "model"


@pytest.mark.training
def test_a_trained_model_is_evaluated_on_test_scenes(checkpoint, tmp_path):
    answer = pqa("evaluate", checkpoint, "--data", "simulated:8x6", "--json", "-o", tmp_path / "scores.parquet")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert {row["metric"] for row in result["summary"]} >= {"srcc", "plcc", "krcc"}
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert len(scores) == sum(row["n"] for row in result["scenes"])


@pytest.mark.training
def test_a_trained_model_ranks_photos(checkpoint, tmp_path):
    for level in (60, 120, 200):
        Image.fromarray(np.full((128, 128, 3), level, np.uint8)).save(tmp_path / f"{level}.png")
    answer = pqa("rank", *sorted(tmp_path.glob("*.png")), "--model", checkpoint, "--json")
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["photos"]) == 3


@pytest.mark.training
def test_a_submission_keeps_every_column(checkpoint, tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for scene in ("0", "1"):
        (tmp_path / "images" / scene).mkdir(parents=True)
        for i in range(7):
            Image.fromarray(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)).save(
                tmp_path / "images" / scene / f"image{i}.jpg"
            )
            lines.append(f"images/{scene}/image{i}.jpg,{scene},INDOOR,kept{i}")
    (tmp_path / "images.csv").write_text("IMAGE,CLASS,CONDITION,NOTE\n" + "\n".join(lines) + "\n")
    answer = pqa(
        "submission", checkpoint, tmp_path, "-o", tmp_path / "results", "--last-name", "Doe", "--first-name", "Jo"
    )
    assert answer.returncode == 0, answer.stderr
    table = pd.read_csv(next((tmp_path / "results").glob("*.csv")), dtype=str)
    assert list(table["NOTE"]) == [f"kept{i}" for _ in range(2) for i in range(7)]
    assert table["SCORE"].astype(float).notna().all()
    assert all(word in answer.stdout for word in ("time", "compute", "memory", "weights"))


def test_methods_are_listed_with_their_sizes():
    answer = pqa("methods", "--json")
    assert answer.returncode == 0, answer.stderr
    assert {"hyperiqa", "sem_hyperiqa", "fhiqa", "set_ranker"} <= {row["method"] for row in json.loads(answer.stdout)}


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "hyperica"], "no method 'hyperica'"),
        (["train", "hyperiqa", "--data", "nonsense:1"], "nonsense"),
        (["evaluate", "nowhere"], "no checkpoint"),
        (["submission", "default", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    answer = pqa(*arguments)
    assert answer.returncode == 2
    assert words.lower() in one_line(answer.stderr).lower()
