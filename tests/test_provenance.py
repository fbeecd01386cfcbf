"""Each place of the survey is mapped to code that exists and has the stated value, or to an omission and its reason."""

import re
import warnings

import pandas as pd
import pytest
from survey_inventory import INVENTORY, SURVEY_TEXT, inventory

from pqa_lab.errors import InputError
from pqa_lab.provenance import keys, provenance, resolve

PLACES = pd.read_csv(INVENTORY, dtype=str, keep_default_na=False).set_index("key")["numbers"]
KINDS = {"equation", "table", "figure", "architecture", "recipe", "data", "evaluation", "claim", "context"}
EVIDENCE = {"stated", "public code", "inferred", "omitted"}


def missing(table: pd.DataFrame) -> list[str]:
    """Places of the inventory without a line, and numbers of a place that no line about it tells."""
    told = {}
    for line in table.itertuples():
        for key in keys(line.place):
            told.setdefault(key, set()).update(numbers(f"{line.says} {line.note}"))
    absent = [key for key in PLACES.index if key not in told]
    return absent + [
        f"{key}: {number}" for key in PLACES.index.intersection(list(told)) for number in PLACES[key].split()
        if float(number) not in told[key]
    ]  # fmt: skip


def numbers(text: str) -> set[float]:
    return {float(number) for number in re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?:e-?\d+)?", text)}


def test_nothing_of_the_survey_is_missing():
    assert missing(provenance()) == []


@pytest.mark.parametrize("place", ["equation3", "table2/SAR", "3.5/19", "figure5"])
def test_a_removed_line_is_noticed(place):
    table = provenance()
    assert place in missing(table[[place not in keys(places) for places in table["place"]]])


def test_a_number_left_out_is_noticed():
    table = provenance()
    table["says"] = table["says"].str.replace("batch 11", "a batch")
    table["note"] = table["note"].str.replace("11", "")
    assert missing(table) == ["3.4/41: 11"]


def test_no_line_is_about_a_place_that_does_not_exist():
    assert [key for places in provenance()["place"] for key in keys(places) if key not in PLACES.index] == []


def test_the_inventory_is_the_surveys():
    if not SURVEY_TEXT.is_file():
        pytest.skip("the survey's text is not in ../shared")
    found = inventory(SURVEY_TEXT.read_text(encoding="utf-8"))
    kept = pd.read_csv(INVENTORY, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found, kept)
    assert {f"equation{n}" for n in range(1, 7)} | {f"figure{n}" for n in range(1, 10)} <= set(found["key"])
    assert found["key"].str.match(r"table[123]/").sum() == 8 + 8 + 4


@pytest.mark.parametrize("symbol", sorted({s for line in provenance()["implemented_by"] for s in line.split()}))
def test_every_symbol_exists_and_has_its_value(symbol):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resolve(symbol)


@pytest.mark.parametrize(
    "symbol", ["pqa_lab.methods.sar:RECIPES.paper.epochs=81", "pqa_lab.methods.sar:SARS", "pqa_lab.nowhere:x"]
)
def test_what_is_not_there_is_refused(symbol):
    with pytest.raises(InputError):
        resolve(symbol)


def test_every_line_says_how_it_is_known():
    table = provenance()
    assert set(table["kind"]) == KINDS
    assert set(table["evidence"]) == EVIDENCE
    assert (table["says"] != "").all()
    omitted = table["evidence"] == "omitted"
    assert (omitted == (table["implemented_by"] == "")).all()
    assert (table["note"][omitted | (table["evidence"] != "stated")] != "").all()


def test_a_part_can_be_asked_for():
    assert len(provenance("equation")) == 6
    assert "224" in provenance("3.5/29")["says"].item()
    with pytest.raises(InputError, match="No place"):
        provenance("9.9")
