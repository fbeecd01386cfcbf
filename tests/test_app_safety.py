"""The server of strangers' photos: hostile files, ten people at once, memory, isolation, no traces."""

import io
import re
import threading
import time

import pytest
from app_server import APP, running_app, write_photos
from hostile import oriented, write_hostile
from PIL import Image

from pqa_lab.scenes.photo import PHOTO_SUFFIXES

ROOT = APP.parent
COLOURS = ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]


def client(url):
    from gradio_client import Client

    return Client(url, verbose=False)


def rank(talk, paths):
    from gradio_client import handle_file

    gallery = [{"image": handle_file(str(path)), "caption": path.name} for path in paths]
    return talk.predict(gallery, api_name="/rank")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with running_app(tmp_path_factory.mktemp("safe")) as served:
        yield served


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"), 3)


@pytest.mark.slow
def test_every_hostile_file_is_judged_or_refused_in_words(app, photos, tmp_path):
    cases = write_hostile(tmp_path / "hostile")
    assert len(cases) >= 40
    talk = client(app.url)
    strange = [name for name in cases if not name.lower().endswith(PHOTO_SUFFIXES)]
    for name in strange:  # turned away by their suffix, before anything opens them
        with pytest.raises(Exception, match="Invalid file type"):
            rank(talk, [*photos[:2], tmp_path / "hostile" / name])
    # gradio takes brackets and the like out of names
    cases = {name: phrase for name, phrase in cases.items() if name not in strange and "<" not in name}
    for start in range(0, len(cases), 16):
        names = list(cases)[start : start + 16]
        answer = rank(talk, [*photos[:2], *(tmp_path / "hostile" / name for name in names)])
        lost = {item["photo"]: item["why"] for item in answer["left_out"]}
        for name in names:
            phrase = cases[name]
            assert (name in lost) == (phrase is not None), (name, lost.get(name))
            if phrase is not None:
                assert phrase in lost[name]
                assert str(app.folder) not in lost[name]
    assert len(rank(talk, photos)["photos"]) == 3


@pytest.mark.slow
def test_ten_at_once_get_their_own_answer_or_a_polite_busy(app, photos, tmp_path):
    answers, refusals = {}, []

    def person(number):
        paths = []
        for k in range(2):
            paths.append(tmp_path / f"person{number}_{k}.jpg")
            paths[-1].write_bytes(photos[k].read_bytes())
        try:
            answers[number] = rank(client(app.url), paths)
        except Exception as error:  # what a person would read
            refusals.append(str(error))

    people = [threading.Thread(target=person, args=(number,)) for number in range(10)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join(300)
    assert len(answers) + len(refusals) == 10
    assert len(answers) >= 5
    assert all("full" in text.lower() or "busy" in text.lower() for text in refusals), refusals
    for number, answer in answers.items():
        assert {p["photo"] for p in answer["photos"]} == {f"person{number}_0.jpg", f"person{number}_1.jpg"}


@pytest.mark.slow
def test_memory_stays_bounded(app, photos):
    psutil = pytest.importorskip("psutil")
    process, talk = psutil.Process(app.process.pid), client(app.url)
    for _ in range(15):
        rank(talk, photos[:2])
    before = process.memory_info().rss
    for _ in range(185):
        rank(talk, photos[:2])
    assert process.memory_info().rss - before < 60 * 2**20


@pytest.mark.slow
def test_one_photo_and_a_stranger_to_the_menu_are_told_so(app, photos):
    with pytest.raises(Exception, match="2 to 20 photos"):
        rank(client(app.url), photos[:1])
    from gradio_client import handle_file

    gallery = [{"image": handle_file(str(path)), "caption": None} for path in photos]
    with pytest.raises(Exception, match="choices"):
        client(app.url).predict(gallery, "/etc", api_name="/rank")


@pytest.mark.slow
def test_headers_and_caps(app):
    import urllib.error
    import urllib.request

    with urllib.request.urlopen(app.url) as page:
        assert page.headers["x-content-type-options"] == "nosniff"
    request = urllib.request.Request(f"{app.url}/gradio_api/upload", method="POST", data=b"x")
    request.add_unredirected_header("Content-Length", str(300 * 2**20))
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request)
    for path in ("/etc/passwd", str(APP)):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{app.url}/gradio_api/file={path}")


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    pytest.importorskip("gradio")
    import answer
    import safety
    import voting

    return answer, safety, voting


@pytest.fixture
def kept(modules):
    import numpy as np

    from pqa_lab.ranking import Calibration, assemble

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (90, 80, 3)).astype(np.uint8) for _ in range(4)]
    names = ["=cmd.jpg", "b.jpg", "c.jpg", "d.jpg"]
    return modules[0].keep(assemble(names, images, np.array([1.0, 0.5, -0.5, -1.0]), Calibration(), [], "test"))


def test_what_is_kept_carries_no_metadata(modules, kept):
    assert all(not Image.open(io.BytesIO(jpeg)).getexif() for jpeg in kept.jpegs)
    assert b"GPS" not in b"".join(kept.jpegs)


def test_previews_carry_no_position(modules, tmp_path):
    (tmp_path / "a.tif").write_bytes(oriented("TIFF", 6, gps=True))
    [(path, caption)] = modules[0].showable([(str(tmp_path / "a.tif"), None)])
    assert caption == "a.tif"
    assert not Image.open(path).getexif()


def test_a_session_gets_its_own_and_nothing_lasts(modules, kept):
    from dataclasses import replace

    from pqa_lab.errors import InputError

    shelf = modules[0].Shelf(limit=3 * kept.size, age=0.2)
    for session in "abcd":
        shelf.put(session, replace(kept, born=time.monotonic()))
    assert shelf.get("d") is not shelf.get("c")
    with pytest.raises(InputError, match="rank again"):
        shelf.get("a")  # the oldest made room
    with pytest.raises(InputError, match="rank again"):
        shelf.get(None)
    time.sleep(0.3)
    with pytest.raises(InputError, match="rank again"):
        shelf.get("d")


def test_the_janitor_leaves_open_classes(modules, tmp_path):
    _, safety, _ = modules
    for name in ("votes/A.sqlite", "hash/photo.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    safety.sweep(tmp_path, age=-1)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["A.sqlite"]
    safety.remove(["/etc/hostname", str(tmp_path / "votes" / "A.sqlite")], tmp_path)
    assert list((tmp_path / "votes").iterdir()) == []


def test_a_class_votes_and_closes(modules, kept, tmp_path):
    *_, voting = modules
    classes = voting.Classes(tmp_path / "votes")
    code = classes.open(kept, "owner")
    assert voting.tidy_code(f" {code.lower()[:3]}-{code[3:]} ") == code
    room = classes.room(code)
    for observer in ("Ann", "Ben"):
        session = voting.join(classes, code, observer)
        value = voting.booth_value(room, session)
        assert not set(value) & {"first", "second"}  # nothing that names a photo reaches the voter
        while value["turn"]:
            pair = session.current
            better = "first" if room.names.index(pair.first) < room.names.index(pair.second) else "second"
            value = voting.answer(room, session, better, value["turn"])
        assert "thank you" in value["status"]
        late = voting.answer(room, session, "first", "0-late")
        assert late["done"] == value["done"]
    result = voting.result_html(room, code)
    assert "12 votes by 2 voters" in result
    assert "correlation of crowd and model: 1.00" in result
    assert voting.votes_csv(room, code).count("'=cmd.jpg") == 6
    classes.close("somebody else")
    classes.close("owner")
    with pytest.raises(Exception, match="no class"):
        classes.room(code)
    assert list((tmp_path / "votes").iterdir()) == []


def test_names(modules):
    answer, *_ = modules
    gallery = [("/x/a.jpg", None), ("/y/a.jpg", None), ("/z/b.jpg", "../../etc/passwd"), ("/z/c.jpg", "C:\\me\\d.jpg")]
    assert answer.unique_names(gallery) == ["a.jpg", "a.jpg (2)", "passwd", "d.jpg"]


def test_front_matter_is_what_spaces_accept():
    import yaml

    _, front, words = (ROOT / "README.md").read_text("utf-8").split("---", 2)
    facts = yaml.safe_load(front)
    assert {"title", "emoji", "sdk", "sdk_version", "python_version", "app_file", "license"} <= set(facts)
    assert facts["sdk"] == "gradio"
    assert re.fullmatch(r"6\.\d+\.\d+", facts["sdk_version"])
    assert facts["python_version"] in ("3.12.12", "3.10.13")  # what ZeroGPU offers
    assert facts["colorFrom"] in COLOURS
    assert facts["colorTo"] in COLOURS
    assert len(facts["short_description"]) <= 60
    assert facts["suggested_hardware"] in ("cpu-basic", "zero-a10g")
    assert (ROOT / facts["app_file"]).is_file()
    assert words.strip()


def test_requirements_agree_with_the_package():
    import tomllib

    project = tomllib.loads((ROOT.parents[1] / "pyproject.toml").read_text())["project"]
    assert (ROOT / "requirements.txt").read_text().split() == [f"{project['name']}[app]"]
    pinned = re.search(r"sdk_version: (\S+)", (ROOT / "README.md").read_text())[1].split(".")
    floor, below = re.search(r"gradio>=([\d.]+),<(\d+)", str(project["optional-dependencies"]["app"])).groups()
    assert [int(n) for n in floor.split(".")] <= [int(n) for n in pinned] < [int(below)]


@pytest.mark.slow
def test_the_folder_runs_alone(photos, tmp_path):
    import shutil

    shutil.copytree(ROOT, tmp_path / "space", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "run").mkdir()
    with running_app(tmp_path / "run", tmp_path / "space" / "app.py") as served:
        answer = rank(client(served.url), photos)
    assert [photo["rank"] for photo in answer["photos"]] == [1, 2, 3]
    assert all(0 <= chance <= 1 for row in answer["win"] for chance in row)


def test_a_name_that_is_markup_stays_text(modules):
    import numpy as np

    from pqa_lab.ranking import Calibration, assemble
    from pqa_lab.report import ranking_html

    answer, *_ = modules
    name = "<img src=x onerror=alert(1)>.jpg"
    images = [np.full((90, 80, 3), level, np.uint8) for level in (90, 140)]
    ranking = assemble([name, "b.jpg"], images, np.array([0.1, -0.1]), Calibration(), [(name, "cut")], "test")
    kept = answer.keep(ranking)
    pages = [ranking_html(ranking), answer.numbers(ranking), answer.closer_look(kept, 0), answer.report(kept)]
    pages.append(answer.verdict(ranking, [(name, None), (name, None)]))
    assert not any("<img src=x" in page for page in pages)
    assert all("&lt;img src=x" in page for page in pages)
