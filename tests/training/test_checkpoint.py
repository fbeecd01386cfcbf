import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from training_toy import OtherToy, Toy, toy

from pqa_lab.errors import InputError
from pqa_lab.training import load_checkpoint, save_checkpoint
from pqa_lab.training.checkpoint import recover


@pytest.fixture
def saved(tmp_path):
    model = toy(width=8, widths=(3, 4))
    return model, save_checkpoint(model, tmp_path / "model", scenes=["a", "b"], srcc=torch.tensor(0.5))


def test_a_checkpoint_comes_back_with_its_facts_and_reads_like_a_hub_model(saved):
    model, path = saved
    for loaded in (
        load_checkpoint(path, Toy),
        load_checkpoint(path / "model.safetensors", Toy),
        Toy.from_pretrained(path),
    ):
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
        assert not loaded.training
    loaded = load_checkpoint(path, Toy)
    assert loaded.config == model.config
    assert loaded.facts["scenes"] == ["a", "b"]
    assert loaded.facts["srcc"] == 0.5
    assert loaded.facts["method"] == "toy"
    assert loaded.facts["versions"]["torch"] == torch.__version__
    again = save_checkpoint(loaded, path.parent / "again", note="x")  # facts survive a second save
    assert load_checkpoint(again, Toy).facts["scenes"] == ["a", "b"]


def test_another_method(saved):
    with pytest.raises(InputError, match="checkpoint of 'toy', not of 'other_toy'"):
        load_checkpoint(saved[1], OtherToy)
    with pytest.raises(InputError, match="checkpoint of 'toy', not of 'hyperiqa'"):
        load_checkpoint(saved[1], "hyperiqa")
    pytest.importorskip("pqa_lab.methods.hyperiqa")
    with pytest.raises(InputError, match="none of .*hyperiqa"):
        load_checkpoint(saved[1])


@pytest.mark.parametrize("part", [0, 5, 100, -1])
def test_a_truncated_file(saved, part):
    file = saved[1] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:part])
    with pytest.raises(InputError, match="damaged or cut short"):
        load_checkpoint(saved[1], Toy)


def test_weights_that_do_not_fit(saved):
    save_file({"head.weight": torch.zeros(1, 8)}, saved[1] / "model.safetensors")
    with pytest.raises(InputError, match="do not fit toy"):
        load_checkpoint(saved[1], Toy)
    shutil.copy(save_checkpoint(toy(width=5), saved[1].parent / "five") / "model.safetensors", saved[1])
    with pytest.raises(InputError, match="do not fit toy"):
        load_checkpoint(saved[1], Toy)


@pytest.mark.parametrize("name", ["model.pt", "model.PTH", "pytorch_model.bin", "x.pkl", "last.ckpt"])
def test_a_pickle_is_refused_and_never_opened(tmp_path, name):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    folder = tmp_path / "folder"
    folder.mkdir()
    torch.save(Bomb(), folder / name)
    (folder / "config.json").write_text("{}")
    for path in (folder / name, folder):
        with pytest.raises(InputError, match="pickle"):
            load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


def test_missing_and_damaged_files(saved, tmp_path):
    with pytest.raises(InputError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "notes.txt")
    config = saved[1] / "config.json"
    for text in (config.read_text()[:10], "[1]"):
        config.write_text(text)
        with pytest.raises(InputError, match="config.json is"):
            load_checkpoint(saved[1], Toy)
    config.unlink()
    with pytest.raises(InputError, match="no config.json"):
        load_checkpoint(saved[1], Toy)
    (saved[1] / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no model.safetensors"):
        load_checkpoint(saved[1], Toy)


def test_unknown_words_in_a_newer_config_are_passed_over(saved):
    config = saved[1] / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "of_the_future": 1}))
    assert load_checkpoint(saved[1], Toy).config == saved[0].config


def test_a_full_disk_leaves_the_previous_checkpoint(saved):
    resource = pytest.importorskip("resource", reason="limits on the size of a file are Unix's")
    _, path = saved
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses to let any file grow beyond this
    try:
        with pytest.raises(InputError, match="could not be saved"):
            save_checkpoint(toy(seed=1, width=64), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [file.name for file in path.parent.iterdir()] == ["model"]  # nothing half-written is left
    save_checkpoint(toy(seed=1, width=64), path)
    assert load_checkpoint(path, Toy).config.width == 64


def test_a_kill_between_the_two_renames_is_repaired(saved):
    model, path = saved
    path.rename(path.with_name(".model.old"))
    assert torch.equal(load_checkpoint(path, Toy).head.weight, model.head.weight)
    # ... and after them: the new one counts.
    shutil.copytree(path, path.with_name(".model.old"))
    recover(path)
    assert [file.name for file in path.parent.iterdir()] == ["model"]
