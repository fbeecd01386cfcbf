"""The rooms' own benchmarks as rows: (what, ours, other, unit, ratio, beside what)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pqa_lab.samples import grace_hopper, sample_group

Rows = Iterator[tuple[str, float, float, str, float, str]]


def scaling(quick: bool) -> Rows:
    from pqa_lab.scaling.studies import speed_benchmark

    if find_spec("choix") is None:
        yield "skipped: needs choix (pip install choix)", np.nan, np.nan, "", np.nan, ""
        return
    scenes, images, votes, resamples = (4, 30, 1500, 20) if quick else (50, 100, 12_000, 100)
    figures = speed_benchmark(
        scenes, images, 30, votes, resamples, baseline_fits=scenes if quick else 40, echo=lambda *a, **k: None
    )
    job = f"{figures['fits']} fits of {images} images, {votes} votes (bootstrap)"
    for name, words in (("lbfgs", "a scipy L-BFGS fit each"), ("choix", "choix.ilsr_pairwise each")):
        yield job, figures["ours"], figures[name], "CPU s", figures[name] / figures["ours"], words
    yield (
        f"{scenes} scenes, analytic intervals",
        figures["analytic"],
        figures["ours"],
        "CPU s",
        (figures["ours"] / figures["analytic"]),
        "our own bootstrap",
    )


def metrics(quick: bool) -> Rows:
    from pqa_lab.evaluation.speed import benchmark

    for row in (benchmark(8, 30, 2, 500) if quick else benchmark()).itertuples():
        yield row.task, row.ours_s, row.scipy_s, "CPU s", row.ratio, "a loop over scipy"


def views(quick: bool) -> Rows:
    from pqa_lab.views.benchmark import views_benchmark

    with contextlib.redirect_stdout(io.StringIO()):
        figures = views_benchmark(repeats=1 if quick else 5)
    for step in ("decode", "three_views", "with_detector"):
        ours, naive = figures[f"quick_{step}"], figures[f"naive_{step}"]
        yield f"12-megapixel JPEG: {step.replace('_', ' ')}", ours, naive, "CPU ms", naive / ours, "a full decode"


def loop(quick: bool) -> Rows:
    from pqa_lab.training.benchmark import loop_overhead

    with contextlib.redirect_stdout(io.StringIO()):
        figures = loop_overhead(steps=5 if quick else 12, repeats=1 if quick else 5, size=128 if quick else 256)
    yield "a step of fit", figures["fit_ms"], figures["bare_ms"], "CPU ms", 1 / figures["cpu"], "a bare PyTorch loop"


def hyperiqa(quick: bool) -> Rows:
    from pqa_lab.methods.benchmark_hyperiqa import benchmark

    size = 224 if quick else 1344
    figures = benchmark(size, repeats=2 if quick else 3)
    yield f"HyperIQA, {size} px", figures["ours"], figures["textbook"], "CPU s", figures["ratio"], "its textbook form"


def methods(preset: str, repeats: int) -> Rows:
    from pqa_lab.methods import METHODS
    from pqa_lab.methods.table import scoring_seconds
    from pqa_lab.views import resize

    photo = resize(grace_hopper(), 1280, 960)  # the challenge's size, and a face to find
    first = None
    for name, method in METHODS.items():
        spent = 1000 * scoring_seconds(getattr(method, preset)().eval(), photo, time.process_time, repeats)
        first = spent if first is None else first  # hyperiqa
        yield f"{name}: score a photo, views included", spent, first, "CPU ms", first / spent, f"hyperiqa's {preset}()"


# Not ru_maxrss where it can be helped: on Linux a child starts with its parent's.
PEAK = """
import json, os, resource
def peak():  # MB
    if os.path.exists("/proc/self/status"):
        return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""
RANK = """
import sys, time
from PIL import Image
import numpy as np
import pqa_lab
def clocks(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
paths = sys.argv[1:]
decode = clocks(lambda: [np.asarray(Image.open(path).convert("RGB")) for path in paths])
first, again = (clocks(lambda: pqa_lab.rank(paths)) for _ in range(2))
print(json.dumps({"decode": decode, "first": first, "again": again, "peak": peak()}))
"""


def ranking(quick: bool) -> Rows:
    """Seven photos of one scene, files on a disk, in a process of its own."""
    width, height = (2016, 1512) if quick else (4032, 3024)
    size = f"7 photos of {width * height / 1e6:.0f} megapixels"
    with tempfile.TemporaryDirectory() as folder:
        figures = child(PEAK + RANK, *map(str, _seven(Path(folder), width, height)))
    for when, words in (("first", "model loaded on the way"), ("again", "model loaded")):
        for k, words_of_time, unit, note in (
            (1, "", "CPU s", "decoding them in full with Pillow"),
            (0, ": elapsed", "s", "the same; idle cores needed"),
        ):
            ours, decode = figures[when][k], figures["decode"][k]
            yield f"rank {size}, {words}{words_of_time}", ours, decode, unit, decode / ours, note
    yield f"rank {size}: peak memory", figures["peak"], np.nan, "MB", np.nan, ""


def _seven(folder: Path, width: int, height: int) -> list[Path]:
    """A real portrait by simulated phones, enlarged, with a sensor's noise: a face to find and much to decode."""
    from PIL import Image

    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (height, width, 1)).astype(np.float32)
    paths = []
    for number, (photo, _) in enumerate((sample_group("an astronaut, six phones") * 2)[:7]):
        large = Image.fromarray(photo[:384]).resize((width, height), Image.Resampling.BICUBIC)  # 512 x 384, so 4:3
        pixels = np.asarray(large) + np.roll(grain, number, axis=0)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=92)
    return paths


def start(repeats: int) -> Rows:
    """CPU time of starting: the least of several, in turn."""
    ways = {
        "bare": ["-c", "pass"],
        "import pqa_lab (goal 0.3 s)": ["-c", "import pqa_lab"],
        "pqa-lab --help (goal 0.7 s)": ["-m", "pqa_lab.cli", "--help"],
        "import pqa_lab, load rank": ["-c", "import pqa_lab; pqa_lab.rank"],
    }
    least = dict.fromkeys(ways, float("inf"))
    for turn in range(repeats):
        for name, arguments in ways.items():
            if "rank" in name and turn > 1:  # seconds each
                continue
            before = _of_children()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=_environment())
            least[name] = min(least[name], _of_children() - before)
    for name in list(ways)[1:]:
        yield name, least[name], least["bare"], "CPU s", least["bare"] / least[name], "a bare Python start"


MEMORY = {
    "scale {s} scenes x {n} images x {v} votes": """
from pqa_lab.scaling import scale
from pqa_lab.scaling.studies import simulated_scenes
job = lambda votes=simulated_scenes({s}, {n}, 30, {v} // 30)[0]: scale(votes, ci="bootstrap", resamples=20)
""",
    "evaluate 8 methods x {s} scenes x {n} images": """
from pqa_lab.evaluation import per_scene
from pqa_lab.evaluation.speed import random_scores
job = lambda table=random_scores({s}, {n}, 8): per_scene(table, ["method"], fit=False)
""",
}


def memory(quick: bool) -> Rows:
    size = {"s": 5, "n": 30, "v": 1500} if quick else {"s": 50, "n": 100, "v": 12_000}
    for what, code in MEMORY.items():
        figures = child(
            PEAK
            + code.format(**size)
            + "before = peak(); job(); print(json.dumps({'before': before, 'after': peak()}))"
        )
        yield (
            what.format(**size) + ": peak",
            figures["after"],
            figures["before"],
            "MB",
            (figures["before"] / figures["after"]),
            "the process with its data, before",
        )


def child(code: str, *arguments: str) -> dict:
    """What a fresh Python prints as JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, env=_environment()
    )
    return json.loads(done.stdout.splitlines()[-1])


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])  # a checkout that is not installed
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
