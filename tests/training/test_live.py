import sys
import types

import pytest
from training_toy import toy, toy_rows

from pqa_lab.errors import InputError
from pqa_lab.training import fit
from pqa_lab.training.live import LivePlot, TensorBoard, curve, curve_text


def run(*callbacks):
    rows = toy_rows()
    return fit(toy(), rows, rows, callbacks=callbacks, progress=False, device="cpu")


def test_outside_a_notebook_it_prints_lines_with_the_figures(capsys):
    history = run(LivePlot(every=3600))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4  # the first step, and each of three validations
    assert lines[-1] == curve_text(history)
    assert f"best {history.best['val_srcc']:.3f} at step {history.best['step']}" in lines[-1]


def test_in_a_notebook_one_output_is_updated(monkeypatch):
    shown = []
    handle = types.SimpleNamespace(update=lambda figure: shown.append(("update", figure)))
    ipython = pytest.importorskip("IPython")
    monkeypatch.setattr(ipython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setattr(
        "IPython.display.display", lambda figure, display_id: shown.append(("display", figure)) or handle
    )
    history = run(LivePlot(every=0))
    assert [what for what, _ in shown] == ["display"] + ["update"] * 11
    figure = shown[-1][1]
    assert list(figure.data[0].y) == history.table["loss"].tolist()
    assert list(figure.data[2].y) == [record["val_srcc"] for record in history.validated]
    assert figure.layout.title.text == curve_text(history)
    assert curve(history).to_json()


def test_tensorboard_gets_every_number(monkeypatch, tmp_path):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            assert folder == str(tmp_path)

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    history = run(TensorBoard(tmp_path))
    assert [value for name, value, _ in written if name == "loss"] == history.table["loss"].tolist()
    assert {name for name, *_ in written} == {"epoch", "lr", "loss", "fit", "grad_norm", "val_srcc"}


def test_tensorboard_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        TensorBoard(tmp_path)
