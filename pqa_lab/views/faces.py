"""Where is the face? One protocol, one default that works offline, and any other detector by argument.

The default is MTCNN (``pqa_lab.views.mtcnn``) on a copy of at most 640 pixels, up a ladder of illuminations: the photo
as it is, then its grey levels stretched, then its shadows lifted, until a face scores at least 0.9; if none does, what
scored at least 0.8.

How it was chosen. Main face found in 98 variants of two real portraits (sizes 128 to 3,000 px, mirrored, dark, bright,
blurred, noisy, compressed, tinted, lit from one side, turned up to 30 degrees, inside canvases up to 6 x larger), boxes
in 36 pictures without a human face (objects, textures, animals, text, noise), CPU time of one thread for a photo at
640 px; and faces found among 100 crops of LFW enlarged to 120 px:

=================================  =========  ===========  =======  =========
detector                           portraits  false boxes  cpu ms   LFW crops
=================================  =========  ===========  =======  =========
MTCNN, score > 0.7                 90         3            64       100
MTCNN, score > 0.9                 89         1            64       -
same, three illuminations          96         1            64-200   100
same, with CLAHE as a third        96         2            64-240   -
**three illuminations, then 0.8**  **96**     **3**        64-200   100
scikit-image LBP cascade           81         8            318      -
=================================  =========  ===========  =======  =========

(Missed: one portrait burnt out to 2.5 times its light, one blurred beyond recognition. False boxes: the faces of a
wooden film character and of a lion, a motorcycle. Times were taken before ``channels_last`` made the networks 1.8 times
faster.) The last step is there for 64 simulated photos, bad exposures included: 60 faces instead of 54, no box
elsewhere. The ladder and its scores were chosen on these pictures, so 96 and 60 are optimistic. On 50 other real
portraits at 640 px plain MTCNN found 46, a ladder with CLAHE 48, dlib's HOG 30, OpenCV's Haar 33, mediapipe's
full-range model 45; the last is faster, but its package pins versions that conflict with this one's.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from pqa_lab.errors import InputError
from pqa_lab.scenes.photo import Source, load_photo
from pqa_lab.views.face_crop import Box
from pqa_lab.views.resize import resize

WORKING_SIDE = 640
SURE, LIKELY = 0.9, 0.8
# SAR lowers its threshold until a face is found. The default detector's faces all score at least LIKELY.
LADDER = (0.8, 0.7, 0.6, 0.5, 0.4, 0.2)

_lock = Lock()


class Face(NamedTuple):
    """A face: ``box`` (x0, y0, x1, y1) in pixels of the photo, and the detector's ``score`` in [0, 1]."""

    box: tuple[float, float, float, float]
    score: float


class FaceDetector(Protocol):
    """Anything that takes a photo (H, W, 3) uint8 and gives the faces that it sees, in pixels of that photo.

    Wrapping a detector is a function; for instance YuNet, with its ONNX file and OpenCV::

        net = cv2.FaceDetectorYN.create("face_detection_yunet_2023mar.onnx", "", (0, 0), score_threshold=0.2)

        def yunet(photo):
            net.setInputSize(photo.shape[1::-1])
            _, found = net.detect(photo[:, :, ::-1])
            return [Face((x, y, x + w, y + h), row[-1]) for row in (found if found is not None else [])
                    for x, y, w, h in [row[:4]]]

        detect_face(photo, detector=yunet)
    """

    def __call__(self, photo: np.ndarray) -> list[Face]: ...


def detect_face(
    image: Source, detector: FaceDetector | None = None, thresholds: tuple[float, ...] = LADDER
) -> Box | None:
    """The box of the main face. Lesson 04.

    Parameters
    ----------
    image : photo (anything that ``load_photo`` takes)
    detector : FaceDetector, optional
        By default MTCNN up the ladder of illuminations, loaded at the first call.
    thresholds : decreasing scores
        The first one that any face reaches decides who competes; the largest of these is the main face.

    Returns
    -------
    (x0, y0, x1, y1) of ints, inside the photo and not empty, or None
        No face is a normal answer.
    """
    photo = load_photo(image)
    boxes = [(_inside(face.box, photo.shape), face.score) for face in (detector or default_detector())(photo)]
    for threshold in thresholds:
        passed = [box for box, score in boxes if box is not None and score >= threshold]
        if passed:
            return max(passed, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    return None


def usual_box(images: Sequence[np.ndarray], faces: Sequence[Box | None]) -> np.ndarray | None:
    """The median of ``faces``, the boxes of a group, in shares of width and height, (4,); None if nobody has a face."""
    shares = [np.array(f) / np.tile(i.shape[1::-1], 2) for i, f in zip(images, faces, strict=True) if f is not None]
    return np.median(shares, axis=0) if shares else None


def agreed_faces(images: Sequence[np.ndarray], faces: Sequence[Box | None]) -> list[Box | None]:
    """``faces`` of a group in which a fault moves no box: where photos are framed alike, all have the same one.

    A photo in which no face was found gets the median box of the others; so does one whose own box nearly is that
    (intersection over union above 0.6). A photo framed differently keeps its own.
    """
    usual = usual_box(images, faces)
    if usual is None:
        return list(faces)
    boxes: list[Box | None] = []
    for image, face in zip(images, faces, strict=True):
        shared = tuple(round(v) for v in usual * np.tile(image.shape[1::-1], 2))
        boxes.append(shared if face is None or _overlap(face, shared) > 0.6 else face)
    return boxes


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both, 1)


def in_threads(function: Callable[..., Any], *items: Iterable[Any]) -> list[Any]:
    """``map(function, *items)`` on two threads, results in order.

    Pillow, numpy and torch release the interpreter while they work.
    """
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, *items))


def _inside(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> Box | None:
    """The box in whole pixels, cut at the photo's border; None where nothing is left."""
    x0, x1 = (min(max(round(float(x)), 0), shape[1]) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(float(y)), 0), shape[0]) for y in (box[1], box[3]))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def default_detector() -> FaceDetector:
    """MTCNN up the ladder of illuminations; loaded once, shared by all threads."""
    with _lock:  # two first calls at once would load it twice
        return _load_default()


@cache
def _load_default() -> FaceDetector:
    from pqa_lab.views.mtcnn import Mtcnn

    net = Mtcnn()

    def detect(photo: np.ndarray) -> list[Face]:
        height, width = photo.shape[:2]
        scale = min(1.0, WORKING_SIDE / max(height, width))
        small = resize(photo, max(1, round(height * scale)), max(1, round(width * scale)))
        unsure: list[Face] = []
        for relight in ILLUMINATIONS:
            faces = [Face(tuple(v / scale for v in box), score) for box, score in net(relight(small))]
            if any(face.score >= SURE for face in faces):
                return [face for face in faces if face.score >= SURE]
            unsure = unsure or [face for face in faces if face.score >= LIKELY]
        return unsure

    return detect


def stretch(photo: np.ndarray) -> np.ndarray:
    """Grey levels from the darkest to the brightest percent spread over 0..255: for dark or hazy photos."""
    low, high = np.percentile(photo, (1, 99))
    return ((photo - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8)


def lift_shadows(photo: np.ndarray) -> np.ndarray:
    """A gamma of 0.45: for faces in the shadow of a bright background, which ``stretch`` cannot help."""
    return (255 * (np.arange(256) / 255) ** 0.45).astype(np.uint8)[photo]


ILLUMINATIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (lambda photo: photo, stretch, lift_shadows)


def hub_detector(model: str, label: str = "face", threshold: float = LADDER[-1], **options: object) -> FaceDetector:
    """A detector from the Hugging Face hub, or from a folder: any object detection model that ``transformers`` runs.

    Parameters
    ----------
    model : str
        Name or folder of a model whose classes include faces; mind its licence.
    label : str
        Classes whose name contains this word are faces (in any case).
    threshold : float
        Boxes below this score are left out.
    **options
        For ``transformers.pipeline``, e.g. ``device="cuda"``.

    Raises
    ------
    InputError
        The model has no such class.
    """
    from transformers import pipeline

    net = pipeline("object-detection", model=model, **options)
    names = [str(name) for name in net.model.config.id2label.values()]
    if not any(label.lower() in name.lower() for name in names):
        raise InputError(f"The detector knows no class {label!r}, only {', '.join(names[:8])}: choose another model.")

    def detect(photo: np.ndarray) -> list[Face]:
        found = net(Image.fromarray(photo), threshold=threshold)
        return [
            Face(tuple(float(item["box"][side]) for side in ("xmin", "ymin", "xmax", "ymax")), float(item["score"]))
            for item in found
            if label.lower() in item["label"].lower()
        ]

    return detect
