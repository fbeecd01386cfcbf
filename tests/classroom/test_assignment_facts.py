"""What the assignments' keys state as facts, from the package's own code."""

import runpy
from pathlib import Path

import pytest
import torch

from pqa_lab.classroom.build import SOLUTION, nbgrader_notebook
from pqa_lab.losses import fidelity_loss, scale_shift_invariant_loss
from pqa_lab.methods.sem_hyperiqa import mlp

ASSIGNMENTS = Path(__file__).parents[2] / "notebooks" / "assignments"


def solution(name: str, grade_id: str) -> dict:
    """The names that a reference answer defines."""
    page = nbgrader_notebook(ASSIGNMENTS / f"{name}.py")
    cell = next(c for c in page.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
    names = {"torch": torch}
    exec(SOLUTION.sub(lambda found: found[2].rstrip("\n"), cell.source), names)
    return names


def changes(pred, target, scene, rng):
    """The nine changes of A3, part 3."""
    own = torch.rand(3, generator=rng, dtype=pred.dtype)[scene] + 0.5
    ranks = target.clone()
    for p in range(3):
        ranks[scene == p] = target[scene == p].argsort().argsort().to(target.dtype) + 1
    order = torch.randperm(len(pred), generator=rng)
    yield "own shift", (pred + 3 * own, target, scene)
    yield "one stretch", (3 * pred, target, scene)
    yield "own stretch", (own * pred, target, scene)
    yield "cube", (pred**3, target, scene)
    yield "minus", (-pred, target, scene)
    yield "ranks", (pred, ranks, scene)
    yield "shuffle", (pred[order], target[order], scene[order])
    yield "twice", tuple(torch.cat([v, v]) for v in (pred, target, scene))
    yield "lone photo", tuple(torch.cat([v, v[:1] * 0 + 7]) for v in (pred, target, scene))


@pytest.mark.parametrize("name,loss", [("scale_shift", scale_shift_invariant_loss), ("fidelity", fidelity_loss)])
def test_a3_what_the_losses_notice(name, loss):
    stated = solution("a3_losses", "notices")[f"{name}_notices"]
    noticed = {change: 0 for change in stated}
    for seed in range(5):
        rng = torch.Generator().manual_seed(seed)
        pred, target = torch.randn(2, 12, generator=rng, dtype=torch.float64)
        scene = torch.tensor([0] * 5 + [1] * 4 + [2] * 3)
        before = loss(pred, target, scene)
        for change, batch in changes(pred, target, scene, rng):
            noticed[change] += abs(float(loss(*batch) - before)) > 1e-6
    # A sum of absolute values can come out alike by chance; blind is blind each time.
    for change, count in noticed.items():
        assert count >= 4 if stated[change] else count == 0, change


def test_a4_parameters_are_those_of_the_package():
    extra = solution("a4_scene_head", "sizes")["extra"]
    for scenes in (5, 50):
        networks = mlp(672 * scenes, 500, 500, scenes), mlp(scenes, 100, 100, 100, 2)
        assert extra(scenes) == sum(p.numel() for network in networks for p in network.parameters())


def test_answers_files_agree_with_their_assignments():
    for source in sorted(ASSIGNMENTS.glob("a[0-9]_*.py")):
        given = runpy.run_path(str(Path(__file__).parent / "answers" / f"{source.stem}.py"))
        labels = list(given["WRONG"])
        assert len(labels) == len(set(labels)) >= 6
        hit = set().union(*(fails for _, fails in given["WRONG"].values()))
        assert len(hit) >= len(given["POINTS"]) - 1, set(given["POINTS"]) - hit  # nearly each test catches a mistake
