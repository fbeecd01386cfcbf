"""How the tiny backbones were pre-trained: ``python -m pqa_lab.weights.train_backbones``.

Simulated portraits of a world that no data set shows (``WORLD``), half of them taken by its phones, half unharmed and
then given one to three of ``FAULTS``. A backbone and one linear layer learn to tell, from the photo alone, what each
kind of fault costs (the eight terms of ``pqa_lab.simulation.compare``, in JOD) and how strong each applied fault is.
The linear layer is thrown away. Photos are kept in ``--cache`` as they are made, so that a stopped run goes on where it
was.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from safetensors.torch import save_file
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from pqa_lab.methods.backbones import TINY_WEIGHTS, build
from pqa_lab.simulation import DEVICES, FAULTS, apply_faults, compare, draw_scene, draw_take
from pqa_lab.simulation.dataset import COSTS, cache_dir, ideal_photo, photograph
from pqa_lab.simulation.pixels import decode_jpeg
from pqa_lab.views import resize
from pqa_lab.views.resize import NORMS

WORLD = 777_000  # seed of scenes and people; load_simulated(seed=777000) would show them
PHOTOS = 24  # a take
SIDE = 224  # of the photos kept; twice the side of a view
SIZES = (192, 224, 256, 320)  # of the photos made
# What is pre-trained, and with which options: `build` loads the weights for these alone.
OPTIONS = {
    "tiny_cnn": {},
    "tiny_vit": {"stem": 8, "width": 48},
    "tiny_swin": {"stem": 8},
    "tiny_clip": {"stem": 8},
}


def make_photos(number: int) -> dict[str, np.ndarray]:
    """One take: photos (PHOTOS, SIDE, SIDE, 3), costs (PHOTOS, 8), severities (PHOTOS, 18), NaN where unknown."""
    rng = np.random.default_rng([WORLD, number])
    size = int(rng.choice(SIZES))
    take = draw_take(draw_scene(number, WORLD), int(rng.integers(3)), 0, size)
    ideal = ideal_photo(take)
    photos, costs, severities = [], [], []
    for k in range(PHOTOS):
        if k % 2:
            file, record = photograph(take, ideal, str(rng.choice(list(DEVICES))), size, rng)
            photo, cost, severity = decode_jpeg(file), [record[f"cost_{c}"] for c in COSTS], [np.nan] * len(FAULTS)
        else:
            top, left = rng.integers(0, ideal.shape[0] - size + 1, 2)
            frame = (slice(top, top + size), slice(left, left + size))
            names = rng.choice(list(FAULTS), int(rng.integers(1, 4)), replace=False)
            shares = rng.dirichlet(np.ones(len(names))) ** 0.5 * rng.uniform(0, 1)
            mixture = {str(name): float(share) for name, share in zip(names, shares, strict=True)}
            photo = apply_faults(ideal[frame], mixture, int(rng.integers(1 << 30)))
            truth = compare(ideal[frame], photo, take.portrait.face[frame])
            cost, severity = [truth[c] for c in COSTS], [mixture.get(name, 0.0) for name in FAULTS]
        photos.append(resize(photo, SIDE, SIDE))
        costs.append(cost)
        severities.append(severity)
    return {"photos": np.stack(photos), "costs": np.float32(costs), "severities": np.float32(severities)}


def load_photos(takes: int, cache: Path, workers: int) -> dict[str, Tensor]:
    """All takes, one file each."""

    def make(number: int) -> None:
        path = cache / f"{number:05d}.npz"
        if not path.exists():
            np.savez(path.with_suffix(".part.npz"), **make_photos(number))
            path.with_suffix(".part.npz").rename(path)

    cache.mkdir(parents=True, exist_ok=True)
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(make)(n) for n in range(takes))
    for _ in tqdm(jobs, "making photos", takes, unit="take"):
        pass
    made = [np.load(cache / f"{number:05d}.npz") for number in range(takes)]
    return {name: torch.from_numpy(np.concatenate([take[name] for take in made])) for name in made[0]}


def look(photos: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Views (B, 3, size, size) of photos (B, SIDE, SIDE, 3): mostly the middle as it is, else more of it, smaller."""
    side = int(rng.choice([size, (size + SIDE) // 2, SIDE], p=[0.6, 0.2, 0.2]))
    room = (SIDE - side) // 2
    views = []
    for photo in photos:
        top, left = (room + rng.integers(-min(room, 20), min(room, 20) + 1, 2)).tolist()
        view = photo[top : top + side, left : left + side]
        views.append(view.flip(1) if rng.random() < 0.5 else view)
    x = torch.stack(views).permute(0, 3, 1, 2).float() / 255  # (B, 3, side, side)
    if side > size:
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)  # (B, 3, size, size)
    mean, std = torch.tensor(NORMS["imagenet"])
    return (x - mean[:, None, None]) / std[:, None, None]


def features(name: str, backbone: nn.Module, x: Tensor) -> Tensor:
    """What the methods use of a backbone, as numbers: (B, 3, S, S) -> (B, D)."""
    if name == "tiny_cnn":
        return torch.cat([stage.mean((2, 3)) for stage in backbone(x)], 1)
    if name == "tiny_swin":
        maps = backbone.forward_intermediates(x, norm=True, intermediates_only=True)
        return torch.cat([stage.mean((2, 3)) for stage in maps], 1)
    if name == "tiny_vit":
        tokens = backbone.forward_features(x)  # (B, 1 + N, C)
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1)
    seen = backbone(pixel_values=x)
    return torch.cat([seen.image_embeds, seen.last_hidden_state[:, 1:].mean(1)], 1)


def learn(name: str, data: dict[str, Tensor], epochs: int, seed: int, lr: float = 2e-3) -> tuple[nn.Module, dict]:
    """Pre-train one backbone; returns it and how well it does on the takes left out."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    backbone, size = build(name, **OPTIONS[name]), 128 if name == "tiny_swin" else 112
    # Severities count four times, since a plain fault (severity 1) costs about four JODs.
    targets = torch.cat([data["costs"], 4 * data["severities"]], 1)  # (N, 8 + 18)
    held = PHOTOS * max(1, len(targets) // PHOTOS // 10)
    width = features(name, backbone, torch.zeros(1, 3, size, size)).shape[1]
    head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, targets.shape[1]))
    parameters = [*backbone.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=0.01)
    steps = epochs * ((len(targets) - held) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.1)
    started = time.process_time()
    bar = tqdm(total=steps, desc=name, unit="step", mininterval=5)
    for _ in range(epochs):
        for picked in (held + torch.randperm(len(targets) - held)).split(32):
            if len(picked) < 32:
                continue
            x, target = look(data["photos"][picked], size, rng), targets[picked]
            known = target.isfinite()
            loss = F.smooth_l1_loss(head(features(name, backbone, x))[known], target[known])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            bar.update()
    seconds = time.process_time() - started
    return backbone.eval(), {"cpu_seconds": round(seconds), **grade(name, backbone, head, data, held, size)}


def grade(name: str, backbone: nn.Module, head: nn.Module, data: dict, held: int, size: int) -> dict[str, float]:
    """Rank correlation (SRCC) of every cost with its prediction, over the photos of the takes left out."""
    edge = (SIDE - size) // 2
    middle = data["photos"][:held, edge : edge + size, edge : edge + size]  # (held, size, size, 3)
    x = middle.permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor(NORMS["imagenet"])
    with torch.inference_mode():
        x = (x - mean[:, None, None]) / std[:, None, None]
        said = torch.cat([head(features(name, backbone, part)) for part in x.split(32)])  # (held, 26)
    return {
        cost: round(float(spearmanr(said[:, i], data["costs"][:held, i]).statistic), 3) for i, cost in enumerate(COSTS)
    }


def save(name: str, backbone: nn.Module, report: dict, out: Path) -> None:
    """Half precision is enough to start from; the checksum is what ``build`` verifies."""
    out.mkdir(parents=True, exist_ok=True)
    path, table = out / f"{name}.safetensors", out / "weights.json"
    state = {key: value.half() if value.is_floating_point() else value for key, value in backbone.state_dict().items()}
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    known = json.loads(table.read_text()) if table.exists() else {}
    known[name] = {"options": OPTIONS[name], "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **report}
    table.write_text(json.dumps(known, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(OPTIONS))
    parser.add_argument("--takes", type=int, default=78)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=TINY_WEIGHTS)
    arguments = parser.parse_args()
    data = load_photos(arguments.takes, arguments.cache or cache_dir() / "backbones", arguments.workers)
    for name in arguments.names:
        backbone, report = learn(name, data, arguments.epochs, arguments.seed)
        save(name, backbone, {"photos": len(data["costs"]), **report}, arguments.out)
        print(name, report)


if __name__ == "__main__":
    main()
