"""The demo as a server of its own, with the default ranker (or a small untrained one, where there is none yet)."""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from browser import free_port, server
from PIL import Image

import pqa_lab
from pqa_lab.ranking import DEFAULT_MODEL
from pqa_lab.samples import sample_group

APP = Path(__file__).parents[1] / "apps" / "rank_scene" / "app.py"


@dataclass
class Served:
    url: str
    folder: Path  # its TMPDIR: all that it may write
    process: Popen


@contextlib.contextmanager
def running_app(folder: Path, app: Path = APP):
    """Run ``app.py`` with a temporary directory of its own."""
    command, port = [sys.executable, str(app), "--host", "127.0.0.1"], free_port()
    if not DEFAULT_MODEL.exists():
        command += ["--model", str(untrained(folder.parent / "model"))]
    url, served = f"http://127.0.0.1:{port}", folder / "served"
    served.mkdir()
    # The package under test, also where it is a clone that is not installed.
    env = {"TMPDIR": str(served), "PYTHONPATH": str(Path(pqa_lab.__file__).parents[1])}
    with server([*command, "--port", str(port)], url, folder / "log.txt", env=env) as process:
        yield Served(url, served, process)


def untrained(folder: Path) -> Path:
    from pqa_lab.methods.set_ranker import SetRanker
    from pqa_lab.training import save_checkpoint

    save_checkpoint(SetRanker.tiny(), folder, calibration={"scale": 1.0, "error_sd": 0.5})
    return folder


def write_photos(folder: Path, count: int) -> list[Path]:
    """The first photos of a sample group as JPEG files."""
    paths = []
    for number, (photo, _) in enumerate(sample_group("an astronaut, six phones")[:count]):
        paths.append(folder / f"phone_{number}.jpg")
        Image.fromarray(photo).save(paths[-1], quality=95)
    return paths
