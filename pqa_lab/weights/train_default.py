"""How the default ranker was made: ``python -m pqa_lab.weights.train_default``.

Groups of one picture with many camera faults, whose truth is known (``pqa_lab.simulation.compare`` against the unharmed
picture), become statistics; the set ranker learns to order each group. The pictures are simulated portraits and the
colour photographs of things that come with our dependencies. No real portrait is among them: the two that we have are
for testing. Statistics are kept in ``--cache`` as they are made, so that a stopped run goes on where it was.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm

from pqa_lab.methods.set_ranker import SetRanker
from pqa_lab.ranking import calibrate
from pqa_lab.samples import OBJECTS
from pqa_lab.simulation import FAULTS, apply_fault, compare, draw_scene, draw_take
from pqa_lab.simulation.dataset import cache_dir, ideal_photo
from pqa_lab.simulation.scenes import Scene
from pqa_lab.training import save_checkpoint
from pqa_lab.views import detect_face
from pqa_lab.views.statistics import statistics
from pqa_lab.weights.default_forms import FORMS, styled

SIZE = 6  # photos a group
SEED = 20261123
GROUPS = 3  # of each picture at a time
PICTURES = 800
BLOCK = 24  # groups a file
DEFAULT = Path(__file__).parent / "default"


def draw_fault(forms: list, rng: np.random.Generator):
    """One fault, ``(photo, severity, seed) -> photo``."""
    if rng.random() < 0.45:
        name = str(rng.choice(list(FAULTS)))
        return lambda photo, severity, seed: apply_fault(photo, name, severity, seed)
    form = forms[rng.integers(len(forms))]
    return lambda photo, severity, seed: form(photo, severity, np.random.default_rng(seed)) if severity else photo


def harm(picture: np.ndarray, forms: list, rng: np.random.Generator) -> list[np.ndarray]:
    """A scene group: a fault that grows, a mixture that grows, or different faults; now and then over a shared one."""
    kind = rng.random()
    if kind < 0.65:
        count = 1 if kind < 0.4 else int(rng.integers(2, 5))
        faults = [(draw_fault(forms, rng), rng.uniform(0.25, 0.8), int(rng.integers(1 << 30))) for _ in range(count)]
        strengths = rng.uniform(0, 1, SIZE) * (np.arange(SIZE) >= (rng.random() < 0.7))
        photos = [picture] * SIZE
        for fault, share, seed in faults:
            share = 1.0 if count == 1 else share
            photos = [fault(photo, float(share * s), seed) for photo, s in zip(photos, strengths, strict=True)]
    else:
        photos = []
        for total in rng.uniform(0, 1, SIZE):
            photo, count = picture, int(rng.integers(1, 4))
            for share in rng.dirichlet(np.ones(count)) ** 0.5 * total:
                photo = draw_fault(forms, rng)(photo, float(share), int(rng.integers(1 << 30)))
            photos.append(photo)
    if rng.random() < 0.12:
        fault, severity, seed = draw_fault(forms, rng), float(rng.uniform(0, 0.3)), int(rng.integers(1 << 30))
        photos = [fault(photo, severity, seed) for photo in photos]
    return photos


def draw_sitter(rng: np.random.Generator) -> tuple[Scene, int]:
    """A simulated scene, and which of its subjects is photographed."""
    return draw_scene(int(rng.integers(400)), seed=int(rng.integers(30))), int(rng.integers(3))


def simulated(rng: np.random.Generator) -> np.ndarray:
    """The unharmed picture of a simulated take."""
    scene, subject = draw_sitter(rng)
    return ideal_photo(draw_take(scene, subject, int(rng.integers(400)), int(rng.choice([256, 320, 384]))))


def photographed(rng: np.random.Generator) -> np.ndarray:
    """A random part of a real photograph, scaled down so that its own faults disappear."""
    photo = OBJECTS[list(OBJECTS)[rng.integers(len(OBJECTS))]]()
    height, width = (int(n * rng.uniform(0.6, 1.0)) for n in photo.shape[:2])
    y, x = (int(rng.integers(whole - part + 1)) for whole, part in zip(photo.shape[:2], (height, width), strict=True))
    part = photo[y : y + height, x : x + width]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    scale = min(1.0, rng.uniform(256, 512) / max(part.shape[:2]))
    size = (max(96, round(width * scale)), max(96, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, Image.Resampling.LANCZOS))


def make_groups(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Three groups of picture ``number``: statistics (SIZE, F) and true JODs (SIZE,).

    Numbers from `PICTURES` on are the same pictures again, with other draws of more forms of faults.
    """
    rng, forms = np.random.default_rng([SEED, number % PICTURES]), FORMS if number >= PICTURES else FORMS[:18]
    picture = photographed(rng) if number % 2 else simulated(rng)
    picture = styled(picture, rng) if rng.random() < 0.75 else picture
    face, mask = detect_face(picture), None
    if face is not None:
        y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
        across = (2 * x - face[0] - face[2]) / (face[2] - face[0])
        down = (2 * y - face[1] - face[3]) / (face[3] - face[1])
        mask = (across**2 + down**2 <= 1).astype(np.float32)
    groups = []
    for _ in range(GROUPS):
        photos = harm(picture, forms, rng)
        jod = np.array([compare(picture, photo, mask)["overall"] for photo in photos], np.float32)
        # In use the detector sees harmed photos: now and then it finds another face, or none.
        boxes = [face if rng.random() < 0.85 else "find" for _ in photos]
        groups.append((np.stack([statistics(p, box) for p, box in zip(photos, boxes, strict=True)]), jod))
    return groups


def load_groups(count: int, cache: Path, workers: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Statistics (G, SIZE, F) and JODs (G, SIZE) of at least ``count`` groups."""
    cache.mkdir(parents=True, exist_ok=True)
    blocks = []
    with Parallel(n_jobs=workers) as parallel:
        for start in tqdm(range(0, count, BLOCK), "making groups", unit="block"):
            path = cache / f"{start:06d}.npz"
            if not path.exists():
                numbers = range(start // GROUPS, (start + BLOCK) // GROUPS)
                made = parallel(delayed(make_groups)(number) for number in numbers)
                x, jod = (np.stack(part) for part in zip(*(group for three in made for group in three), strict=True))
                np.savez(path.with_suffix(".part.npz"), x=x, jod=jod)
                path.with_suffix(".part.npz").rename(path)
            blocks.append(np.load(path))
    x, jod = (np.concatenate([block[name] for block in blocks]) for name in ("x", "jod"))
    return torch.from_numpy(x), torch.from_numpy(jod)


def learn(model: SetRanker, x: torch.Tensor, jod: torch.Tensor, epochs: int, seed: int) -> SetRanker:
    """AdamW with a cosine, as in the recipe; photos are already numbers, so this is all there is to training."""
    recipe, shuffled = model.recipe, torch.Generator().manual_seed(seed)
    batch, size = recipe.scenes_per_batch, x.shape[1]
    group = torch.arange(batch).repeat_interleave(size)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in tqdm(range(epochs), "learning", unit="epoch"):
        for picked in torch.randperm(len(x), generator=shuffled).split(batch):
            if len(picked) < batch:
                continue
            prediction = model({"statistics": x[picked].flatten(0, 1)}, group)
            loss = model.loss(prediction, {"jod": jod[picked].flatten(), "scene": group})["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def scores(model: SetRanker, x: torch.Tensor, jod: torch.Tensor) -> pd.DataFrame:
    """The frame that evaluation and calibration read."""
    with torch.inference_mode():
        score = torch.stack([model({"statistics": group}).score for group in x])  # (G, SIZE)
    scene = np.repeat(np.arange(len(x)), x.shape[1])
    return pd.DataFrame({"scene": scene, "score": score.flatten().numpy(), "jod": jod.flatten().numpy()})


def accuracy_by_tone(model: SetRanker, x: torch.Tensor, jod: torch.Tensor) -> dict[str, dict]:
    """Share of pairs ordered rightly among the photos of simulated people, by their Monk skin tone.

    Groups (G, SIZE, F) and JODs (G, SIZE) of pictures 0, 1, ...; pairs half a JOD and more apart. The standard error
    counts pictures, not pairs.
    """
    rows = []
    for number in range(0, len(x) // GROUPS, 2):  # odd ones are photographs of things
        scene, subject = draw_sitter(np.random.default_rng([SEED, number]))
        of_picture = slice(GROUPS * number, GROUPS * (number + 1))
        with torch.inference_mode():
            score = torch.stack([model({"statistics": group}).score for group in x[of_picture]])  # (GROUPS, SIZE)
        d_score, d_jod = (v[:, :, None] - v[:, None, :] for v in (score, jod[of_picture]))  # (GROUPS, SIZE, SIZE)
        right = (d_score > 0)[d_jod >= 0.5].float().mean()
        rows.append((scene.subjects[subject].tone, float(right)))
    frame = pd.DataFrame(rows, columns=["tone", "right"]).dropna()
    parts = pd.cut(frame["tone"], [0, 3, 7, 10], labels=["Monk 1-3", "Monk 4-7", "Monk 8-10"])
    return {
        str(name): {"right": round(part.mean(), 3), "standard_error": round(part.sem(), 3), "pictures": len(part)}
        for name, part in frame.groupby(parts, observed=True)["right"]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=4416)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="photos do not see their group, to measure what that buys")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=DEFAULT)
    arguments = parser.parse_args()
    x, jod = load_groups(arguments.groups, arguments.cache or cache_dir() / "ranker", arguments.workers)
    torch.manual_seed(arguments.seed)
    picture = torch.arange(len(x)) // GROUPS % PICTURES
    held = picture < (int(picture.max()) + 1) // 10  # whole pictures
    first = int(held[: GROUPS * PICTURES].sum())
    options = {"relative": False, "depth": 0} if arguments.alone else {}
    model = learn(SetRanker.paper(**options), x[~held], jod[~held], arguments.epochs, arguments.seed)
    frame = scores(model, x[held], jod[held])
    calibration = calibrate(frame)
    facts = {
        "groups": len(x),
        "seed": arguments.seed,
        "right_by_skin_tone": accuracy_by_tone(model, x[:first], jod[:first]),
    }
    save_checkpoint(model, arguments.out, calibration=vars(calibration), **facts)
    print(f"{len(x)} groups; calibration {calibration}; saved to {arguments.out}")


if __name__ == "__main__":
    main()
