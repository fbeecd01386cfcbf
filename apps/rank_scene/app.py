"""The demo: one scene taken several times, ranked, with how sure that is and why; compared; voted on by a class.

This file is the page and its wiring. What the page shows is made in ``answer.py`` and ``voting.py``, the two booths
with a synchronised zoom in ``booths.py``, and what a server of strangers' photos needs in ``safety.py``.
"""

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from safety import Guard, keep_clean, private_folder, remove, run_until_stopped

FOLDER = private_folder()

import answer  # noqa: E402
import booths  # noqa: E402
import gradio as gr  # noqa: E402  (GRADIO_TEMP_DIR is read at import)
import voting  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from pqa_lab.errors import InputError  # noqa: E402
from pqa_lab.ranking import Ranking  # noqa: E402
from pqa_lab.report import ranking_csv, ranking_html  # noqa: E402
from pqa_lab.samples import SAMPLES, sample_group  # noqa: E402
from pqa_lab.scenes.photo import PHOTO_SUFFIXES  # noqa: E402

INTRO = f"""# Which of these portraits is best?

The same portrait from several phones, or several takes with one: drop **2 to {answer.MAX_PHOTOS} photos of one scene**
and see them best first, how sure that is, and why.
"""
PRIVACY = (
    "JPEG, PNG, WebP, TIFF, HEIC or BMP, up to 25 MB and 60 megapixels each. Photos leave the server after 10 minutes, "
    "are never used for training, and location data is not passed on. The model judges sharpness, noise, exposure, "
    "colour, haze and compression; it does not judge expression or pose."
)
CLASS_INTRO = (
    "Rank photos first, then start a class with them: everybody who has the code sees the photos, two at a time and "
    "without names, and says which is better. The votes become JODs at once. Photos and votes of a class are deleted "
    f"after {voting.CLASS_HOURS} hours, or when the one who started it presses *Delete my photos now*."
)
THEME = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"])

SHELF = answer.Shelf()
CLASSES = voting.open_classes(FOLDER)
# Name in the menu -> what `rank` takes; the page can only choose a name.
MODELS = {"default": "default", "zero-shot CLIP (fetched from the hub)": "zero-shot"}


def in_words(function, *arguments):
    """Call a function; what a person did wrong becomes a message, anything else one that gives nothing away."""
    try:
        return function(*arguments)
    except InputError as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    except Exception as error:
        raise gr.Error("Something went wrong on the server; try again, or with other photos.", duration=None) from error


def check_count(gallery, model):
    count = len(gallery or [])
    good = 2 <= count <= answer.MAX_PHOTOS
    said = f"Please give 2 to {answer.MAX_PHOTOS} photos of one scene; there are {count}."
    return [gr.validate(good, said), gr.validate(True, "")]


def rank_for_programs(photos, model):
    """Rank photos of one scene, best first.

    Returns JSON: `photos` (best first: `rank, photo, score, jod_low, jod_high, reason, measures`; scores in JOD of mean
    0), `win` (n x n chances that a viewer prefers photo i to photo j), `ties` (positions too close to call),
    `left_out` (files that could not be read, and why), `model`.
    """
    found = in_words(answer.rank_files, photos, MODELS[model]).as_dict()
    for photo in found["photos"]:
        photo["photo"] = photo.pop("path")  # gradio_client would take a `path` for a file to fetch
    return found


def rank_for_people(gallery, model, request: gr.Request, progress=gr.Progress()):
    progress(0.1, desc="Reading and judging the photos")
    ranking: Ranking = in_words(answer.rank_files, gallery, MODELS[model])
    progress(0.8, desc="Drawing the answer")
    kept = answer.keep(ranking)
    SHELF.put(request.session_hash, kept)
    return (
        gr.Column(visible=True),
        answer.verdict(ranking, gallery),
        ranking_html(ranking, pick=True),
        answer.closer_look(kept, 0),
        answer.compare_value(kept),
        answer.numbers(ranking),
    )


def look_closer(event: gr.EventData, request: gr.Request):
    kept = in_words(SHELF.get, request.session_hash)
    return answer.closer_look(kept, event.index), gr.Tabs(selected="why")


def save(event: gr.EventData, request: gr.Request):
    """The table or the report, as text that the browser saves."""
    kept = in_words(SHELF.get, request.session_hash)
    if event.what == "csv":
        return {"text": ranking_csv(kept.ranking), "name": "ranking.csv", "made": time.time()}
    return {"text": answer.report(kept), "name": "ranking.html", "made": time.time()}


def forget(gallery, request: gr.Request):
    """Everything of this session goes: uploads, ranking, the classes that it started."""
    remove([path for path, _ in gallery or []], FOLDER)
    SHELF.drop(request.session_hash)
    CLASSES.close(request.session_hash)
    gr.Info("Your photos are deleted from the server.")
    return None, gr.Column(visible=False), "", "", "", {}, ""


def leave(request: gr.Request):
    SHELF.drop(request.session_hash)


def start_class(name, request: gr.Request):
    kept = in_words(SHELF.get, request.session_hash)
    code = CLASSES.open(kept, request.session_hash)
    return gr.Tabs(selected="vote"), code, *enter(code, name)


def enter(code, name):
    """Join a class: its code and the observer go to the session, the first pair to the booth."""
    code, observer = voting.tidy_code(code), voting.observer_name(name)

    def go():
        session = voting.join(CLASSES, code, observer)
        return voting.booth_value(CLASSES.room(code), session)

    value = in_words(go)
    said = f"Class <span class='pq-code'>{code}</span>: give this code to the others."
    result = voting.result_html(CLASSES.room(code), code)
    seat = {"code": code, "observer": observer}
    return seat, gr.update(value=value, visible=True), said, gr.update(visible=True), result


def cast(event: gr.EventData, seat):
    def go():
        if not seat:
            raise InputError("Join a class first: type its code.")
        room = CLASSES.room(seat["code"])
        session = voting.join(CLASSES, seat["code"], seat["observer"])
        value = voting.answer(room, session, str(event.answer), str(event.turn))
        return value, voting.result_html(room, seat["code"])

    return in_words(go)


def refresh(seat):
    return in_words(lambda: voting.result_html(CLASSES.room(seat["code"]), seat["code"])) if seat else ""


def export_votes(seat):
    def go():
        if not seat:
            raise InputError("Join a class first: type its code.")
        return {
            "text": voting.votes_csv(CLASSES.room(seat["code"]), seat["code"]),
            "name": "votes.csv",
            "made": time.time(),
        }

    return in_words(go)


def build_demo() -> gr.Blocks:
    private = {"api_visibility": "private"}
    quick = {**private, "queue": False, "show_progress": "hidden"}
    cpu = {"concurrency_limit": 1, "concurrency_id": "cpu"}
    with gr.Blocks(title="Rank a portrait scene", delete_cache=(60, answer.KEEP_SECONDS)) as demo:
        gr.Markdown(INTRO, elem_classes="pq-lead")
        seat = gr.State({})
        with gr.Tabs() as pages:
            with gr.Tab("Rank", id="rank"):
                photos = gr.Gallery(
                    label="Photos of one scene",
                    type="filepath",
                    format="png",
                    interactive=True,
                    file_types=list(PHOTO_SUFFIXES),
                    sources=["upload", "clipboard"],
                    columns=5,
                    height=260,
                    object_fit="contain",
                    elem_id="photos",
                )
                model = gr.Dropdown(
                    list(MODELS), value=next(iter(MODELS)), label="model", visible=len(MODELS) > 1, elem_id="model"
                )
                button = gr.Button("Rank them", variant="primary", elem_id="rank_button")
                with gr.Row():
                    samples = [
                        gr.Button(f"Try {name}", elem_id=f"sample_{i}", size="md") for i, name in enumerate(SAMPLES)
                    ]
                    delete = gr.Button("Delete my photos now", elem_id="forget", size="md")
                gr.Markdown(PRIVACY, elem_classes="pq-small")
                with gr.Column(visible=False, elem_id="answer") as result:
                    verdict = gr.HTML(label="verdict")
                    strip = booths.strip_cards()
                    with gr.Tabs() as views:
                        with gr.Tab("Why", id="why"):
                            look = gr.HTML(label="closer look")
                        with gr.Tab("Compare two", id="compare_tab"):
                            compare = booths.compare_booth()
                        with gr.Tab("Numbers", id="numbers_tab"):
                            figures = gr.HTML(label="numbers")
                            files = booths.downloads(
                                csv="Download the table (CSV)", report="Download the report (HTML)"
                            )
                    start = gr.Button("Vote on these photos, blind and together", elem_id="start_class")
            with gr.Tab("Vote together", id="vote"):
                gr.Markdown(CLASS_INTRO, elem_classes="pq-small")
                with gr.Row():
                    code = gr.Textbox(label="Code of the class", max_length=12, elem_id="code")
                    name = gr.Textbox(label="Your name (optional; the same name goes on)", max_length=40, elem_id="who")
                    enter_button = gr.Button("Join", variant="primary", elem_id="join")
                said = gr.HTML(label="class", elem_id="class_code")
                booth = booths.vote_booth()
                with gr.Accordion(
                    "Result: crowd and model (look when you have voted)", open=False, visible=False
                ) as panel:
                    crowd = gr.HTML(label="result", elem_id="crowd_result")
                    live = gr.Checkbox(label="Keep it up to date (for the projector)", elem_id="live")
                    votes = booths.downloads(votes="Download the votes (CSV)")
        api_button, api_answer = gr.Button(visible=False), gr.JSON(visible=False, label="ranking")
        timer = gr.Timer(3, active=False)

        answered = [result, verdict, strip, look, compare, figures]
        button.click(rank_for_people, [photos, model], answered, validator=check_count, **cpu, **private)
        api_button.click(rank_for_programs, [photos, model], api_answer, api_name="rank", **cpu)
        photos.upload(answer.showable, photos, photos, concurrency_limit=2, **private)
        for sample, of in zip(samples, SAMPLES, strict=True):
            filled = sample.click(lambda of=of: sample_group(of), None, photos, **cpu, **private)
            filled.success(rank_for_people, [photos, model], answered, **cpu, **private)
        strip.pick(look_closer, None, [look, views], concurrency_limit=2, **private)
        files.ask(save, None, files, concurrency_limit=2, **private)
        delete.click(forget, photos, [photos, *answered], **quick)
        joined = [seat, booth, said, panel, crowd]
        start.click(start_class, name, [pages, code, *joined], **private)
        enter_button.click(enter, [code, name], joined, **private)
        code.submit(enter, [code, name], joined, **private)
        booth.vote(cast, seat, [booth, crowd], **quick)
        votes.ask(export_votes, seat, votes, **quick)
        live.change(lambda on: gr.Timer(active=on), live, timer, **quick)
        timer.tick(refresh, seat, crowd, **quick)
        demo.unload(leave)
    demo.queue(max_size=16)
    return demo


def warm_up() -> None:
    """Load the chosen model before the first person asks for it."""
    from pqa_lab.ranking import load_ranker

    with contextlib.suppress(InputError):  # said again, to the person, when it matters
        load_ranker(next(iter(MODELS.values())))


def serve(host: str = "127.0.0.1", port: int = 7860, browser: bool = False, models: Sequence[str] = ()) -> None:
    """Run the demo until Ctrl-C or SIGTERM; no upload outlives it.

    Parameters
    ----------
    models : sequence of str
        Folders of checkpoints for the menu, the first one chosen; without any, the default ranker.
    """
    if models:
        MODELS.clear()
        MODELS.update({Path(folder).name or str(folder): str(folder) for folder in models})
    demo = build_demo()
    threading.Thread(target=warm_up, daemon=True).start()
    keep_clean(FOLDER, also=SHELF.expire)
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
        footer_links=["api", "gradio"],
        theme=THEME,
        css=(Path(__file__).parent / "app.css").read_text("utf-8"),
        app_kwargs={"middleware": [Middleware(Guard, folder=FOLDER)]},
    )
    run_until_stopped(demo.close, FOLDER)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rank photos of one portrait scene in the browser.")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--model", action="append", default=[], help="folder of a checkpoint; again for more")
    chosen = parser.parse_args()
    serve(chosen.host, chosen.port, models=chosen.model)
