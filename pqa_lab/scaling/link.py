"""Groups of images that no chain of votes joins: refuse, scale apart, or link as pwcmp does. Never silently."""

import numpy as np

from ..errors import InputError
from .graph import groups
from .votes import Tally


def linked(tally: Tally, link: str) -> list[Tally]:
    """Refuse, split or join groups of images without a vote between them."""
    label = groups(tally)
    if link == "pwcmp" and (label != 0).any():
        return [join(tally, label)]
    count = label.max() + 1
    if count == 1:
        return [tally]
    members = [tally.images[label == k] for k in range(count)]
    if link == "separate":
        parts = [tally.part(label == k, f"{tally.scene} [group {k + 1}]") for k in range(count)]
        if (label < 0).any():
            parts[0].notes.append(f"Left out, no votes: {some(tally.images[label < 0])}.")
        return parts
    named = "; ".join(f"({some(m)})" for m in members[:3]) + ("; ..." if count > 3 else "")
    raise InputError(
        f"No votes join {count} groups of images of scene {tally.scene}: {named}; ask for votes between them, name "
        'their scenes in a scene column if they are different scenes, or scale each for itself with link="separate".'
    )


def some(names, limit: int = 4) -> str:
    return ", ".join(map(str, names[:limit])) + (f", ... {len(names)} in all" if len(names) > limit else "")


def join(tally: Tally, label: np.ndarray) -> Tally:
    alone = label < 0
    label = np.where(alone, label.max() + np.cumsum(alone), label)
    best = np.array(best_of_groups(tally.counts(), label))
    x, y = np.triu_indices(len(best), 1)
    extra = len(x)
    observer, observers = tally.observer, tally.observers
    if observer is not None:
        observer = np.r_[observer, np.full(2 * extra, len(observers))]
        observers = np.r_[np.asarray(observers, object), ["(link)"]]
    note = f"Made-up 1:1 votes join {len(best)} groups at their best images ({some(tally.images[best])})."
    return Tally(
        tally.scene, tally.images, np.r_[tally.first, best[x], best[x]], np.r_[tally.second, best[y], best[y]],
        np.r_[tally.share, np.ones(extra), np.zeros(extra)], np.r_[tally.weight, np.ones(2 * extra)],
        observer, observers, tally.positions, [*tally.notes, note],
    )  # fmt: skip


def best_of_groups(counts: np.ndarray, label: np.ndarray) -> list[int]:
    """The image of each group (in order of appearance) that pwcmp links: the largest column sum of
    -(12/pi arcsin sqrt(M) - 3)/2, M = share of wins, 0.5 where not compared.
    """
    total = counts + counts.T
    share = np.where(total > 0, counts / np.maximum(total, 1e-300), 0.5)
    quality = (-(12 / np.pi * np.arcsin(np.sqrt(share)) - 3) / 2).sum(0)
    best = {}
    for k, group in enumerate(label):
        if group not in best or quality[k] > quality[best[group]]:
            best[group] = k
    return list(best.values())
