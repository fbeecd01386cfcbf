"""Data of one's own for every student, drawn from a seed: simulated voting sessions with somebody in them to be found.

Hidden tests draw from here, too, with other seeds. No torch.
"""

import numpy as np
import pandas as pd

from pqa_lab.scaling import Observer, Panel, scale, vote

NAMES = ("Ada", "Bo", "Chidi", "Dana", "Emil", "Fatou", "Goro", "Hana", "Ines", "Jun", "Kofi", "Lena", "Mara", "Nils")


def photos(count: int) -> list[str]:
    """Names of that many photos: "photo A", "photo B", ..."""
    return [f"photo {chr(ord('A') + k)}" for k in range(count)]


def session(seed: int, count: int = 10, observers: int = 12, each: int = 60, ties: float = 0.3) -> pd.DataFrame:
    """A voting session on one scene: the votes table of a simulated panel, in which people differ.

    Parameters
    ----------
    seed : int
    count : int
        Photos, at most 26.
    observers : int
        At most 14.
    each : int
        Votes of an observer.
    ties : float
        Felt differences below this many JOD are called a tie.

    Returns
    -------
    DataFrame
        ``scene, first, second, preferred, observer, answered_at``; observers ``* each`` rows.
    """
    rng = np.random.default_rng([seed, 10])
    truth = pd.Series(rng.normal(0, 1.3, count), index=photos(count))
    reverser, guesser = (NAMES[k] for k in rng.permutation(observers)[:2])
    people = [
        Observer(name, taste=0.4, lapse=float(name == guesser), reversed=name == reverser, tie_width=ties)
        for name in NAMES[:observers]
    ]
    first = rng.integers(count, size=observers * each)
    second = (first + rng.integers(1, count, size=len(first))) % count
    panel = Panel(tuple(people), int(rng.integers(2**31)))
    return vote(truth, np.stack([first, second], axis=1), panel, int(rng.integers(2**31)), scene="a scene")


def odd_ones(seed: int, observers: int = 12) -> tuple[str, str]:
    """Who reverses and who guesses in `session(seed)`: for those who mark the written answers."""
    rng = np.random.default_rng([seed, 10])
    rng.normal(0, 1.3, 10)
    reverser, guesser = (NAMES[k] for k in rng.permutation(observers)[:2])
    return reverser, guesser


def jods(votes: pd.DataFrame, images: list[str], prior_sd: float = 1.5) -> np.ndarray:
    """The library's JODs (N,) of one scene with a prior N(0, prior_sd^2), in the order of ``images``.

    A row that stands in the table twice counts twice: in a bootstrap of observers it is meant to.
    """
    votes = votes.drop(columns=["scene"], errors="ignore")
    fitted = scale(votes, prior=prior_sd, ci="none", images=images, duplicates="keep")
    return fitted.table.set_index("image").loc[images, "jod"].to_numpy()


def contest(seed: int, scenes: int = 96, images: int = 7) -> pd.DataFrame:
    """A challenge like the survey's: three methods score the same photos, of which the first is an edited reference.

    Returns
    -------
    DataFrame
        ``method, scene, image, score, jod``: "north", "south" and "west"; ``3 * scenes * images`` rows. The first two
        are about equally good, and their errors are partly the same; the third is worse.
    """
    rng = np.random.default_rng([seed, 20])
    jod = rng.normal(0, 1, (scenes, images))
    jod[:, 0] += 2
    shared = rng.normal(0, 1, jod.shape)
    parts = []
    for method, noise in (("north", 1.6), ("south", 1.7), ("west", 3.0)):
        score = jod + noise * (0.8 * shared + 0.6 * rng.normal(0, 1, jod.shape))
        table = {
            "method": method,
            "scene": np.repeat(np.arange(scenes), images),
            "image": np.tile(range(images), scenes),
        }
        parts.append(pd.DataFrame(table | {"score": score.ravel(), "jod": jod.ravel()}))
    return pd.concat(parts, ignore_index=True)
