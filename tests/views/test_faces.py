"""Faces: found on real portraits, not invented elsewhere, and what the methods do with the box."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from matplotlib import cbook
from PIL import Image
from skimage import data
from torchvision.ops import box_iou

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import load_photo
from pqa_lab.views import (
    Face,
    agreed_faces,
    benchmark,
    default_detector,
    detect_face,
    faces,
    in_threads,
    mask_face,
    pqe_face,
    resize_short,
    sar_face,
)
from pqa_lab.views.mtcnn import Mtcnn

# Marked by hand: brow to chin, ear to ear, in pixels of the original.
ASTRONAUT = (data.astronaut(), (178, 62, 268, 174))
HOPPER = (load_photo(cbook.get_sample_data("grace_hopper.jpg")), (168, 108, 356, 340))


def overlap(box, truth):
    return float(box_iou(torch.tensor([box]).float(), torch.tensor([truth]).float()))


@pytest.mark.parametrize("photo, truth", [ASTRONAUT, HOPPER], ids=["astronaut", "hopper"])
@pytest.mark.parametrize("short_side", [180, 400, 1500])
def test_finds_the_face_at_any_size(photo, truth, short_side):
    scale = short_side / min(photo.shape[:2])
    box = detect_face(resize_short(photo, short_side))
    assert all(type(v) is int for v in box)
    assert overlap(box, [v * scale for v in truth]) > 0.6


def dark(photo):
    return (photo * 0.06).astype(np.uint8)


def noisy(photo):
    return (photo + np.random.default_rng(0).normal(0, 30, photo.shape)).clip(0, 255).astype(np.uint8)


def green(photo):
    return (photo * [0.4, 1, 0.4]).astype(np.uint8)


def grey(photo):
    return photo.mean(2).astype(np.uint8)


@pytest.mark.parametrize("photo, truth", [ASTRONAUT, HOPPER], ids=["astronaut", "hopper"])
@pytest.mark.parametrize("change", [dark, noisy, green, grey])
def test_finds_the_face_in_bad_photos(photo, truth, change):
    assert overlap(detect_face(change(photo)), truth) > 0.55


def test_mirror_image_gives_the_mirrored_box():
    photo, _ = HOPPER
    x0, y0, x1, y1 = detect_face(photo[:, ::-1])
    assert overlap((photo.shape[1] - x1, y0, photo.shape[1] - x0, y1), detect_face(photo)) > 0.8


def test_box_moves_with_the_face_in_a_large_canvas():
    photo, truth = HOPPER
    canvas = np.asarray(Image.fromarray(data.brick()).convert("RGB").resize((2400, 1800))).copy()
    canvas[700 : 700 + photo.shape[0], 1500 : 1500 + photo.shape[1]] = photo
    assert overlap(detect_face(canvas), np.add(truth, (1500, 700, 1500, 700)).tolist()) > 0.6


@pytest.mark.parametrize(
    "photo",
    [
        data.coffee(),
        data.rocket(),
        data.brick(),
        np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8),
        np.zeros((200, 200, 3), np.uint8),
        np.full((1, 3000), 255, np.uint8),
        np.full((3000, 2, 3), 90, np.uint8),
        np.zeros((1, 1), np.uint8),
    ],
)
def test_no_face_is_none(photo):
    assert detect_face(photo) is None


def test_the_ladder_of_illuminations_is_what_finds_the_dark_face():
    net = Mtcnn()
    assert not [score for _, score in net(dark(HOPPER[0])) if score >= faces.SURE]
    assert [score for _, score in net(faces.stretch(dark(HOPPER[0]))) if score >= faces.SURE]


def test_first_calls_from_many_threads_agree():
    faces._load_default.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        boxes = list(pool.map(detect_face, [ASTRONAUT[0]] * 4))
    assert len(set(boxes)) == 1
    assert faces._load_default.cache_info().misses == 1
    assert default_detector() is default_detector()


def test_another_detector_its_thresholds_and_the_main_face():
    found = [Face((2.4, 3, 20.6, 30), 0.45), Face((40, 40, 90, 95), 0.42), Face((-9, -9, 300, 300), 0.1)]

    def detector(photo):
        return found

    photo = np.zeros((100, 100, 3), np.uint8)
    assert detect_face(photo, detector) == (40, 40, 90, 95)  # both reach 0.4: the larger one
    assert detect_face(photo, detector, thresholds=(0.45,)) == (2, 3, 21, 30)
    assert detect_face(photo, detector, thresholds=(0.5,)) is None
    assert detect_face(photo, detector, thresholds=(0.05,)) == (0, 0, 100, 100)  # cut at the border
    assert detect_face(photo, lambda p: [Face((200, 0, 300, 50), 0.9)]) is None  # wholly outside
    assert detect_face(photo, lambda p: []) is None


@pytest.mark.slow
def test_a_hub_style_detector_runs_and_needs_a_face_class(tmp_path):
    """A real (random, tiny) object detection model through transformers, from a folder."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    def saved(name, labels):
        torch.manual_seed(0)
        config = YolosConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=[64, 64],
            patch_size=16,
            num_detection_tokens=5,
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
        )
        YolosForObjectDetection(config).save_pretrained(tmp_path / name)
        YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}).save_pretrained(tmp_path / name)
        return str(tmp_path / name)

    detector = faces.hub_detector(saved("faces", ["Human face", "tree"]), threshold=0.0)
    found = detector(data.coffee())
    assert found
    assert all(0 <= face.score <= 1 and len(face.box) == 4 for face in found)
    box = detect_face(data.coffee(), detector, thresholds=(0.0,))
    assert box is None or (0 <= box[0] < box[2] <= 600 and 0 <= box[1] < box[3] <= 400)
    with pytest.raises(InputError, match="no class 'face'"):
        faces.hub_detector(saved("trees", ["tree", "car"]))


def test_both_ways_of_the_benchmark_show_the_same():
    data = benchmark.sample_photo(1600, 1200)
    quick, quick_box = benchmark.quick_views(data, benchmark.middle)
    naive, naive_box = benchmark.naive_views(data, benchmark.middle)
    assert np.allclose(np.array(quick_box) / 1536, np.array(naive_box) / 1600, atol=0.003)
    for a, b in zip(quick, naive, strict=True):
        assert a.shape == b.shape == (1, 3, 224, 224)
        assert (
            float((a - b).abs().mean()) < 0.1
        )  # of a standard deviation; the box is rounded at 640 pixels in one of them


PHOTO = np.random.default_rng(2).integers(1, 256, (600, 800, 3), dtype=np.uint8)


def test_pqe_takes_20_pixels_more_and_stops_at_the_border():
    assert np.array_equal(pqe_face(PHOTO, (100, 50, 300, 250)), PHOTO[30:270, 80:320])
    assert np.array_equal(pqe_face(PHOTO, (5, 10, 795, 599)), PHOTO)
    assert np.array_equal(pqe_face(PHOTO, None), PHOTO)


@pytest.mark.parametrize(
    "box, expected",
    [
        ((300, 200, 400, 340), (slice(14, 526), slice(94, 606))),  # a small face: 512 x 512 around it
        ((200, 10, 740, 550), (slice(10, 550), slice(200, 740))),  # a large one: its longer edge
        ((0, 0, 50, 60), (slice(0, 512), slice(0, 512))),  # in a corner: moved inside
        ((750, 560, 800, 600), (slice(88, 600), slice(288, 800))),
        ((0, 0, 800, 600), (slice(0, 600), slice(100, 700))),  # longer than the photo is high
    ],
)
def test_sar_takes_a_square_of_the_longer_edge_at_least_512(box, expected):
    assert np.array_equal(sar_face(PHOTO, box), PHOTO[expected])


def test_sar_without_a_face_or_room():
    assert np.array_equal(sar_face(PHOTO, None), PHOTO)
    assert sar_face(PHOTO[:100], (10, 10, 60, 60)).shape == (100, 100, 3)


def test_mask_keeps_the_face_and_nothing_else():
    masked = mask_face(PHOTO, (100, 50, 300, 250))
    assert np.array_equal(masked[50:250, 100:300], PHOTO[50:250, 100:300])
    assert masked.any(2).sum() == 200 * 200
    assert PHOTO.all()  # the photo itself is untouched
    assert np.array_equal(mask_face(PHOTO, None), PHOTO)


def test_photos_framed_alike_share_their_box():
    images = [np.zeros((100, 200, 3), np.uint8)] * 3 + [np.zeros((50, 100, 3), np.uint8)] * 2
    faces = [(50, 20, 90, 60), (52, 21, 91, 62), None, (27, 10, 45, 31), (60, 5, 90, 40)]
    boxes = agreed_faces(images, faces)
    assert boxes[0] == boxes[1] == boxes[2]  # the one that was missed, too
    assert boxes[3] == tuple(round(v / 2) for v in boxes[0])  # half the size: the same place
    assert boxes[4] == faces[4]  # framed differently
    assert agreed_faces(images, [None] * 5) == [None] * 5


def test_threads_keep_the_order_and_pass_errors_on():
    assert in_threads(lambda a, b: 10 * a + b, range(5), range(5)) == [0, 11, 22, 33, 44]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda a: 1 // a, [1, 0, 2])


def test_the_first_face_of_a_process_leaves_the_random_numbers_alone():
    import torch

    from pqa_lab.views.mtcnn import Mtcnn

    torch.manual_seed(0)
    before = torch.get_rng_state()
    Mtcnn()(np.full((64, 64, 3), 120, np.uint8))
    assert torch.equal(before, torch.get_rng_state())
