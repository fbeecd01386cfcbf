"""Where is the face? One protocol, one default that works offline, any other detector by argument."""

from functools import cache
from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np

from pqa_lab.scenes.photo import Source, load_photo
from pqa_lab.views.face_crop import Box
from pqa_lab.views.resize import resize

WORKING_SIDE = 640
LADDER = (0.8, 0.7, 0.6, 0.5, 0.4, 0.2)
_lock = Lock()


class Face(NamedTuple):
    """A face: ``box`` (x0, y0, x1, y1) in pixels of the photo, and the detector's ``score`` in [0, 1]."""

    box: Box
    score: float


class FaceDetector(Protocol):
    """Anything that takes a photo (H, W, 3) uint8 and gives the faces that it sees, in pixels of that photo."""

    def __call__(self, photo: np.ndarray) -> list[Face]: ...


def detect_face(
    image: Source, detector: FaceDetector | None = None, thresholds: tuple[float, ...] = LADDER
) -> Box | None:
    """The box of the main face, or None."""
    photo = load_photo(image)
    height, width = photo.shape[:2]
    faces = (detector or default_detector())(photo)
    for threshold in thresholds:
        passed = [face for face in faces if face.score >= threshold]
        if passed:
            box = max(passed, key=lambda face: _area(face.box)).box
            x0, y0, x1, y1 = (round(v) for v in box)
            box = (max(0, x0), max(0, y0), min(width, x1), min(height, y1))
            return box if box[0] < box[2] and box[1] < box[3] else None
    return None


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def default_detector() -> FaceDetector:
    """MTCNN at 640 pixels; loaded at the first call, shared by all threads."""
    with _lock:
        return _mtcnn()


@cache
def _mtcnn() -> FaceDetector:
    from pqa_lab.views.mtcnn import Mtcnn

    net = Mtcnn()

    def detect(photo: np.ndarray) -> list[Face]:
        height, width = photo.shape[:2]
        scale = min(1.0, WORKING_SIDE / max(height, width))
        small = resize(photo, max(1, round(height * scale)), max(1, round(width * scale)))
        return [Face(tuple(v / scale for v in box), score) for box, score in net(small)]

    return detect
