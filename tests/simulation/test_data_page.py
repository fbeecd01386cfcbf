"""The page on the data: one file, with its pictures and its honest heading."""

import re
from pathlib import Path

import pytest

from pqa_lab.simulation import simulate


@pytest.mark.slow
def test_the_page_is_one_file_that_says_what_it_is(tmp_path: Path, monkeypatch):
    from pqa_lab.data_page import write_data_page

    monkeypatch.setenv("PQA_LAB_CACHE", str(tmp_path / "cache"))
    rows = simulate(scenes=3, images=5, size=96, workers=1, progress=False)
    write_data_page(rows, tmp_path / "data.html")
    page = (tmp_path / "data.html").read_text()
    assert "not PIQ23" in page
    assert page.count("plotly-graph-div") == 4
    assert not re.findall(r'src="https?://', page)
    for scene in set(rows["scene"]):
        assert scene in page
    assert [path.name for path in tmp_path.glob("*.part")] == []
