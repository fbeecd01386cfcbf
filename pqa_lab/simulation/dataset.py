"""The embedded data set: rows like PIQ23's, whose truth is known because we made the world.

Scenes are drawn, rendered, photographed by devices, compared with the ideal photo (the truth), voted on by a panel, and
the votes scaled to JODs. As in PIQ23 every scene has its own arbitrary scale: JODs have mean 0, and
``var(jod) + mean(jod_std^2) = 1.4826^2`` in each scene, so only order and relative distance within a scene carry over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pqa_lab.errors import InputError
from pqa_lab.scaling import scale
from pqa_lab.scaling.panel import SIGMA, make_panel, simulate_votes
from pqa_lab.simulation.camera import DEVICES, aim, develop, ideal_shot, illuminant
from pqa_lab.simulation.pixels import decode_jpeg
from pqa_lab.simulation.quality import ATTRIBUTES, compare
from pqa_lab.simulation.scenes import ROUND, Scene, Take, draw_scene, draw_take

VERSION = 4  # part of the cache's key: raise it with every change of the pictures or of the truth
SHIFTS = (None, "scene", "device", "person", "challenge")
UNSEEN_DEVICES = ("dusk", "amber", "crisp", "vista")  # the test side of shift="device"
SUBJECTS = 3  # per scene
VOTES_PER_IMAGE = 20  # each vote counts for two images: about 40 comparisons an image
SHOT_COLUMNS = ("stops", "electrons", "lens_blur", "defocus", "motion", "denoise", "sharpen", "flare", "saturation")
COSTS = ("lost", "halo", "noise", "light", "clipped", "flat", "cast", "chroma")


@dataclass(frozen=True)
class Plan:
    """What to photograph: the resolved arguments of :func:`simulate`."""

    scenes: int
    images: int
    size: int
    seed: int
    attribute: str
    shift: str | None


def cache_dir() -> Path:
    """Where simulated sets are kept: ``$PQA_LAB_CACHE``, or pqa_lab in the platform's own cache folder."""
    if "PQA_LAB_CACHE" in os.environ:
        return Path(os.environ["PQA_LAB_CACHE"]).expanduser()
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "pqa_lab"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "pqa_lab" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "pqa_lab"


def _plan(scenes, images, size, seed, attribute, shift) -> Plan:
    if shift not in SHIFTS:
        raise InputError(f"There is no shift {shift!r}; choose None, {', '.join(map(repr, SHIFTS[1:]))}.")
    if attribute not in ATTRIBUTES:
        raise InputError(f"There is no attribute {attribute!r}; choose one of {', '.join(ATTRIBUTES)}.")
    scenes = scenes if scenes is not None else 96 if shift == "challenge" else 12
    images = images if images is not None else 7 if shift == "challenge" else 24
    for name, value, least in (("scenes", scenes, 1), ("images", images, 3), ("size", size, 64), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return Plan(int(scenes), int(images), int(size), int(seed), attribute, shift)


def _cast(plan: Plan, index: int) -> list[tuple[str, int, int, int, str]]:
    """Who photographs whom in a scene: one (device, subject, take, nth shot, split) per image."""
    rng = np.random.default_rng([plan.seed, index, 33])
    if plan.shift == "challenge":
        names = [d.name for d in DEVICES.values() if d.tier in ("high", "reference")]
        subjects = 1
    else:
        names, subjects = list(DEVICES), SUBJECTS
    poses = max(subjects, 2 + plan.images // 12)  # rendered poses per scene, dealt to the subjects in turn
    # All devices, then all again with other people and takes: no device is missing or in plenty.
    cast = []
    for k in range(plan.images):
        if k % len(names) == 0:
            order = rng.permutation(len(names))
        device = names[order[k % len(names)]]
        take, subject = divmod(int(rng.integers(poses)), subjects)
        if plan.shift == "device":
            split = "test" if device in UNSEEN_DEVICES else "train"
        elif plan.shift == "person":
            split = "test" if subject == subjects - 1 else "train"
        elif plan.shift == "challenge":
            split = "test"
        else:
            split = "test" if _is_test_scene(plan.scenes, index) else "train"
        cast.append((device, subject, take, k, split))
    return cast


def _is_test_scene(scenes: int, index: int) -> bool:
    """Every third scene of each condition is a test scene; of few scenes the last one is."""
    kind = ROUND[index % len(ROUND)]
    earlier = sum(ROUND[i % len(ROUND)] == kind for i in range(index))
    thirds = any(sum(ROUND[j % len(ROUND)] == ROUND[i % len(ROUND)] for j in range(i)) % 3 == 2 for i in range(scenes))
    return earlier % 3 == 2 if thirds else scenes > 1 and index == scenes - 1


def _scene(plan: Plan, index: int) -> Scene:
    # Scenes of the challenge are other scenes with other people than those of the same seed's training set.
    world = plan.seed + 500_009 * (plan.shift == "challenge")
    people = None
    if plan.shift == "person":
        # Two of the town's people everywhere, a stranger on the test side.
        town = np.random.default_rng([plan.seed, index, 34]).choice(np.arange(30), SUBJECTS - 1, replace=False)
        people = (*(int(p) + 1000 * world for p in town), 1000 * world + 500 + index)
    if plan.shift == "challenge":
        scene = draw_scene(index, world, 1)
        return replace(scene, name=f"Challenge_{scene.name}")  # so that both sets can lie in one table
    return draw_scene(index, world, SUBJECTS, people)


def ideal_photo(take: Take) -> np.ndarray:
    """What the ideal camera makes of a take, margin included; (H, W, 3) uint8."""
    linear = take.portrait.linear * illuminant(take.light.kelvin)
    return decode_jpeg(develop(linear, ideal_shot(take.light), np.random.default_rng(0)))


def photograph(take: Take, ideal: np.ndarray, device: str, size: int, rng: np.random.Generator) -> tuple[bytes, dict]:
    """One press of the button: the JPEG file of ``size`` x ``size`` pixels, and a record of truth and shot.

    ``ideal`` is `ideal_photo` of the ``take``, ``device`` a key of `DEVICES`.
    """
    full = take.portrait.linear.shape[0]
    top, left = (int(rng.integers(full - size + 1)) for _ in range(2))
    frame = (slice(top, top + size), slice(left, left + size))
    linear = take.portrait.linear[frame] * illuminant(take.light.kelvin)
    shot = aim(linear, DEVICES[device], take.light, rng)
    file = develop(linear, shot, rng)
    truth = compare(ideal[frame], decode_jpeg(file), take.portrait.face[frame])
    box = np.array(take.portrait.box) - np.array([left, top, left, top])
    record = {f"truth_{name}": truth[name] for name in ATTRIBUTES} | {f"cost_{name}": truth[name] for name in COSTS}
    record |= {f"shot_{name}": float(getattr(shot, name)) for name in SHOT_COLUMNS}
    record["shot_stops"] -= take.light.key  # error against the face's right exposure
    return file, record | {"face": [float(b) for b in np.clip(box, 0, size)]}


def _photograph_scene(plan: Plan, index: int) -> list[dict]:
    """All rows of one scene, without JODs."""
    scene = _scene(plan, index)
    takes: dict[tuple[int, int], tuple[Take, np.ndarray]] = {}
    rows = []
    for device, subject, take, k, split in _cast(plan, index):
        if (subject, take) not in takes:
            drawn = draw_take(scene, subject, take, plan.size)
            takes[subject, take] = drawn, ideal_photo(drawn)
        shown, ideal = takes[subject, take]
        rng = np.random.default_rng([plan.seed, index, k, 35])
        file, record = photograph(shown, ideal, device, plan.size, rng)
        name = f"{scene.name}/{device}_{k:03d}.jpg"
        rows.append(
            {
                "image": {"bytes": file, "path": name},
                "scene": scene.name,
                "condition": scene.condition,
                "device": device,
                "subject": f"P{shown.subject.seed:05d}",
                "attribute": plan.attribute,
                "split": split,
                "tier": DEVICES[device].tier,
                "tone": shown.subject.tone,
                "background": scene.background,
                "take": take,
                "truth": record[f"truth_{plan.attribute}"],
                **record,
            }
        )
    return rows


def scene_votes(truth: pd.Series | np.ndarray, scene: str, seed: int = 0) -> pd.DataFrame:
    """Votes of the panel on one scene: 24 observers with tastes, slips and unequal eyes.

    ``truth`` is in JOD. Lesson 14.
    """
    panel = make_panel(24, taste=0.25, sensitivity_sd=0.2, lapse=0.02, seed=seed)
    return simulate_votes(truth, VOTES_PER_IMAGE * len(truth), panel, seed, scene=scene)


def _scale_scene(rows: list[dict], seed: int) -> None:
    """Add ``jod`` and ``jod_std`` to the rows of one scene, standardised as PIQ23's published scores are."""
    truth = pd.Series([row["truth"] for row in rows], index=[f"{k:04d}" for k in range(len(rows))])
    table = scale(scene_votes(truth, rows[0]["scene"], seed)).table
    if "image" in table.columns:
        table = table.set_index("image")
    table = table.loc[truth.index]
    jod, se = table["jod"].to_numpy(), table["se"].to_numpy()
    jod = jod - jod.mean()
    gain = SIGMA / np.sqrt(jod.var() + (se**2).mean())
    for row, value, error in zip(rows, gain * jod, gain * se, strict=True):
        row["jod"], row["jod_std"] = float(value), float(error)


def _features():
    from datasets import Features, Image, List, Value

    words = ("scene", "condition", "device", "subject", "attribute", "split", "tier", "background")
    numbers = ["truth", *(f"truth_{a}" for a in ATTRIBUTES), *(f"cost_{c}" for c in COSTS)]
    numbers += [f"shot_{s}" for s in SHOT_COLUMNS]
    return Features(
        {"image": Image(), "scene": Value("string"), "jod": Value("float64"), "jod_std": Value("float64")}
        | {name: Value("string") for name in words[1:]}
        | {"tone": Value("int32"), "take": Value("int32")}
        | {name: Value("float64") for name in numbers}
        | {"face": List(Value("float32"))}
    )


def simulate(
    scenes: int | None = None,
    images: int | None = None,
    size: int = 256,
    seed: int = 0,
    attribute: str = "overall",
    shift: str | None = None,
    workers: int | None = None,
    progress: bool = True,
):
    """Simulated portraits with votes and a known truth, as rows of a Hugging Face data set.

    Parameters
    ----------
    scenes, images : int, optional
        How many scenes, and images a scene; default 12 x 24, with ``shift="challenge"`` 96 x 7.
    size : int
        Side of the square photos in pixels.
    seed : int
        The world: people, scenes, shots and votes. The same arguments give the same rows on any number of workers.
    attribute : "overall" | "details" | "exposure"
        What the panel was asked. Pictures are the same for all three.
    shift : None | "scene" | "device" | "person" | "challenge"
        What is new on the test side of the column ``split``: scenes (None and "scene", as PIQ23's scene split),
        devices, people, or everything: "challenge" has high-end devices only, one edited DSLR among them, one person a
        scene, scenes and people that the same seed's other sets do not have, and is all "test".
    workers : int, optional
        Processes that draw scenes; default 2, and 1 in the lessons' short setting (``PQA_LAB_FAST=1``), whose machines
        have 2 GB for everything.
    progress : bool
        Show a bar, one step a scene.

    Returns
    -------
    datasets.Dataset
        The columns of every row source (image, scene, jod, jod_std, condition, device, subject, attribute, split), then
        what only a simulation knows: ``truth`` (JOD below the ideal photo, comparable over all scenes), ``truth_*`` by
        attribute, ``cost_*`` (what each kind of fault costs, JOD), ``shot_*`` (camera numbers), ``tone`` (Monk scale, 1
        to 10), ``tier``, ``background``, ``take``, ``face`` (left, top, right, bottom in pixels).

    Raises
    ------
    InputError
        An argument that cannot be used.

    Notes
    -----
    Sets are cached under :func:`cache_dir`; a set is written aside and then renamed, so a broken run leaves no half.
    """
    from datasets import Dataset, load_from_disk

    plan = _plan(scenes, images, size, seed, attribute, shift)
    if workers is None:
        workers = 1 if os.environ.get("PQA_LAB_FAST", "") not in ("", "0") else 2
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)) or workers < 1:
        raise InputError(f"workers must be a whole number of at least 1, not {workers!r}.")
    key = hashlib.sha256(json.dumps([VERSION, asdict(plan)], sort_keys=True).encode()).hexdigest()[:16]
    place = cache_dir() / "simulation" / key
    if place.is_dir():
        return load_from_disk(str(place))
    rows = _draw(plan, int(workers), progress)
    features = _features()
    whole = Dataset.from_dict({name: [row[name] for row in rows] for name in features}, features=features)
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=place.parent))
    try:
        whole.save_to_disk(str(aside / "set"))
        os.replace(aside / "set", place)
    except OSError:
        if not place.is_dir():  # otherwise another process was faster with the same set
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return load_from_disk(str(place))


def _draw(plan: Plan, workers: int, progress: bool) -> list[dict]:
    """Rows of all scenes in order, drawn by ``workers`` processes."""
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    # joblib's processes need no __main__ guard in the caller's script, and start clean of torch's threads.
    jobs = (delayed(_photograph_scene)(plan, index) for index in range(plan.scenes))
    drawn = Parallel(n_jobs=min(workers, plan.scenes), return_as="generator")(jobs)
    rows = []
    for index, scene in enumerate(tqdm(drawn, total=plan.scenes, desc="simulating scenes", disable=not progress)):
        _scale_scene(scene, seed=plan.seed + 7919 * index)
        rows += scene
    return rows
