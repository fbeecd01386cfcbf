"""What LIQE asks CLIP about a photo: 495 prompts, and the tokens in which CLIP reads them.

Words and their order are *from public code* (zwx8981/LIQE@a64655f, MIT); the tokens are those of OpenAI's CLIP.
"""

import re
from itertools import product

import torch
from torch import Tensor

from pqa_lab.methods import backbones

LEVELS = ("bad", "poor", "fair", "good", "perfect")  # 1 ... 5
CONTENTS = ("animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others")
DISTORTIONS = ("jpeg2000 compression", "jpeg compression", "noise", "blur", "color", "contrast", "overexposure",
               "underexposure", "spatial", "quantization", "other")  # fmt: skip
SHAPE = (len(LEVELS), len(CONTENTS), len(DISTORTIONS))
PROMPTS = [
    f"a photo of a {content} with {distortion} artifacts, which is of {level} quality"
    for level, content, distortion in product(LEVELS, CONTENTS, DISTORTIONS)
]
# CLIP's own tokens for every word in them, so that published weights read the prompts without a download.
TOKENS = {
    "a": (320,), "photo": (1125,), "of": (539,), "with": (593,), "artifacts": (30249,), ",": (267,), "which": (1448,),
    "is": (533,), "quality": (3027,), "bad": (2103,), "poor": (3665,), "fair": (2849,), "good": (886,),
    "perfect": (1878,), "animal": (4668,), "cityscape": (40808,), "human": (2751,), "indoor": (9546,),
    "landscape": (5727,), "night": (930,), "plant": (3912,), "still": (1170,), "_": (318,), "life": (970,),
    "others": (3326,), "jpeg": (73, 11207), "2": (273,), "0": (271,), "compression": (25638,), "noise": (9307,),
    "blur": (27976,), "color": (3140,), "contrast": (18501,), "overexposure": (8649, 13002, 35539),
    "underexposure": (21675, 87, 35539), "spatial": (22022,), "quantization": (31540, 3683), "other": (1010,),
}  # fmt: skip
BEGIN, END = 49406, 49407


def tokenize(backbone: str) -> Tensor:
    """The prompts as token ids, (495, L): CLIP's own, or checksums of words for a tiny CLIP's small vocabulary."""
    if backbone.startswith("tiny"):
        return backbones.tokenize(PROMPTS, backbone)["input_ids"]
    rows = []
    for prompt in PROMPTS:
        words = re.findall(r"[a-z]+|[^a-z\s]", prompt)  # CLIP takes digits one by one
        rows.append([BEGIN, *(token for word in words for token in TOKENS[word]), END])
    longest = max(map(len, rows))
    # CLIP looks back only, and answers at the end token: what follows that one does not matter.
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])
