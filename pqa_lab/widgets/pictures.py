"""Pictures in the explorers: as HTML beside each other when live, as one Plotly figure in the static twins."""

import base64
import html
from collections.abc import Mapping, Sequence
from io import BytesIO
from math import ceil
from typing import Any

import matplotlib
import numpy as np
import plotly.graph_objects as go
from PIL import Image, ImageDraw

from pqa_lab.scenes.photo import load_photo
from pqa_lab.viz import OKABE_ITO
from pqa_lab.viz.style import TEMPLATE

Region = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
GAP = 4


def default_photo() -> np.ndarray:
    """A real portrait that needs no network: Eileen Collins (NASA), (512, 512, 3)."""
    from pqa_lab.samples import astronaut

    return astronaut()


def opened(photo: Any, max_side: int = 2048) -> np.ndarray:
    """Any photo that `load_photo` takes, or the default one for None; (H, W, 3) uint8."""
    return load_photo(default_photo() if photo is None else photo, max_side=max_side)


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture itself, or a smaller copy whose longer side has ``side`` pixels."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def data_uri(picture: np.ndarray, quality: int = 88) -> str:
    """The picture (H, W, 3) uint8 as a JPEG inside a URI."""
    out = BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def outlined(photo: np.ndarray, regions: Sequence[Region], side: int = 520) -> np.ndarray:
    """A copy of at most ``side`` pixels with the regions outlined: white with a dark edge, seen on any ground."""
    small = fitted(photo, side)
    scale = small.shape[1] / photo.shape[1]
    image = Image.fromarray(small.copy())
    draw = ImageDraw.Draw(image)
    wide = 3 if len(regions) <= 12 else 2
    for x0, y0, x1, y1 in regions:
        box = [round(v * scale) for v in (x0, y0, x1, y1)]
        box = [box[0], box[1], max(box[0] + 1, box[2] - 1), max(box[1] + 1, box[3] - 1)]
        draw.rectangle(box, outline="#000000", width=wide + 2)
        draw.rectangle(box, outline="#FFFFFF", width=wide)
    return np.asarray(image)


def sheet(pictures: Sequence[np.ndarray], side: int = 520, columns: int | None = None) -> np.ndarray:
    """Pictures of one size as one contact sheet of at most ``side`` pixels, white between them."""
    columns = columns or ceil(len(pictures) ** 0.5)
    rows = ceil(len(pictures) / columns)
    cell = max(1, (side - GAP * (columns - 1)) // columns)
    small = [fitted(picture, cell) for picture in pictures]
    height, width = (max(picture.shape[axis] for picture in small) for axis in (0, 1))
    made = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for k, picture in enumerate(small):
        top, left = k // columns * (height + GAP), k % columns * (width + GAP)
        made[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return made


def overlay(photo: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (h, w) as light over a grey copy of the photo, from their 1st to their 99th percentile."""
    low, high = np.percentile(values, [1, 99])
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    share = np.asarray(Image.fromarray(share).resize(photo.shape[1::-1], Image.Resampling.BICUBIC)).clip(0, 1)
    grey = photo.mean(axis=2, keepdims=True)
    colour = 255 * matplotlib.colormaps["cividis"](share)[..., :3]
    return np.round(0.4 * grey + 0.6 * colour).astype(np.uint8)


def row_html(pictures: Mapping[str, np.ndarray], words: str, width: int = 340) -> str:
    """Pictures beside each other with captions, each with the caption as its alternative text, and a sentence."""
    style = f"flex:1 1 {min(width, 250)}px;max-width:{width}px"
    figures = [
        f"<figure style='{style}'><img src='{data_uri(picture)}' alt='{html.escape(label, quote=True)}' "
        f"style='width:100%'><figcaption>{html.escape(label)}</figcaption></figure>"
        for label, picture in pictures.items()
    ]
    return f"<div class='pqa-row'>{''.join(figures)}</div><p aria-live='polite'>{html.escape(words)}</p>"


def pictures_figure(pictures: Mapping[str, np.ndarray], text: str, columns: int = 3, side: int = 320) -> go.Figure:
    """Pictures with titles as one figure that needs nothing outside it; as high as they are, 720 pixels wide."""
    from plotly.subplots import make_subplots

    rows = ceil(len(pictures) / columns)
    steepest = max(picture.shape[0] / picture.shape[1] for picture in pictures.values())
    high = 40 + round(min(290, 680 / columns * steepest))  # of a row with its titles
    figure = make_subplots(
        rows, columns, subplot_titles=list(pictures), horizontal_spacing=0.02, vertical_spacing=40 / (rows * high)
    )
    for k, picture in enumerate(pictures.values()):
        place = {"row": k // columns + 1, "col": k % columns + 1}
        figure.add_trace(go.Image(source=data_uri(fitted(picture, side), 80), hoverinfo="skip"), **place)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain")
    figure.update_annotations(font={"size": 13, "color": OKABE_ITO[6]})
    margin = {"t": 40, "b": 10, "l": 10, "r": 10}
    return figure.update_layout(template=TEMPLATE, height=10 + high * rows, margin=margin, meta={"text": text})
