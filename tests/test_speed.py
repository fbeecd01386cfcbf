"""The speed benchmark: its fits, its child processes, and the whole command once."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from pqa_lab.errors import InputError
from pqa_lab.methods.benchmark_gpu import peak_tflops, throughput
from pqa_lab.speed import parts
from pqa_lab.speed.growth import exponents, growth_figure


def test_the_exponent_of_a_power_law_is_found():
    sizes = np.array([10, 20, 40, 80, 160])
    seconds = {"images": 1e-4 * sizes**1.7, "scenes": 1e-3 * sizes**0.5 * [1, 1, 1.05, 0.95, 1.05]}
    grown = pd.concat(pd.DataFrame({"job": "j", "of": of, "size": sizes, "seconds": s}) for of, s in seconds.items())
    fitted = exponents(grown).set_index("of")
    assert fitted.loc["images", "exponent"] == pytest.approx(1.7)
    assert fitted.loc["images", "error"] == pytest.approx(0, abs=1e-9)
    assert fitted.loc["scenes", "error"] > 0.01
    assert fitted.loc["scenes", "exponent"] == pytest.approx(0.5, abs=4 * fitted.loc["scenes", "error"])
    words = growth_figure(grown, fitted.reset_index()).layout.meta["text"]
    assert "images to the power 1.70" in words


def test_a_child_tells_its_own_peak_of_memory():
    ballast = np.ones(40_000_000)  # 320 MB that the child must not be charged with
    code = parts.PEAK + "a = bytearray(50_000_000); print('noise'); print(json.dumps({'peak': peak()}))"
    assert 50 < parts.child(code)["peak"] < 200
    del ballast


def test_starts_are_measured_beside_a_bare_python():
    for _, ours, bare, _, ratio, _ in parts.start(2):
        assert ours > bare > 0
        assert ratio == bare / ours


def test_peaks_are_known_by_name_or_not_at_all():
    assert peak_tflops("NVIDIA H100 PCIe") == 756
    assert peak_tflops("NVIDIA H100 80GB HBM3") == 989
    assert peak_tflops("NVIDIA L40S") == 362
    assert peak_tflops("a card of the future") is None


def test_throughput_runs_and_asks_for_a_gpu():
    table = throughput(["hyperiqa", "set_ranker"], device="cpu", photos=(1, 2), preset="tiny")
    assert (table["photos_per_s"] > 0).all()
    assert (table["tflops"] > 0).all()
    assert table["of_peak"].isna().all()
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no GPU"):
            throughput()


@pytest.mark.slow
def test_the_whole_command(tmp_path):
    command = [sys.executable, "-m", "pqa_lab.cli", "benchmark", "speed", "--quick", "--out", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    done = {row["part"] for row in found["table"]}
    assert done == {
        "start",
        "scaling",
        "metrics",
        "views",
        "training loop",
        "HyperIQA",
        "tiny methods",
        "ranking",
        "memory",
    }
    for row in found["table"]:
        assert row["ours"] > 0
        assert row["other"] is None or row["ratio"] == pytest.approx(row["other"] / row["ours"], rel=0.05)
    curves = {(line["job"], line["of"]) for line in found["exponents"]}
    assert curves == {("scaling", of) for of in ("images", "scenes", "observers")} | {
        ("evaluation", of) for of in ("images", "scenes")
    }
    assert "grows as images" in (tmp_path / "speed.html").read_text()
    assert "rank 7 photos" in answer.stdout
