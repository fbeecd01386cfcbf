"""Self-contained HTML: one file with its pictures, readable without a network or a kernel."""

import base64
import html
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pqa_lab.ranking import Ranking
    from pqa_lab.scaling import JodScale

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #0072b2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } td.text { text-align: left; }
.pqa-strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; padding: 0; }
.pqa-card { border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; list-style: none; }
.pqa-card.best { outline: 3px solid var(--accent); }
.pqa-card img { width: 100%; aspect-ratio: 1; object-fit: cover; display: block; }
.pqa-card div { padding: .5rem .7rem; font-size: .9rem; }
.pqa-card b { font-size: 1.05rem; } .note { opacity: .8; }
"""


def data_uri(image: np.ndarray, side: int = 480) -> str:
    """A photo (H, W, 3) uint8 as a JPEG data URI; made from the array, so no metadata can follow."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def ranking_html(ranking: "Ranking") -> str:
    """The ranked strip as an HTML fragment; file names are escaped."""
    cards = []
    for photo in ranking.photos:
        name = html.escape(Path(photo.path).name)
        alt = f"rank {photo.rank} of {len(ranking.photos)}, {photo.score:+.2f} JOD, {name}"
        cards.append(
            f'<li class="pqa-card{" best" if photo.rank == 1 else ""}"><img src="{data_uri(photo.image)}" alt="{alt}">'
            f"<div><b>{photo.rank}. {photo.score:+.2f} JOD</b> "
            f'<span class="note">({photo.jod_low:+.1f} … {photo.jod_high:+.1f})</span><br>{name}<br>'
            f'<span class="note">{html.escape(photo.reason)}</span></div></li>'
        )
    notes = [
        "Too close to call: " + ", ".join(html.escape(Path(ranking.photos[i].path).name) for i in group) + "."
        for group in ranking.ties
    ]
    notes += [f"Left out: {html.escape(name)}: {html.escape(why)}." for name, why in ranking.left_out]
    return (
        f"<style>{STYLE}</style><ol class='pqa-strip'>{''.join(cards)}</ol>"
        + "".join(f'<p class="note">{note}</p>' for note in notes)
        + '<p class="note">A difference of 1 JOD: 75 % of viewers are expected to prefer the better photo. '
        "Scores compare photos of this group only.</p>"
    )


def table_html(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, float_format=lambda value: f"{value:.3f}", na_rep="–")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    frame.to_csv(part, index=False)
    os.replace(part, path)


def write_page(path: Path, title: str, sections: list[tuple[str, str]]) -> None:
    """Write one page of (heading, HTML) sections; the file appears whole or not at all."""
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    page = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(page, encoding="utf-8")
    os.replace(part, path)


def write_scale_report(scale: "JodScale", path: Path) -> None:
    """JODs with intervals, win probabilities and the comparison graph of every scene, as one HTML file."""
    from pqa_lab.scaling import report_text
    from pqa_lab.viz import figure_html
    from pqa_lab.viz.scaling import graph_figure, jod_figure, win_figure

    sections = [("Report", f"<pre>{html.escape(report_text(scale))}</pre>")]
    for number, scene in enumerate(scale.scenes):
        figures = [
            figure_html(draw(scale, scene), plotlyjs=number == 0 and draw is jod_figure)
            for draw in (jod_figure, win_figure, graph_figure)
        ]
        sections.append((str(scene), "".join(figures)))
    write_page(Path(path), "JODs from votes", sections)


def write_ranking_report(ranking: "Ranking", path: Path) -> None:
    """The ranking as one HTML file: pictures, chances of winning, measured parts."""
    names = [Path(photo.path).name for photo in ranking.photos]
    win = pd.DataFrame(ranking.win, columns=names).round(2)
    win.insert(0, "preferred to →", names)
    parts = pd.DataFrame([photo.measures for photo in ranking.photos]).round(3)
    parts.insert(0, "photo", names)
    sections = [
        ("Best first", ranking_html(ranking)),
        ("Chance that a viewer prefers the row to the column", table_html(win)),
        ("Measured parts", table_html(parts)),
    ]
    write_page(Path(path), f"Ranking by {ranking.model}", sections)
