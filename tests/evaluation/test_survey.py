"""The survey's numbers as typed, and every claim that is proved from them."""

import re
from pathlib import Path

import numpy as np
import pytest

from pqa_lab import evaluation
from pqa_lab.evaluation import survey_proofs

SURVEY_TEXT = Path(__file__).parents[3] / "shared" / "reference" / "survey.txt"


def test_tables_are_the_surveys():
    """Each printed row is found in the survey's own text, number by number."""
    if not SURVEY_TEXT.is_file():
        pytest.skip("the survey's text is not in ../shared")
    rows = [[cell.strip() for cell in line.split("|")] for line in SURVEY_TEXT.read_text().splitlines() if "|" in line]
    by_method = {(re.split(r" [\[(]", cells[1])[0], len(cells)): cells for cells in rows}
    for row in evaluation.table1().to_dict("records"):
        printed = [float(c) for c in by_method[row["method"], 9][2:8]]
        assert printed == [row[f"{d}_{m}"] for d in ("piq23", "challenge") for m in ("srcc", "plcc", "krcc")]
    for row in evaluation.table2().to_dict("records"):
        cells = by_method[row["method"], 8]
        assert [float(c) for c in cells[2:5]] == [row["piq23_score"], row["challenge_score"], row["params_m"]]
        assert (cells[5] == "Yes", cells[6]) == (row["extra_data"], row["train_res"])
    cost = [cells for cells in rows if cells[0] in ("MACs", "FLOPs", "Params")]
    printed = {cells[0]: [float(c.rstrip("GM")) for c in cells[1:3]] for cells in cost}
    table = evaluation.table3()
    for name, column in (("MACs", "macs_g"), ("FLOPs", "flops_g"), ("Params", "params_m")):
        assert printed[name] == list(table[column])


def test_tables_are_whole_and_say_where_they_are_from():
    for table, rows in ((evaluation.table1(), 8), (evaluation.table2(), 8), (evaluation.table3(), 2)):
        assert len(table) == rows
        assert not table.isna().any(axis=None)
        assert "2404.11159" in table.attrs["source"]
    assert list(evaluation.table1()["key"]) == list(evaluation.table2()["key"])


def test_baselines_agree_with_table1():
    """The PIQ23 columns of Table 1 are the README's medians over scenes, scene split, Overall."""
    readme = evaluation.piq23_baselines().query("split == 'scene' and attribute == 'Overall'")
    for row in evaluation.table1().to_dict("records"):
        same = readme[readme["model"] == row["method"]]
        for metric in ("srcc", "plcc", "krcc"):
            for value in same[metric]:
                assert value == pytest.approx(row[f"piq23_{metric}"], abs=0.005)
    assert readme["model"].nunique() == 6
    counts = evaluation.piq23_baselines().query("revision == '00a4429'").groupby(["split", "attribute"]).size()
    assert set(counts.loc["device"]) == {6}
    assert set(counts.loc["scene"]) == {5}


def test_new_scenes_are_harder_than_new_devices_in_the_baselines():
    table = (
        evaluation.piq23_baselines().query("revision == '00a4429'").pivot_table("srcc", ["model", "attribute"], "split")
    )
    both = table.dropna()
    assert len(both) == 15
    assert (both["device"] > both["scene"]).all()


def test_every_challenge_rank_correlation_is_a_median_of_scenes_of_seven():
    table = evaluation.lattice_check()
    assert len(table) == 16
    assert table["on_lattice"].all()
    assert table["chance"].prod() < 1e-23
    how = table.set_index(["method", "metric"])["how"]
    assert how["RQ-Net", "srcc"] == "mean of sum d^2 = 26 and 24"
    assert how["FULL-HyperIQA", "krcc"] == "C - D = 9"


def test_the_lattice_check_can_fail(monkeypatch):
    table = evaluation.table1()
    table.loc[0, "challenge_srcc"] = 0.560
    monkeypatch.setattr(survey_proofs, "table1", lambda: table)
    assert list(survey_proofs.lattice_check().query("~on_lattice")["printed"]) == [0.560]


def test_the_lattice_is_what_scenes_of_seven_give():
    """Medians of 96 simulated scenes always land on it; means hardly ever do."""
    rng = np.random.default_rng(0)
    lattice = {d: 1 - 6 * d / 336 for d in range(0, 113, 2)}
    reachable = survey_proofs._medians(lattice, "{}")
    score, jod = survey_proofs._simulate(1.5, 96 * 200, 7, rng)
    values = survey_proofs._srcc(score, jod).reshape(200, 96)
    assert all(round(v, 3) in reachable for v in np.median(values, axis=1))
    assert np.mean([round(v, 3) in reachable for v in values.mean(axis=1)]) < 0.2


def test_noise_of_a_median_over_the_challenge():
    assert survey_proofs.median_noise(0.0, draws=300) == pytest.approx(0.056, abs=0.005)
    assert survey_proofs.median_noise(0.55, draws=300) == pytest.approx(0.045, abs=0.006)
    mean, median = (survey_proofs.median_noise(0.4, statistic=s, draws=300) for s in ("mean", "median"))
    assert mean < 0.85 * median  # what the challenge gave away by taking the median


def test_blind_noise_agrees_with_an_exact_count():
    """Without signal SRCC has variance 1 / (n - 1)."""
    assert survey_proofs.median_noise(0.0, 1, 7, "mean", draws=20_000) == pytest.approx(1 / np.sqrt(6), rel=0.02)


def test_piq23_order_does_not_predict_the_challenge():
    table = evaluation.rank_reversal().set_index("rows")
    assert table.loc["all 8", "spearman"] == pytest.approx(-0.31, abs=0.005)
    assert table.loc["all 8", "p"] == pytest.approx(0.46, abs=0.02)
    assert table.loc["5 teams", "spearman"] == pytest.approx(0.10)
    assert table.loc["5 teams", "p"] > 0.9


def test_table2_is_no_mean_of_medians_but_near_one():
    table = evaluation.table2_score_check(draws=200)
    challenge = table.query("data == 'challenge'")
    assert (table["residual"].abs() > 0.0015).any()  # more than rounding
    assert table["residual"].abs().max() < 0.018
    assert challenge["sd_expected"].iloc[0] == pytest.approx(0.0165, abs=0.003)
    assert (challenge["residual"] / challenge["sd_expected"]).abs().max() < 2
    assert (table["residual_without_krcc"] < -0.025).all()  # SRCC and PLCC alone are excluded


@pytest.mark.slow
def test_the_top_of_the_challenge_is_a_tie():
    table = evaluation.rank_noise().set_index(["first", "second"])
    for pair in (("RQ-Net", "FULL-HyperIQA"), ("RQ-Net", "SEM-HyperIQA"), ("FULL-HyperIQA", "SEM-HyperIQA")):
        assert table.loc[pair, "tie"]
    assert not table.loc[("RQ-Net", "SAR"), "tie"]
    assert table.loc[("RQ-Net", "SAR"), "z"] > 3
    assert table["tie"].sum() > 14  # most pairs of the ranking


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, 2.0, 3.0])
def test_plcc_of_table1_is_raw(monkeypatch, gap):
    monkeypatch.setattr(survey_proofs, "REFERENCE_GAP", gap)
    survey_proofs._noise_for.cache_clear()
    table = evaluation.plcc_is_raw()
    assert (table["verdict"] == "raw").all()
    assert (table["plcc_logistic"] > table["plcc_printed"] + 0.1).all()
    assert table["plcc_logistic"].min() > table["plcc_printed"].max()
    survey_proofs._noise_for.cache_clear()
