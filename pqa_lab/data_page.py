"""A page on the simulated data: what it looks like, how it is spread, what it can and cannot stand for."""

import html
from pathlib import Path

from pqa_lab.report import data_uri, table_html, write_page


def write_data_page(rows, path: Path) -> None:
    """Write contact sheet, distributions, spectra, cues and data card of simulated rows as one HTML file."""
    from pqa_lab.simulation.study import contact_sheet, cue_table, data_card, distributions
    from pqa_lab.viz import figure_html
    from pqa_lab.viz.simulation import cue_figure, device_figure, spectrum_figure, spread_figure

    sheet = contact_sheet(rows)
    scenes = distributions(rows)["scenes"].reset_index()
    cues = cue_table(rows)
    picture = (
        f'<img src="{data_uri(sheet, side=max(sheet.shape[:2]))}" style="max-width:100%" '
        f'alt="{len(scenes)} scenes, a row each, best photo first">'
    )
    figures = [spread_figure(rows), device_figure(rows), spectrum_figure(), cue_figure(cues)]
    drawn = [figure_html(figure, plotlyjs=i == 0) for i, figure in enumerate(figures)]
    sections = [
        ("Contact sheet", picture),
        ("Scales", drawn[0] + table_html(scenes)),
        ("Devices", drawn[1]),
        ("Natural-image statistics", drawn[2]),
        ("What simple cues reach", drawn[3] + table_html(cues.reset_index(names="cue"))),
        ("Data card", f"<pre style='white-space:pre-wrap'>{html.escape(data_card(rows))}</pre>"),
    ]
    write_page(Path(path), "The simulated portraits of pqa_lab (not PIQ23)", sections)
