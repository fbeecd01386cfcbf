"""Two gloo processes on the CPU, started by torchrun, against one process: the same curve at the same global batch."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file
from training_toy import run_script


def run(out, *words, processes, killed=False):
    done = run_script(out, *words, processes=processes)
    assert (done.returncode != 0) is killed, done.stderr[-3000:]
    return [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--ema", "0.9", "--accumulate", "2")])
def test_two_processes_have_the_curve_of_one(tmp_path, words):
    one = run(tmp_path / "one", *words, processes=1)
    two = run(tmp_path / "two", *words, processes=2)
    assert [r["step"] for r in one] == [r["step"] for r in two]
    for key in ("loss", "grad_norm", "lr"):
        np.testing.assert_allclose([r[key] for r in one], [r[key] for r in two], rtol=1e-4, err_msg=key)
    assert [r.get("val_srcc") for r in one] == pytest.approx([r.get("val_srcc") for r in two], abs=1e-6)
    a, b = (load_file(tmp_path / name / "last/model.safetensors") for name in ("one", "two"))
    for key in a:
        np.testing.assert_allclose(a[key], b[key], atol=1e-5)


@pytest.mark.slow
def test_two_processes_killed_and_resumed_end_in_the_same_bits(tmp_path):
    whole = run(tmp_path / "whole", "--dropout", "0.2", processes=2)
    run(tmp_path / "broken", "--dropout", "0.2", "--kill", "8", processes=2, killed=True)
    assert run(tmp_path / "broken", "--dropout", "0.2", "--resume", processes=2) == whole
    a, b = (load_file(tmp_path / name / "last/resume.safetensors") for name in ("whole", "broken"))
    assert all(np.array_equal(a[key], b[key]) for key in a)
