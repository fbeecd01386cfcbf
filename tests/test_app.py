"""The demo in a real Chromium: upload, click, read the ranking, download, and nothing left behind."""

import os
import sys
import time

import pytest
from browser import chromium, free_port, server
from PIL import Image

from pqa_lab.samples import sample_group

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for number, (photo, _) in enumerate(sample_group("an astronaut, six phones")):
        paths.append(folder / f"phone_{number}.jpg")
        Image.fromarray(photo).save(paths[-1], quality=95)
    (folder / "broken.jpg").write_text("no photo")
    return [*paths, folder / "broken.jpg"]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("app"), free_port()
    command = [sys.executable, "-m", "pqa_lab.cli", "app", "--port", str(port), "--no-browser"]
    url = f"http://127.0.0.1:{port}"
    with server(command, url, folder / "log.txt", env={"TMPDIR": str(folder)}) as process:
        yield url, folder, process


def upload(page, url, paths):
    page.goto(url)
    page.locator("#rank_button").wait_for()
    page.locator("#photos input[type=file]").first.set_input_files(paths)
    page.wait_for_function(f"document.querySelectorAll('#photos img').length >= {len(paths)}")
    page.locator("#rank_button").click()
    page.locator("#verdict").wait_for(timeout=120_000)


def test_upload_rank_read_download(app, photos, tmp_path):
    url, folder, _ = app
    outside, errors = [], []
    with chromium(viewport={"width": 1200, "height": 1600}) as page:
        page.on(
            "request", lambda r: outside.append(r.url) if "127.0.0.1" not in r.url and r.url[:4] == "http" else None
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        upload(page, url, photos)
        page.wait_for_function("document.querySelector('#chances .js-plotly-plot')")
        captions = page.locator("#strip .caption-label").all_inner_texts()
        assert [text.split()[0] for text in captions] == [f"#{i}" for i in range(1, 7)]
        assert "broken.jpg" in page.locator("#headline").inner_text()
        scores = [float(text.split()[1]) for text in captions]
        assert scores == sorted(scores, reverse=True)
        with page.expect_download() as download:
            page.locator("#csv").click()
        download.value.save_as(tmp_path / "ranking.csv")
        page.screenshot(path=os.environ.get("PQA_LAB_SHOTS", str(tmp_path)) + "/app.png", full_page=True)
    lines = (tmp_path / "ranking.csv").read_text().splitlines()
    assert len(lines) == 7
    assert outside == []
    assert errors == []


def test_it_fits_a_phone(app, photos, tmp_path):
    with chromium(viewport={"width": 390, "height": 844}) as page:
        upload(page, app[0], photos[:2])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=os.environ.get("PQA_LAB_SHOTS", str(tmp_path)) + "/app_phone.png", full_page=True)


def test_one_photo_is_refused_in_words(app, photos):
    with chromium() as page:
        page.goto(app[0])
        page.locator("#rank_button").wait_for()
        page.locator("#photos input[type=file]").first.set_input_files(photos[:1])
        page.wait_for_function("document.querySelectorAll('#photos img').length >= 1")
        page.locator("#rank_button").click()
        page.get_by_text("2 to 20 photos").last.wait_for()


def test_a_stopped_server_leaves_no_upload(app):
    """Runs last in this file: SIGTERM is what a container sends."""
    _, folder, process = app
    assert any(folder.rglob("*.jpg")) or any(folder.rglob("*.webp"))
    process.terminate()
    for _ in range(100):
        if process.poll() is not None:
            break
        time.sleep(0.2)
    assert [path for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"] == []
