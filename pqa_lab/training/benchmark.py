"""What the loop costs over the loop that one would write by hand, side by side in one run.

python -m pqa_lab.training.benchmark
"""

import io
import statistics
import time
from collections.abc import Callable, Iterator

import datasets
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from pqa_lab.methods import METHODS
from pqa_lab.training.data import column
from pqa_lab.training.fit import OPTIMIZERS, fit


def loop_overhead(method: str = "hyperiqa", steps: int = 12, repeats: int = 5, size: int = 256) -> dict[str, float]:
    """Print and return the cost of a step of ``fit`` relative to a bare PyTorch loop.

    The same method (``tiny()``), photos, view, batch size, loss and optimizer on the CPU; the bare loop has a
    shuffled ``DataLoader`` and nothing else: no scene sampler, schedule, history, progress bar, check of numbers, or
    gradient norm. The two take turns; a repeat compares the medians of their steps, after the first two, and the
    figure is the median of the repeats' ratios.

    Returns
    -------
    dict
        ``cpu`` (CPU time of a step, fit / bare: the figure to read on a shared machine), ``wall`` (elapsed time),
        ``fit_ms`` and ``bare_ms`` (CPU milliseconds of a step).
    """
    rows = _noise_rows(scenes=8, images=16, size=size)
    ratios: dict[str, list[float]] = {"cpu": [], "wall": [], "fit_ms": [], "bare_ms": []}
    for repeat in range(repeats):
        timed = {}
        for name, loop in (("fit", _fit), ("bare", _bare)) if repeat % 2 else (("bare", _bare), ("fit", _fit)):
            torch.manual_seed(0)
            timed[name] = _median_step(lambda tick, loop=loop: loop(METHODS[method].tiny(), rows, steps, tick))
        ratios["cpu"].append(timed["fit"][0] / timed["bare"][0])
        ratios["wall"].append(timed["fit"][1] / timed["bare"][1])
        ratios["fit_ms"].append(1000 * timed["fit"][0])
        ratios["bare_ms"].append(1000 * timed["bare"][0])
    figures = {name: statistics.median(values) for name, values in ratios.items()}
    spread = f"{min(ratios['cpu']):.3f} to {max(ratios['cpu']):.3f}"
    print(
        f"A step of fit takes {figures['cpu']:.3f} times the CPU time of a bare PyTorch loop ({spread} in {repeats} "
        f"repeats; {figures['fit_ms']:.0f} against {figures['bare_ms']:.0f} ms; elapsed: {figures['wall']:.3f} times): "
        f"{method}.tiny(), batches of {_batch_size(METHODS[method].tiny())}, {torch.get_num_threads()} thread(s)."
    )
    return figures


def _fit(model: nn.Module, rows: datasets.Dataset, steps: int, tick: Callable[[], None]) -> None:
    fit(model, rows, max_steps=steps, progress=False, device="cpu", callbacks=[lambda record, history: tick()])


def _bare(model: nn.Module, rows: datasets.Dataset, steps: int, tick: Callable[[], None]) -> None:
    recipe = model.recipe
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    batches = _endless(DataLoader(_Photos(rows, model), batch_size=_batch_size(model), shuffle=True, drop_last=True))
    model.train()
    for _ in range(steps):
        views, jod, scene = next(batches)
        prediction = model({name: view[:, 0] for name, view in views.items()})
        loss = model.loss(prediction, {"jod": jod, "scene": scene})["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tick()


class _Photos(Dataset):
    """Photos decoded beforehand."""

    def __init__(self, rows: datasets.Dataset, model: nn.Module):
        self.photos = [np.asarray(image) for image in rows["image"]]
        self.jod = torch.tensor(column(rows, "jod"))
        self.scene = torch.tensor([int(name) for name in column(rows, "scene")])
        self.view, self.rng = model.views(train=True), np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, i: int):
        return self.view(self.photos[i], self.rng), self.jod[i], self.scene[i]


def _endless(loader: DataLoader) -> Iterator:
    while True:
        yield from loader


def _median_step(loop: Callable[[Callable[[], None]], None]) -> tuple[float, float]:
    """Median CPU seconds and elapsed seconds of a step; the first two (memory, caches) do not count."""
    cpu, wall = [], []

    def tick() -> None:
        cpu.append(time.process_time())
        wall.append(time.perf_counter())

    loop(tick)
    return tuple(float(np.median(np.diff(times)[1:])) for times in (cpu, wall))


def _batch_size(model: nn.Module) -> int:
    return model.recipe.scenes_per_batch * model.recipe.images_per_scene


def _noise_rows(scenes: int, images: int, size: int) -> datasets.Dataset:
    """Photos of noise: the loop does not care what it sees."""
    rng = np.random.default_rng(0)
    lines = []
    for scene in range(scenes):
        for _ in range(images):
            stream = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(stream, "JPEG")
            image = {"bytes": stream.getvalue(), "path": None}
            lines.append({"image": image, "scene": str(scene), "jod": float(rng.normal())})
    return datasets.Dataset.from_list(lines).cast_column("image", datasets.Image())


if __name__ == "__main__":
    loop_overhead()
