"""The demo in a real Chromium: upload, ranking, comparison, voting, download, and nothing left behind."""

import os
import time

import pytest
from app_server import running_app, write_photos
from browser import chromium

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with running_app(tmp_path_factory.mktemp("app")) as served:
        yield served


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paths = write_photos(folder, 4)
    (folder / "broken.jpg").write_text("no photo")
    (folder / "<img src=x onerror=alert(1)>.jpg").write_bytes(paths[0].read_bytes())
    return [*paths, folder / "broken.jpg", folder / "<img src=x onerror=alert(1)>.jpg"]


def upload(page, url, paths):
    page.goto(url)
    page.locator("#rank_button").wait_for()
    page.locator("#photos input[type=file]").first.set_input_files(paths)
    page.wait_for_function(f"document.querySelectorAll('#photos img').length >= {len(paths)}")
    page.locator("#rank_button").click()
    page.locator("#verdict").wait_for(timeout=120_000)


def shot(page, tmp_path, name):
    page.screenshot(path=os.environ.get("PQA_LAB_SHOTS", str(tmp_path)) + f"/{name}.png", full_page=True)


def transforms(page, booth):
    return page.evaluate(f"[...document.querySelectorAll('{booth} .pq-frame img')].map(i => i.style.transform)")


def vote(page, key):
    """Press a key and wait until the vote is said to be saved."""
    before = page.locator("#vote .pq-status").inner_text()
    page.keyboard.press(key)
    page.wait_for_function("old => document.querySelector('#vote .pq-status').innerText != old", arg=before)
    return page.locator("#vote .pq-status").inner_text()


def test_upload_rank_look_compare_download_vote(app, photos, tmp_path):
    outside, errors, dialogs = [], [], []
    with chromium(viewport={"width": 1200, "height": 1200}) as page:
        page.on("request", lambda r: outside.append(r.url) if "127.0.0.1" not in r.url and r.url[:4] == "http" else 0)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        upload(page, app.url, photos)

        # The strip: best first, the broken file named, a file name that is markup shown as text.
        cards = page.locator(".pqa-card").all_inner_texts()
        assert [text.split(".")[0].strip() for text in cards] == ["1", "2", "3", "4", "5"]
        scores = [float(text.split("JOD")[0].split()[-1]) for text in cards]
        assert scores == sorted(scores, reverse=True)
        assert "broken.jpg" in page.locator("#verdict").inner_text()
        assert any("onerror" in text for text in cards)  # gradio itself takes the brackets off
        assert page.locator(".pqa-faces img").count() == 5

        # A closer look by keyboard.
        page.locator('[data-pick="2"]').focus()
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#look').dataset.place == '2'")
        assert page.locator("#look .pq-maps img").count() == 4
        shot(page, tmp_path, "app")

        # Comparison: both photos move together, and zoom is kept when the challenger changes.
        page.get_by_role("tab", name="Compare two").click()
        page.locator("#compare .pq-booth").focus()
        page.keyboard.press("z")
        page.keyboard.press("Shift+ArrowUp")
        challenger = page.locator("#compare figcaption").nth(1)
        first = challenger.inner_text()
        page.keyboard.press("ArrowRight")
        left, right = transforms(page, "#compare")
        assert left == right
        assert "scale(3)" in left
        assert challenger.inner_text() != first

        # Downloads.
        page.get_by_role("tab", name="Numbers").click()
        for name in ("csv", "report"):
            with page.expect_download() as download:
                page.locator(f"#{name}").click()
            download.value.save_as(tmp_path / name)
        assert len((tmp_path / "csv").read_text().splitlines()) == 6
        report = (tmp_path / "report").read_text()
        assert "<img src=x" not in report
        assert report.count("data:image/jpeg") == 10

        # Blind voting with keys; the crowd's scale appears beside the model's.
        page.locator("#start_class").click()
        page.locator("#vote .pq-frame img[src]").first.wait_for()
        assert "phone" not in page.locator("#vote").inner_text()
        code = page.locator("#class_code .pq-code").inner_text()
        page.locator("#vote .pq-booth").focus()
        assert "A is better" in vote(page, "ArrowLeft")
        assert "B is better" in vote(page, "ArrowRight")
        assert "equal" in vote(page, "Space")
        assert "taken back" in vote(page, "u")
        for key in ("ArrowLeft", "ArrowRight", "ArrowLeft", "ArrowRight"):  # until the votes link all five photos
            vote(page, key)
        page.get_by_text("Result: crowd").click()
        page.locator("#crowd").wait_for()
        assert page.locator("#tally").inner_text().startswith("6 votes by 1 voter")
        with page.expect_download() as download:
            page.locator("#votes").click()
        download.value.save_as(tmp_path / "votes.csv")
        assert len((tmp_path / "votes.csv").read_text().splitlines()) == 7
        shot(page, tmp_path, "app_vote")

        # Another person joins with the code; a third with a wrong one is told so.
        other = page.context.new_page()
        other.goto(app.url)
        other.get_by_role("tab", name="Vote together").click()
        other.locator("#code input, #code textarea").fill(code.lower())
        other.locator("#join").click()
        other.locator("#vote .pq-frame img[src]").first.wait_for()
        assert "0 of" in other.locator("#vote .pq-count").inner_text()
        other.locator("#code input, #code textarea").fill("WRONG2")
        other.locator("#join").click()
        other.get_by_text("no class with this code").wait_for()

        # Deleting takes the photos, the answer and the class.
        page.get_by_role("tab", name="Rank").click()
        page.locator("#forget").click()
        page.locator("#verdict").wait_for(state="hidden")
        other.locator("#code input, #code textarea").fill(code)
        other.locator("#join").click()
        other.get_by_text("no class with this code").last.wait_for()
    assert outside == []
    assert errors == []
    assert dialogs == []


def test_it_fits_a_phone_in_the_dark(app, photos, tmp_path):
    with chromium(viewport={"width": 390, "height": 844}, color_scheme="dark") as page:
        upload(page, app.url, photos[:3])
        for tab in ("Why", "Compare two", "Numbers"):
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
        shot(page, tmp_path, "app_phone")


def test_an_example_is_ranked_by_one_click(app):
    with chromium() as page:
        page.goto(app.url)
        page.locator("#sample_0").click()
        page.locator("#verdict").wait_for()
        assert page.locator("#answer .pqa-card").count() == 6


def test_one_photo_is_refused_in_words(app, photos):
    with chromium() as page:
        page.goto(app.url)
        page.locator("#rank_button").wait_for()
        page.locator("#photos input[type=file]").first.set_input_files(photos[:1])
        page.wait_for_function("document.querySelectorAll('#photos img').length >= 1")
        page.locator("#rank_button").click()
        page.get_by_text("2 to 20 photos").last.wait_for()


def test_heic_and_tiff_are_shown(app, tmp_path):
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    first, second = write_photos(tmp_path, 2)
    Image.open(first).save(tmp_path / "a.heic", quality=95)
    Image.open(second).save(tmp_path / "b.tiff")
    with chromium() as page:
        page.goto(app.url)
        page.locator("#rank_button").wait_for()
        page.locator("#photos input[type=file]").first.set_input_files([tmp_path / "a.heic", tmp_path / "b.tiff"])
        shown = (
            "[...document.querySelectorAll('#photos img')].filter(i => i.complete && i.naturalWidth > 0).length >= 2"
        )
        page.wait_for_function(shown)
        page.locator("#rank_button").click()
        page.locator("#verdict").wait_for(timeout=60_000)
        assert sorted(page.locator(".pqa-name").all_inner_texts()) == ["a.heic", "b.tiff"]


def test_a_stopped_server_leaves_no_upload(app):
    """Runs last in this file: SIGTERM is what a container sends."""
    assert any(app.folder.rglob("*.jpg"))
    app.process.terminate()
    for _ in range(150):
        if app.process.poll() is not None:
            break
        time.sleep(0.2)
    assert [path for path in app.folder.rglob("*") if path.is_file() and path.name != "log.txt"] == []
