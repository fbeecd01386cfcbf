"""The learning curve of a tiny model, on a world of a few small photos."""

import pytest

from pqa_lab.errors import InputError
from pqa_lab.evaluation.benchmark_world import World
from pqa_lab.evaluation.learning_curve import draw, learning_curve


@pytest.mark.training
def test_a_curve_starts_untrained_and_is_drawn(tmp_path):
    world = World(scenes=9, images=14, size=96, challenge_scenes=4, photos=96)
    curves = learning_curve("hyperiqa", seeds=(0, 1), steps=20, world=world, progress=False)
    assert list(curves["step"]) == [0, 10, 20] * 2
    assert curves["srcc"].between(-1, 1).all()
    again = learning_curve("hyperiqa", seeds=(1,), steps=20, world=world, progress=False)
    assert list(again["srcc"]) == list(curves[curves["seed"] == 1]["srcc"])
    draw(curves, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_an_unknown_method_is_a_sentence():
    with pytest.raises(InputError, match="There is no method 'nothing'"):
        learning_curve("nothing")
