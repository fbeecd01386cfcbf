"""From a photo to the tensors that a branch of a method eats: global resize, fragments, crops, the face.

Functions named after what they give (``resize_global``, ``fragments``, ``crops``) return (V, 3, S, S) float32 tensors;
the others return photos, (H, W, 3) uint8. Every ``image`` may be anything that ``load_photo`` takes.
"""

from pqa_lab.views.augment import random_crop, random_flip, random_resized_crop, random_rotation
from pqa_lab.views.crops import crops
from pqa_lab.views.face_crop import Box, mask_face, pqe_face, sar_face
from pqa_lab.views.faces import (
    Face,
    FaceDetector,
    agreed_faces,
    default_detector,
    detect_face,
    in_threads,
    usual_box,
)
from pqa_lab.views.fragments import fragments
from pqa_lab.views.resize import NORMS, at_least, resize, resize_global, resize_short, to_tensor

__all__ = [
    "NORMS",
    "Box",
    "Face",
    "FaceDetector",
    "agreed_faces",
    "at_least",
    "crops",
    "default_detector",
    "detect_face",
    "fragments",
    "in_threads",
    "mask_face",
    "pqe_face",
    "random_crop",
    "random_flip",
    "random_resized_crop",
    "random_rotation",
    "resize",
    "resize_global",
    "resize_short",
    "sar_face",
    "to_tensor",
    "usual_box",
]
