"""Portraits: drawn alike from alike numbers, with the face where they say it is."""

import numpy as np
import pytest

from pqa_lab.simulation import Lighting, Pose, draw_subject, draw_take, ideal_shot, illuminant, render
from pqa_lab.simulation.background import KINDS, draw_background
from pqa_lab.simulation.camera import develop
from pqa_lab.simulation.head import ellipsoid, march, normals, rotation
from pqa_lab.simulation.pixels import decode_jpeg, luminance
from pqa_lab.simulation.scenes import ROUND, TOWN, draw_scene
from pqa_lab.simulation.study import spectral_slope
from pqa_lab.simulation.textures import cloth, dead_leaves, noise

GREY = np.full((96, 96, 3), 0.25, np.float32)


def bare(tone=3, **pose):
    from dataclasses import replace

    subject = replace(draw_subject(12, tone=tone), hair="bald", glasses=False, beard=0.0, freckles=0.0)
    return render(subject, Pose(head=0.3, **pose), Lighting(), GREY)


def test_marching_meets_a_sphere_where_algebra_does():
    def sphere(x, y, z):
        return ellipsoid(x, y, z, (0.1, 0, 0), (0.5, 0.5, 0.5))

    x, y = (np.array(v, np.float32) for v in ([0.1, 0.3, -0.2, 0.9], [0.0, 0.2, 0.1, 0.9]))
    z, near = march(sphere, x, y)
    truth = np.sqrt(0.25 - (x[:3] - 0.1) ** 2 - y[:3] ** 2)
    np.testing.assert_allclose(z[:3], truth, atol=0.01)
    assert np.all(near[:3] < 0.004)
    assert near[3] > 0.3
    direction = normals(sphere, x[:3], y[:3], truth.astype(np.float32))
    np.testing.assert_allclose(direction, np.stack([x[:3] - 0.1, y[:3], truth], 1) / 0.5, atol=0.02)


def test_rotation_is_one_and_turns_as_it_says():
    turn = rotation(0.3, -0.2, 0.1)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert (rotation(0.3, 0, 0) @ [0, 0, 1])[0] > 0.2  # yaw looks to the viewer's right
    assert (rotation(0, 0.3, 0) @ [0, 0, 1])[1] > 0.2  # pitch looks up


def test_face_box_and_mask_follow_the_pose():
    left, right = bare(centre=(0.4, 0.5)), bare(centre=(0.6, 0.5))
    assert np.isclose(right.box[0] - left.box[0], 0.2 * 96, atol=2)
    small = render(draw_subject(12), Pose(head=0.15, centre=(0.5, 0.5)), Lighting(), GREY)
    assert (small.box[3] - small.box[1]) < 0.7 * (left.box[3] - left.box[1])
    rows, columns = np.nonzero(left.face > 0.5)
    assert left.box[0] <= columns.min()
    assert rows.max() < left.box[3]
    assert left.linear.dtype == np.float32
    assert np.isfinite(left.linear).all()
    assert left.linear.min() >= 0


def test_face_brightness_falls_along_the_monk_scale():
    light = []
    for tone in range(1, 11):
        portrait = bare(tone)
        light.append(np.average(luminance(portrait.linear), weights=portrait.face))
    assert light[0] > 6 * light[-1]
    assert np.all(np.diff(light)[2:] < 0)  # the three lightest tones differ in hue rather than in lightness


def test_key_asks_for_more_light_when_the_face_lies_in_the_shade():
    subject = draw_subject(3, tone=4)
    bright = render(subject, Pose(head=0.3), Lighting(strength=0.9), GREY)
    dim = render(subject, Pose(head=0.3), Lighting(strength=0.3, fill=0.15), GREY)
    assert 1 < dim.key - bright.key < 2.5


def test_lamp_from_the_left_lights_the_left():
    subject = draw_subject(20, tone=4)
    faces = [render(subject, Pose(head=0.3), Lighting(key=(s, 0.3, 0.5), fill=0.1), GREY) for s in (-0.9, 0.9)]
    halves = []
    for portrait in faces:
        level, middle = luminance(portrait.linear), 48
        left, right = portrait.face.copy(), portrait.face.copy()
        left[:, middle:], right[:, :middle] = 0, 0
        halves.append(np.average(level, weights=left) / np.average(level, weights=right))
    assert halves[0] > 1.15
    assert halves[1] < 1 / 1.15


def test_subjects_are_many_and_tones_are_dealt_evenly():
    people = [draw_subject(k) for k in range(60)]
    assert len(set(people)) == 60
    assert draw_subject(7) == draw_subject(7)
    assert np.all(np.bincount([p.tone for p in people], minlength=11)[1:] == 6)
    assert len({p.hair for p in people}) >= 6
    assert len({p.clothes for p in people}) == 6
    assert {p.glasses for p in people} == {True, False}


@pytest.mark.parametrize("kind", sorted({k for kinds in KINDS.values() for k in kinds}))
def test_backgrounds_are_light_with_something_in_them(kind):
    one, same, other = (draw_background(kind, 96, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.shape == (96, 96, 3)
    assert one.min() >= 0
    assert np.isfinite(one).all()
    assert np.log(luminance(one) + 1e-3).std() > 0.08


@pytest.mark.parametrize("kind", ["knit", "weave", "stripes", "plaid", "dots", "plain"])
def test_cloth_has_fine_texture_and_is_no_mirror(kind):
    v, u = np.mgrid[0:1:128j, 0:1:128j].astype(np.float32)
    fabric = cloth(kind, u, v, ((0.3, 0.2, 0.1), (0.1, 0.2, 0.4)))
    assert fabric.shape == (128, 128, 3)
    assert np.abs(np.diff(fabric, axis=1)).mean() > 0.001
    assert fabric.max() < 1


def test_noise_is_smooth_centred_and_tied_to_its_seed():
    u, v = np.mgrid[0:200:400j, 0:200:400j]
    field = noise(u, v, 3)
    assert abs(field.mean()) < 0.03
    assert 0.4 < field.std() < 0.8
    assert np.abs(np.diff(noise(np.linspace(0, 9, 2000), 0.3))).max() < 0.05
    assert (noise(u, v, 4) != field).any()


def test_dead_leaves_have_the_spectrum_of_natural_pictures():
    rng = np.random.default_rng(0)
    palette = rng.uniform(0.02, 0.9, (10, 3))
    leaves = dead_leaves((384, 384), rng, palette, 4000, (1.5, 130))
    white = np.random.default_rng(0).standard_normal((384, 384))
    assert -3.1 < spectral_slope(np.log(luminance(leaves) + 0.01)) < -1.8
    assert abs(spectral_slope(white)) < 0.15


def test_scenes_repeat_by_seed_and_come_in_piq23s_proportions():
    assert draw_scene(3, 5) == draw_scene(3, 5)
    assert draw_scene(3, 5) != draw_scene(3, 6)
    assert {draw_scene(k).condition for k in range(12)} == {"indoor", "outdoor", "lowlight", "night"}
    shares = {c: ROUND.count(c) / len(ROUND) for c in ROUND}
    for condition, count in {"outdoor": 17, "indoor": 14, "night": 11, "lowlight": 8}.items():
        assert abs(shares[condition] - count / 50) < 0.05
    dealt = [p.seed for k in range(TOWN // 2) for p in draw_scene(k, subjects=2).subjects]
    assert sorted(dealt) == list(range(TOWN))


@pytest.mark.slow
def test_a_real_detector_finds_the_face_in_95_percent_of_well_exposed_renders():
    views = pytest.importorskip("pqa_lab.views", reason="the face detector lives in views")
    from pqa_lab.simulation.study import detection_rate

    photos, boxes = [], []
    for k in range(60):
        take = draw_take(draw_scene(k, seed=11), k % 3, 0, 256)
        linear = take.portrait.linear * illuminant(take.light.kelvin)
        photos.append(decode_jpeg(develop(linear, ideal_shot(take.light), np.random.default_rng(0))))
        boxes.append(take.portrait.box)
    assert detection_rate(photos, views.detect_face, boxes) >= 0.95
