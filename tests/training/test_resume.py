import json
import signal

import pytest
import torch
from safetensors.torch import load_file
from training_toy import Toy, recipe, run_script, toy, toy_rows

from pqa_lab.errors import InputError
from pqa_lab.training import fit, load_checkpoint

FAST = {"progress": False, "device": "cpu"}


class Stop(Exception):
    pass


def stop_at(step):
    def stop(record, history):
        if record["step"] == step:
            raise Stop

    return stop


def same_run(a, b):
    """Weights, moments and history of two runs agree to the last bit."""
    for name in ("last/model.safetensors", "last/resume.safetensors"):
        one, two = load_file(a / name), load_file(b / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
    assert (a / "history.jsonl").read_text() == (b / "history.jsonl").read_text()


@pytest.mark.parametrize("stop", [1, 4, 7, 12])  # before the first save, on a save, in mid-epoch, after the last step
def test_an_interrupted_run_ends_like_one_never_interrupted(tmp_path, stop):
    r = recipe(ema=0.9, schedule="cosine", warmup_epochs=1)
    rows = toy_rows()
    options = {"recipe": r, "val_rows": rows, **FAST}
    whole, broken = toy(dropout=0.2), toy(dropout=0.2)
    a = fit(whole, rows, out=tmp_path / "whole", **options)
    with pytest.raises(Stop):
        fit(broken, rows, out=tmp_path / "broken", callbacks=[stop_at(stop)], **options)
    other = toy(seed=9, dropout=0.2)  # whatever weights the new process starts with
    if stop < 4:
        other = toy(dropout=0.2)  # nothing was saved: it starts again, so from the same weights
    b = fit(other, rows, out=tmp_path / "broken", resume=True, **options)
    same_run(tmp_path / "whole", tmp_path / "broken")
    assert a.records == b.records
    for name, value in whole.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_a_finished_run_is_not_trained_further(tmp_path):
    rows, model = toy_rows(), toy()
    a = fit(model, rows, out=tmp_path / "run", **FAST)
    again = toy(seed=9)
    b = fit(again, rows, out=tmp_path / "run", resume=True, **FAST)
    assert a.records == b.records
    assert torch.equal(model.head.weight, again.head.weight)


def test_a_half_written_line_of_history_is_cut_off(tmp_path):
    rows = toy_rows()
    fit(toy(), rows, out=tmp_path / "whole", **FAST)
    with pytest.raises(Stop):
        fit(toy(), rows, out=tmp_path / "run", callbacks=[stop_at(6)], **FAST)
    with (tmp_path / "run/history.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    fit(toy(), rows, out=tmp_path / "run", resume=True, **FAST)
    same_run(tmp_path / "whole", tmp_path / "run")


def test_other_settings_and_damage_are_refused(tmp_path):
    rows, out = toy_rows(), tmp_path / "run"
    fit(toy(), rows, out=out, **FAST)
    with pytest.raises(InputError, match="other settings"):
        fit(toy(), rows, out=out, resume=True, recipe=recipe(lr=1.0), **FAST)
    with pytest.raises(InputError, match="other settings.*seed"):
        fit(toy(), rows, out=out, resume=True, seed=1, **FAST)
    with pytest.raises(InputError, match="does not fit"):
        fit(toy(width=5), rows, out=out, resume=True, **FAST)
    state = out / "last/resume.safetensors"
    state.write_bytes(state.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged"):
        fit(toy(), rows, out=out, resume=True, **FAST)


def test_a_full_disk_stops_the_run_and_the_last_checkpoint_goes_on(tmp_path):
    resource = pytest.importorskip("resource", reason="limits on the size of a file are Unix's")
    rows, out = toy_rows(), tmp_path / "run"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(record, history):
        if record["step"] == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))

    try:
        with pytest.raises(InputError, match="could not be saved"):
            fit(toy(width=64), rows, out=out, callbacks=[fill], **FAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(out / "last", Toy).facts["record"]["step"] == 4
    fit(toy(width=64), rows, out=out, resume=True, **FAST)
    fit(toy(width=64), rows, out=tmp_path / "whole", **FAST)
    same_run(tmp_path / "whole", out)


def test_the_state_holds_no_pickle(tmp_path):
    fit(toy(), toy_rows(), out=tmp_path / "run", **FAST)
    kinds = {file.suffix for file in tmp_path.rglob("*") if file.is_file()}
    assert kinds == {".safetensors", ".json", ".jsonl", ".md"}
    assert json.loads((tmp_path / "run/last/resume.json").read_text())["step"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 8])
def test_kill_9_and_resume(tmp_path, step):
    def run(out, *words):
        return run_script(out, "--ema", "0.9", "--dropout", "0.2", *words)

    assert run(tmp_path / "whole").returncode == 0
    assert run(tmp_path / "broken", "--kill", step).returncode == -signal.SIGKILL
    done = run(tmp_path / "broken", "--resume")
    assert done.returncode == 0, done.stderr
    same_run(tmp_path / "whole", tmp_path / "broken")
    best = [load_file(tmp_path / run / "best/model.safetensors") for run in ("whole", "broken")]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])
