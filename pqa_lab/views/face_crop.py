"""What the methods do with a face's box.

- PQE: the box and 20 pixels around it; no face, the whole photo. (*from public code*)
- SAR: a square with the longer edge of the box as its side, at least 512 x 512. (*stated*; that it is centred on the
  box and moved inside the photo, and that the whole photo serves where no face is found, is *inferred*)
- RQ-Net: the PIQ23-Face set, "everything outside the face set to 0" (*stated*; that a photo without a face is left as
  it is, is *inferred*).

Pixels are those of the photo that is given: 20 and 512 were chosen on photos of 1,000 to 4,000 pixels, so scale them
when a smaller copy is cropped.
"""

import numpy as np

from pqa_lab.scenes.photo import Source, load_photo

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels; x1 and y1 lie just outside


def pqe_face(image: Source, box: Box | None, margin: int = 20) -> np.ndarray:
    """The face and ``margin`` pixels around it, cut at the photo's border; the whole photo where ``box`` is None.

    Lesson 04.
    """
    photo = load_photo(image)
    if box is None:
        return photo
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = box
    return photo[max(0, y0 - margin) : min(height, y1 + margin), max(0, x0 - margin) : min(width, x1 + margin)]


def sar_face(image: Source, box: Box | None, at_least: int = 512) -> np.ndarray:
    """The square around the face: side = longer edge, at least ``at_least``, at most the photo's short side."""
    photo = load_photo(image)
    if box is None:
        return photo
    height, width = photo.shape[:2]
    x0, y0, x1, y1 = box
    side = min(max(x1 - x0, y1 - y0, at_least), height, width)
    left = min(max((x0 + x1 - side) // 2, 0), width - side)
    top = min(max((y0 + y1 - side) // 2, 0), height - side)
    return photo[top : top + side, left : left + side]


def mask_face(image: Source, box: Box | None) -> np.ndarray:
    """A copy with everything outside the face set to 0; the photo itself where ``box`` is None."""
    photo = load_photo(image)
    if box is None:
        return photo
    x0, y0, x1, y1 = box
    masked = np.zeros_like(photo)
    masked[y0:y1, x0:x1] = photo[y0:y1, x0:x1]
    return masked
