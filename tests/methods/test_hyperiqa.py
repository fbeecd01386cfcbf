"""HyperIQA: the public network, without its defects."""

import copy
import pickle

import pytest
import torch

from pqa_lab.methods import METHODS
from pqa_lab.methods.hyperiqa import HyperIQA


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return HyperIQA.tiny().eval()


def photos(n, height=112, width=112):
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_images_of_a_batch_never_mix(tiny):
    x = photos(4)
    singles = torch.cat([tiny({"image": image[None]}).score for image in x])
    torch.testing.assert_close(tiny({"image": x}).score, singles)


@pytest.mark.parametrize("shape", [(112, 112), (160, 112), (96, 208), (64, 64), (113, 131)])
def test_any_height_and_width(tiny, shape):
    score = tiny({"image": photos(2, *shape)}).score
    assert score.shape == (2,)
    assert score.isfinite().all()
    assert score[0] != score[1]


def test_copies_and_pickles_answer_alike(tiny, tmp_path):
    x = {"image": photos(2)}
    tiny.save_pretrained(tmp_path)
    for twin in (copy.deepcopy(tiny), pickle.loads(pickle.dumps(tiny)), HyperIQA.from_pretrained(tmp_path).eval()):
        assert twin.config == tiny.config
        torch.testing.assert_close(twin(x).score, tiny(x).score, rtol=0, atol=0)


def test_key_and_class_agree(tiny):
    assert METHODS[tiny.config.method] is HyperIQA
