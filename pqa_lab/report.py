"""Self-contained HTML: one file with its pictures, readable without a network or a kernel."""

import base64
import csv
import html
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pqa_lab.ranking import RankedPhoto, Ranking
    from pqa_lab.scaling import JodScale

PAGE_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #8884; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; } td.text { text-align: left; }
.note { opacity: .8; }
"""
# Every rule stays inside .pqa-answer: the fragment is also shown in notebooks and in the app.
ANSWER_STYLE = """
.pqa-answer { --line: #8886; --accent: #0072b2; line-height: 1.45; }
.pqa-answer .pqa-strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
  gap: 1rem; padding: 0 !important; margin: 0 0 1rem; list-style: none !important; }
.pqa-answer li { list-style: none !important; }
.pqa-answer .pqa-card { border: 1px solid var(--line); border-radius: .7rem; overflow: hidden; margin: 0; padding: 0; }
.pqa-answer .pqa-card::marker { content: none; }
.pqa-answer .pqa-card.best { outline: 3px solid var(--accent); outline-offset: -1px; }
.pqa-answer .pqa-card > img, .pqa-answer .pqa-card button img { width: 100%; height: 13rem; object-fit: contain;
  display: block; margin: 0; background: #7773; }
.pqa-answer .pqa-words { padding: .6rem .8rem .7rem; font-size: .92rem; }
.pqa-answer .pqa-place { font-size: 1.15rem; font-weight: 700; }
.pqa-answer .pqa-name { overflow-wrap: anywhere; font-weight: 600; }
.pqa-answer .note { opacity: .85; font-size: .92rem; margin: .3rem 0; }
.pqa-answer .pqa-tie { display: inline-block; border: 1px solid var(--line); border-radius: 1rem; padding: 0 .5rem;
  font-size: .8rem; }
.pqa-answer .pqa-faces { display: flex; gap: .6rem; overflow-x: auto; padding: .2rem 0 .6rem !important;
  margin: 0; list-style: none !important; }
.pqa-answer .pqa-faces li { flex: 0 0 auto; margin: 0; text-align: center; font-size: .88rem; }
.pqa-answer .pqa-faces img { width: 8.5rem; height: 8.5rem; border-radius: .5rem; display: block; margin: 0 0 .15rem; }
.pqa-answer .pqa-heading { font-size: 1.05rem; font-weight: 650; margin: 1rem 0 .4rem; }
/* what scrolls inside itself must not widen a phone's page */
.pqa-answer .pqa-scroll, .pqa-answer .pqa-faces { overflow-x: auto; contain: inline-size; }
.pqa-answer table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0; }
.pqa-answer th, .pqa-answer td { padding: .3rem .55rem; border: 1px solid var(--line) !important; text-align: center;
  font-weight: 400; white-space: nowrap; background: none; }
.pqa-answer tbody th { text-align: left; font-weight: 600; max-width: 12rem; overflow: hidden;
  text-overflow: ellipsis; }
.pqa-answer td.why { white-space: normal; text-align: left; min-width: 14rem; }
@media (max-width: 480px) {
  .pqa-answer .pqa-strip { grid-template-columns: 1fr; }
  .pqa-answer .pqa-card { display: grid; grid-template-columns: 8rem minmax(0, 1fr); }
  .pqa-answer .pqa-card > img, .pqa-answer .pqa-card button img { height: 100%; min-height: 8rem; max-height: 13rem; }
}
"""


def data_uri(image: np.ndarray, side: int = 480, quality: int = 88) -> str:
    """A photo (H, W, 3) uint8 as a JPEG data URI; made from the array, so no metadata can follow."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _name(photo: "RankedPhoto") -> str:
    return html.escape(Path(photo.path).name)


def ranking_html(ranking: "Ranking", pick: bool = False) -> str:
    """The ranked strip and the faces at one scale, as an HTML fragment; file names are escaped.

    Parameters
    ----------
    pick : bool
        Make each photo a button with ``data-pick`` = its position, for a page that shows more of one.
    """
    count, cards = len(ranking.photos), []
    for i, photo in enumerate(ranking.photos):
        alt = f"rank {photo.rank} of {count}, {photo.score:+.2f} JOD, {_name(photo)}"
        picture = f'<img src="{data_uri(photo.image)}" alt="{alt}">'
        if pick:
            picture = f'<button type="button" data-pick="{i}" aria-label="Look closer at {alt}">{picture}</button>'
        tie = " <span class='pqa-tie'>too close to call</span>" if any(i in group for group in ranking.ties) else ""
        cards.append(
            f'<li class="pqa-card{" best" if photo.rank == 1 else ""}">{picture}<div class="pqa-words">'
            f'<span class="pqa-place">{photo.rank}.</span> <b>{photo.score:+.2f} JOD</b> '
            f"({photo.jod_low:+.1f} … {photo.jod_high:+.1f}){tie}"
            f'<div class="pqa-name">{_name(photo)}</div><div>{html.escape(photo.reason)}</div></div></li>'
        )
    notes = ["Too close to call: " + ", ".join(_name(ranking.photos[i]) for i in group) + "." for group in ranking.ties]
    if not pick:  # such a page has said so already
        notes += [f"Left out: {html.escape(name)}: {html.escape(why)}" for name, why in ranking.left_out]
    return (
        f"<style>{ANSWER_STYLE}</style><div class='pqa-answer'><ol class='pqa-strip'>{''.join(cards)}</ol>"
        + faces_html(ranking)
        + "".join(f'<p class="note">{note}</p>' for note in notes)
        + '<p class="note">A difference of 1 JOD: 75 % of viewers are expected to prefer the better photo. Scores '
        "compare photos of this group only. The first photo is described against the middle of the others, every other "
        "photo against the first.</p></div>"
    )


def faces_html(ranking: "Ranking") -> str:
    """The faces in a row at the same scale, best first."""
    from pqa_lab.looks import face_crops

    crops = face_crops([photo.image for photo in ranking.photos], [photo.face for photo in ranking.photos])
    items = "".join(
        f'<li><img src="{data_uri(crop, crop.shape[0], 92)}" alt="face of rank {photo.rank}, {_name(photo)}">'
        f"{photo.rank}. {photo.score:+.2f}</li>"
        for crop, photo in zip(crops, ranking.photos, strict=True)
    )
    return f"<p class='pqa-heading'>Faces at the same scale</p><ul class='pqa-faces' tabindex='0'>{items}</ul>"


def win_html(ranking: "Ranking") -> str:
    """Chances of winning as a table that also works without colours; blue favours the row, orange the column."""
    head = "".join(f'<th scope="col" title="{_name(p)}">{p.rank}</th>' for p in ranking.photos)
    rows = []
    for i, photo in enumerate(ranking.photos):
        cells = []
        for j, chance in enumerate(ranking.win[i]):
            colour = "0 114 178" if chance > 0.5 else "213 94 0"
            shade = f' style="background: rgb({colour} / {1.1 * abs(chance - 0.5):.2f})"'
            cells.append("<td>–</td>" if i == j else f"<td{shade}>{chance:.0%}</td>")
        rows.append(f'<tr><th scope="row">{photo.rank}. {_name(photo)}</th>{"".join(cells)}</tr>')
    return (
        '<p class="note">Chance that a viewer prefers the row to the column</p>'
        '<div class="pqa-scroll" tabindex="0"><table aria-label="Chance that a viewer prefers the row to the column">'
        f'<thead><tr><th scope="col">photo</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def table_html(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, border=0, float_format=lambda value: f"{value:.3f}", na_rep="–")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    frame.to_csv(part, index=False)
    os.replace(part, path)


def page_html(title: str, sections: list[tuple[str, str]]) -> str:
    """One self-contained page of (heading, HTML) sections."""
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><title>{html.escape(title)}</title>"
        f"<style>{PAGE_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )


def write_page(path: Path, title: str, sections: list[tuple[str, str]]) -> None:
    """Write one page of (heading, HTML) sections; the file appears whole or not at all."""
    _write(path, page_html(title, sections))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
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


def ranking_report(ranking: "Ranking") -> str:
    """The ranking as one HTML page: pictures, faces, chances of winning, measured parts."""
    parts = pd.DataFrame([photo.measures for photo in ranking.photos]).round(3)
    parts.insert(0, "photo", [Path(photo.path).name for photo in ranking.photos])
    sections = [
        ("Best first", ranking_html(ranking)),
        ("Chances", f"<div class='pqa-answer'>{win_html(ranking)}</div>"),
        ("Measured parts", table_html(parts)),
    ]
    return page_html(f"Ranking by {ranking.model}", sections)


def write_ranking_report(ranking: "Ranking", path: Path) -> None:
    """Write ``ranking_report``; the file appears whole or not at all."""
    _write(Path(path), ranking_report(ranking))


def ranking_csv(ranking: "Ranking") -> str:
    """The ranking as CSV; a text that a spreadsheet would read as a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    frame = ranking.as_frame()
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" else v for v in row])
    return buffer.getvalue()
