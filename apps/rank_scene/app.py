"""The demo: upload one scene taken several times, get it ranked, with how sure that is and what was measured."""

import csv
import html
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from safety import Guard, keep_clean, private_folder, run_until_stopped

FOLDER = private_folder()

import gradio as gr  # noqa: E402  (GRADIO_TEMP_DIR is read at import)
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import plotly.graph_objects as go  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from pqa_lab.errors import InputError  # noqa: E402
from pqa_lab.ranking import Ranking, rank  # noqa: E402
from pqa_lab.samples import SAMPLES, sample_group  # noqa: E402

MAX_PHOTOS = 20
EXTENSIONS = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif"]
INTRO = f"""# Which of these portraits is best?

The same portrait from several phones, or several takes with one: drop **2 to {MAX_PHOTOS} photos of one scene** and see
them best first, how sure that is, and what was measured on each.
"""
PRIVACY = (
    "JPEG, PNG, WebP, TIFF or HEIC, up to 25 MB and 60 megapixels each. Photos are deleted from the server within "
    "10 minutes, are never used for training, and location data is not passed on. "
    "The model judges sharpness, noise, exposure, colour, haze and compression; it does not judge expression or pose."
)
CSS = """
.gradio-container { max-width: 1100px !important; margin: 0 auto !important; }
#headline { font-size: 1.15rem; } #headline .close { opacity: .8; font-size: .95rem; }
#rank_button { min-height: 3rem; }
"""


def check_count(gallery):
    count = len(gallery or [])
    good = 2 <= count <= MAX_PHOTOS
    return gr.validate(good, f"Please give 2 to {MAX_PHOTOS} photos of one scene; there are {count}.")


def headline(ranking: Ranking) -> str:
    best = ranking.photos[0]
    name = html.escape(Path(best.path).name)
    close = next((group for group in ranking.ties if 0 in group), None)
    if close:
        others = ", ".join(html.escape(Path(ranking.photos[i].path).name) for i in close if i)
        verdict = f"<b>{name}</b> is first, but too close to call against {others}."
    else:
        verdict = f"<b>{name}</b> is best: {ranking.win[0, 1]:.0%} of viewers are expected to prefer it to the next."
    lost = "".join(
        f'<div class="close">Left out: {html.escape(name)} ({html.escape(why)}).</div>'
        for name, why in ranking.left_out
    )
    return f'<div id="verdict">{verdict}</div>{lost}'


def table(ranking: Ranking) -> pd.DataFrame:
    frame = ranking.as_frame()
    frame["beats next"] = frame["beats next"].map(lambda p: "" if np.isnan(p) else f"{p:.0%}")
    frame["too close to call"] = frame["too close to call"].map({True: "yes", False: ""})
    return frame


def matrix(ranking: Ranking) -> go.Figure:
    names = [f"{photo.rank}. {Path(photo.path).name}" for photo in ranking.photos]
    text = [[f"{p:.0%}" for p in row] for row in ranking.win]
    figure = go.Figure(
        go.Heatmap(
            z=ranking.win, x=names, y=names, text=text, texttemplate="%{text}", zmin=0, zmax=1, colorscale="Cividis"
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(
        title="Chance that a viewer prefers the row to the column",
        height=180 + 36 * len(names),
        margin={"l": 10, "r": 10},
    )
    return figure


def save_csv(ranking: Ranking) -> str:
    """The table as a file; a name that a spreadsheet would read as a formula is quoted with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    frame = ranking.as_frame()
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False):
        writer.writerow([f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t\r" else v for v in row])
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / "ranking.csv").write_text(buffer.getvalue(), encoding="utf-8")
    return str(folder / "ranking.csv")


def rank_group(gallery, progress=gr.Progress()):
    """Rank photos of one scene: verdict (HTML), photos best first, table, chances of winning, CSV."""
    progress(0.1, desc="Reading the photos")
    names = [caption or Path(path).name for path, caption in gallery]
    try:
        ranking = rank([path for path, _ in gallery], names=names)
    except InputError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    strip = [
        (photo.image, f"#{photo.rank}  {photo.score:+.2f} JOD  {Path(photo.path).name}") for photo in ranking.photos
    ]
    return headline(ranking), strip, table(ranking), matrix(ranking), save_csv(ranking)


def build_demo() -> gr.Blocks:
    with gr.Blocks(title="pqa_lab: rank a portrait scene", delete_cache=(60, 600)) as demo:
        gr.Markdown(INTRO)
        photos = gr.Gallery(
            label="Photos of one scene",
            type="filepath",
            interactive=True,
            file_types=EXTENSIONS,
            sources=["upload", "clipboard"],
            columns=4,
            height=300,
            object_fit="contain",
            elem_id="photos",
        )
        with gr.Row():
            button = gr.Button("Rank them", variant="primary", elem_id="rank_button", scale=2)
            samples = [gr.Button(f"Try: {name}", elem_id=f"sample_{i}") for i, name in enumerate(SAMPLES)]
        gr.Markdown(PRIVACY)
        verdict = gr.HTML(label="verdict", elem_id="headline")
        strip = gr.Gallery(
            label="Best first",
            format="jpeg",
            interactive=False,
            columns=4,
            object_fit="contain",
            height="auto",
            elem_id="strip",
        )
        scores = gr.Dataframe(label="Scores", elem_id="scores", interactive=False, wrap=True)
        chances = gr.Plot(label="Chances of winning", elem_id="chances")
        download = gr.DownloadButton("Download the table (CSV)", elem_id="csv")
        button.click(
            rank_group,
            photos,
            [verdict, strip, scores, chances, download],
            api_name="rank",
            concurrency_limit=1,
            concurrency_id="cpu",
            validator=check_count,
        )
        for sample, name in zip(samples, SAMPLES, strict=True):
            sample.click(lambda name=name: sample_group(name), None, photos, api_visibility="private")
    demo.queue(max_size=16)
    return demo


def serve(host: str = "127.0.0.1", port: int = 7860, browser: bool = False) -> None:
    """Run the demo until Ctrl-C or SIGTERM; no upload outlives it."""
    demo = build_demo()
    keep_clean(FOLDER)
    demo.launch(
        server_name=host,
        server_port=port or None,
        inbrowser=browser,
        prevent_thread_lock=True,
        max_file_size="25mb",
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        ssr_mode=False,
        share=False,
        footer_links=["gradio"],
        css=CSS,
        app_kwargs={"middleware": [Middleware(Guard)]},
    )
    run_until_stopped(demo.close, FOLDER)


if __name__ == "__main__":
    serve(host="0.0.0.0")
