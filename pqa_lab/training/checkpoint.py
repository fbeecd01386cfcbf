"""Checkpoints: a folder with the weights (safetensors, never pickle), the configuration and the facts of the training.

    model.safetensors   the weights
    config.json         the method's Config, ``method`` first of all: what ``from_pretrained`` of the hub reads, too
    facts.json          scene names, recipe, versions, validation score, ... (free words of ``save_checkpoint``)
    README.md           the hub's model card

A folder is written beside its place and then renamed, so a crash or a full disk leaves the previous one as it was.
"""

import dataclasses
import inspect
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import nn

import pqa_lab
from pqa_lab.errors import InputError

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def save_checkpoint(model: nn.Module, path: str | os.PathLike, **facts: Any) -> Path:
    """Save a method as a folder that ``load_checkpoint`` and ``Method.from_pretrained`` read.

    Parameters
    ----------
    model : nn.Module
        A method (``PyTorchModelHubMixin`` with a config dataclass).
    path : path
        The folder; an older checkpoint in it is replaced once the new one is complete.
    **facts
        Anything JSON can hold (dataclasses too); joins what ``load_checkpoint`` read, and comes back as
        ``model.facts``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        It could not be written, for example on a full disk; what was there before is untouched.
    """
    with replacing(path) as folder:
        write_checkpoint(model, folder, **facts)
    return Path(path)


def load_checkpoint(path: str | os.PathLike, method: str | type | None = None) -> nn.Module:
    """Load a method from a folder (or the ``model.safetensors`` in it); on the CPU, in evaluation mode.

    Parameters
    ----------
    path : path
    method : str or class, optional
        The key in ``METHODS``, or the class, that the checkpoint must be of. A class need not be in ``METHODS``.

    Returns
    -------
    nn.Module
        With ``.facts``, the words given to ``save_checkpoint``.

    Raises
    ------
    InputError
        Nothing there, a pickle, a truncated file, weights that do not fit, or a checkpoint of another method.
    """
    folder = _folder(Path(path))
    config = _read_json(folder / "config.json")
    name = str(config.get("method", "?"))
    cls = _find_method(name, method)
    config_type = _config_type(cls)
    known = {field.name for field in dataclasses.fields(config_type)}
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in config.items() if key in known}
    if "pretrained" in known:
        values["pretrained"] = False  # the weights are here: nothing to fetch from the hub
    try:
        model = cls(config_type(**values))
        load_model(model, folder / "model.safetensors", strict=True)
    except (SafetensorError, OSError):
        raise InputError(f"{folder.name}/model.safetensors is damaged or cut short: copy or train it again.") from None
    except (RuntimeError, TypeError) as error:
        raise InputError(f"The weights in {folder.name} do not fit {name}: {_first_line(error)}") from None
    model.facts = _read_json(folder / "facts.json") if (folder / "facts.json").exists() else {}
    return model.eval()


def write_checkpoint(model: nn.Module, folder: Path, **facts: Any) -> None:
    """Write the files of a checkpoint into an existing folder."""
    model.save_pretrained(folder)
    facts = {
        **getattr(model, "facts", {}),
        "method": model.config.method,
        "versions": {"pqa_lab": pqa_lab.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts,
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=2, default=_jsonable), encoding="utf-8")


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A new folder that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    A folder cannot be renamed over another one, so the old one first steps aside (``.old``); a kill between the two
    renames is repaired by ``recover``.

    Raises
    ------
    InputError
        The disk is full or may not be written.
    """
    path = Path(path)
    new, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    try:
        recover(path)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise InputError(
            f"{path} could not be saved ({_first_line(error)}): free some space or choose another folder. "
            "What was saved before is kept."
        ) from error


def recover(path: Path) -> None:
    """Finish or undo a replacement that a kill interrupted."""
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        if path.exists():
            shutil.rmtree(old)
        else:
            old.rename(path)


def _folder(path: Path) -> Path:
    recover(path)
    if path.suffix.lower() in PICKLES:
        raise InputError(f"{path.name} is a pickle, which can run any code: only safetensors checkpoints are read.")
    if not path.exists():
        raise InputError(f"There is no checkpoint at {path}: check the path, or train one with `pqa-lab train`.")
    folder = path.parent if path.suffix == ".safetensors" else path
    if not folder.is_dir():
        raise InputError(f"{path.name} is not a checkpoint: give the folder with model.safetensors and config.json.")
    if not (folder / "model.safetensors").exists():
        if any(file.suffix.lower() in PICKLES for file in folder.iterdir()):
            raise InputError(f"{path} holds a pickle, which can run any code: only safetensors checkpoints are read.")
        raise InputError(f"{path} is not a checkpoint: it has no model.safetensors.")
    return folder


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"The checkpoint {path.parent} has no {path.name}: copy the whole folder.") from None
    except (ValueError, OSError):
        raise InputError(f"{path.parent.name}/{path.name} is damaged or cut short: copy or train it again.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path.parent.name}/{path.name} is not the description of a checkpoint.")
    return content


def _find_method(name: str, wanted: str | type | None) -> type:
    wanted_name = _config_type(wanted).method if isinstance(wanted, type) else wanted
    if wanted_name not in (None, name):
        raise InputError(f"This is a checkpoint of {name!r}, not of {wanted_name!r}: choose the method that it is of.")
    if isinstance(wanted, type):
        return wanted
    from pqa_lab.methods import METHODS

    if name not in METHODS:
        raise InputError(f"This is a checkpoint of {name!r}, which is none of {', '.join(METHODS)}.")
    return METHODS[name]


def _config_type(cls: type) -> type:
    return inspect.signature(cls.__init__).parameters["config"].annotation


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if hasattr(value, "tolist"):  # numpy and torch numbers and arrays
        return value.tolist()
    return str(value)
