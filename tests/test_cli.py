"""The command line as a person meets it: real processes, real files, real exit codes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COMMANDS = ["quickstart", "scale", "rank", "train", "evaluate", "generalize", "benchmark", "methods", "submission"]
COMMANDS += ["app", "lab", "doctor", "classroom", "provenance"]


def pqa(*arguments, timeout=300):
    command = [sys.executable, "-m", "pqa_lab.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    from pqa_lab.samples import sample_group

    folder = tmp_path_factory.mktemp("group")
    for number, (photo, _) in enumerate(sample_group("an astronaut, six phones")):
        Image.fromarray(photo).save(folder / f"phone_{number}.jpg", quality=95)
    return folder


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


def test_every_command_prints_help():
    overview = pqa("--help")
    assert overview.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in overview.stdout
        assert pqa(command, "--help").returncode == 0


def test_rank_prints_every_photo_once_and_the_clean_one_first(group, tmp_path):
    photos = sorted(group.glob("*.jpg"))
    report = tmp_path / "deep" / "report.html"
    answer = pqa("rank", *photos, "--json", "--report", report)
    assert answer.returncode == 0, answer.stderr
    ranking = json.loads(answer.stdout)
    assert sorted(photo["path"] for photo in ranking["photos"]) == sorted(map(str, photos))
    win = np.array(ranking["win"])
    np.testing.assert_allclose(win + win.T, 1, atol=2e-4)
    page = report.read_text()
    assert page.count("data:image/jpeg") >= len(photos)
    assert all(photo.name in page for photo in photos)
    assert "http" not in page.replace("http-equiv", "")


def test_a_broken_photo_is_named_and_the_rest_ranked(group, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("this is no photo")
    photos = sorted(group.glob("*.jpg"))[:2]
    answer = pqa("rank", photos[0], broken, photos[1])
    assert answer.returncode == 0
    assert "left out: broken.jpg" in answer.stderr
    assert photos[0].name in answer.stdout
    assert photos[1].name in answer.stdout


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_photos_is_one_line_and_status_2(group, count):
    answer = pqa("rank", *sorted(group.glob("*.jpg"))[:count])
    assert answer.returncode == 2
    assert one_line(answer.stderr).startswith("error: ")
    assert answer.stdout == ""


GOOD = "scene,first,second,preferred,observer\nkitchen,a,b,first,o1\nkitchen,b,a,second,o2\nkitchen,a,b,second,o3\n"


@pytest.mark.parametrize(
    "text, names",
    [
        ("scene,first,preferred\ns,a,first\n", "second"),
        (GOOD + "kitchen,a,b,third,o1\n", "third"),
        (GOOD + "kitchen,a,a,first,o1\n", "itself"),
        ("scene,first,second,preferred,observer\n", "no votes"),
        ("", ""),
    ],
    ids=["missing column", "unknown winner", "against itself", "no votes", "empty file"],
)
def test_bad_votes_are_one_line_and_nothing_is_written(tmp_path, text, names):
    table, out = tmp_path / "votes.csv", tmp_path / "jods.csv"
    table.write_text(text)
    answer = pqa("scale", table, "-o", out)
    assert answer.returncode == 2
    assert names.lower() in one_line(answer.stderr).lower()
    assert list(tmp_path.iterdir()) == [table]


def test_scale_writes_the_table_that_it_prints(tmp_path):
    table, out = tmp_path / "votes.csv", tmp_path / "jods.csv"
    table.write_text(GOOD)
    answer = pqa("scale", table, "-o", out, "--json")
    assert answer.returncode == 0, answer.stderr
    rows = json.loads(answer.stdout)["table"]
    assert {row["image"] for row in rows} == {"a", "b"}
    assert out.read_text().splitlines()[0].startswith("scene,image,jod,se")


def test_unknown_model_and_command_are_one_line(group):
    photos = sorted(group.glob("*.jpg"))[:2]
    answer = pqa("rank", *photos, "--model", "no/such/folder")
    assert answer.returncode == 2
    assert "no/such/folder" in one_line(answer.stderr)
    assert pqa("rnak").returncode == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("generalize", "nothing"), "no study 'nothing'"),
        (("generalize", "scenes", "--model", "no/such/folder"), "no/such/folder"),
        (("benchmark", "--seeds", "a"), "whole numbers"),
        (("benchmark", "--methods", "nothing"), "no method 'nothing'"),
    ],
)
def test_studies_and_the_benchmark_refuse_in_one_line(arguments, words, tmp_path):
    answer = pqa(*arguments, "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert words in one_line(answer.stderr)


def test_generalize_lists_its_studies():
    answer = pqa("generalize", "list")
    assert answer.returncode == 0
    assert "Known scenes against new scenes" in answer.stdout


def test_doctor_reads_a_mismatched_pair():
    from pqa_lab.doctor import explain_import_error

    sentence = explain_import_error("torchvision", RuntimeError("operator torchvision::nms does not exist"))
    assert "same index" in sentence


def test_doctor_finds_this_environment_sound():
    answer = pqa("doctor", "--json")
    assert answer.returncode == 0, answer.stdout
    found = {finding["name"]: finding["status"] for finding in json.loads(answer.stdout)}
    assert found["torch"] == found["torchvision"] == found["default ranker"] == "ok"
