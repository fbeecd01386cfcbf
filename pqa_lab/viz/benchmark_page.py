"""The benchmark as a page and as Markdown, with the survey's own tables beside ours."""

from __future__ import annotations

import html
import os
from pathlib import Path

import numpy as np
import pandas as pd

from pqa_lab.evaluation.benchmark import VARIANTS, load_cells
from pqa_lab.evaluation.benchmark_tables import OURS, PARTS, claims, order_kept, results_table, versus
from pqa_lab.evaluation.benchmark_world import DEVICE_FOLDS, FOLDS, World, world_votes
from pqa_lab.evaluation.calibration import calibration_curve, calibration_error, predicted_chances
from pqa_lab.evaluation.ceiling import label_noise_ceiling
from pqa_lab.evaluation.files import save_evaluation
from pqa_lab.evaluation.protocol import HEADLINE
from pqa_lab.evaluation.survey import table1, table2
from pqa_lab.evaluation.survey_proofs import rank_reversal
from pqa_lab.report import write_page, write_table
from pqa_lab.viz.benchmark import NAMES, calibration_figure, known_new_figure
from pqa_lab.viz.show import _markdown, caption, figure_html

SIMULATION = (
    "All figures of ours come from the simulation (drawn portraits, simulated phones, a simulated panel) and from tiny "
    "models trained for a minute or two. None of them is a result on PIQ23 or on the challenge's photos, and none says "
    "how good the published methods are. Columns marked 'survey' are copied from the survey: other data, other sizes."
)
# Intervals stay on one line; what is too wide scrolls in its own region.
STYLE = "<style>body { max-width: 100rem; } .wide { overflow-x: auto; } .wide td { white-space: nowrap; }</style>"
FOUR = "Each cell: SRCC / PLCC / KRCC / score; medians over scenes. M: millions of parameters."
CALIBRATED = ("new_scene_all", "challenge")


def write_benchmark_page(out: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> Path:
    """Write all that the cells in ``out`` say to the folder ``to`` (default: ``out`` itself).

    ``benchmark.html`` (self-contained), ``benchmark.md``, ``scores.parquet`` (every image; this function draws the page
    again from it), ``results.csv, versus.csv, claims.csv, calibration.csv``. Returns the page's path.
    """
    to = Path(out if to is None else to)
    cells = load_cells(out)
    facts = cells.attrs["cells"]
    world = World(**facts[0]["world"])
    results, claimed = results_table(cells), claims(cells)
    against = versus(cells)
    figures = [known_new_figure(results)]
    tables = {"results": results, "versus": against, "claims": claimed}
    if (cells["method"] == OURS).any():
        curves, errors = win_calibration(cells, world_votes(world))
        figures.append(calibration_figure(curves, errors))
        tables["calibration"] = pd.concat(
            [curve.assign(part=part, **errors[part]) for part, curve in curves.items()], ignore_index=True
        )
    sections = [
        ("What this is", [SIMULATION, *_about(facts, world)]),
        ("Known beside new", [figures[0], _wide(results, list(VARIANTS)), _notes(cells, results)]),
        ("The survey's Tables 1 and 2, and the simulation", [SIMULATION, FOUR, _beside(results), _order(cells)]),
        ("The survey's claims, and ours", [_claims(claimed)]),
        ("The set ranker against each other method", [_versus(against)]),
    ]
    if len(figures) > 1:
        sections.append(("Do its chances of winning come true?", [figures[1]]))

    to.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(table, to / f"{name}.csv")
    cells.attrs = {}
    save_evaluation(cells, to / "scores.parquet", cells=facts)
    title = "pqa_lab benchmark: tiny models on simulated scenes, not PIQ23"
    _write_markdown(to / "benchmark.md", title, sections)
    page, plotly = [], True
    for heading, parts in sections:
        body = [] if page else [STYLE]
        for part in parts:
            if isinstance(part, str):
                body.append(f"<p>{html.escape(part)}</p>")
            elif isinstance(part, pd.DataFrame):
                table = part.to_html(index=False, border=0, na_rep="–")
                body.append(
                    f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(heading)}">{table}</div>'
                )
            else:
                body.append(figure_html(part, plotlyjs=plotly))
                plotly = False
        page.append((heading, "".join(body)))
    write_page(to / "benchmark.html", title, page)
    return to / "benchmark.html"


def win_calibration(
    cells: pd.DataFrame, votes: pd.DataFrame, method: str = OURS
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, float]]]:
    """Curve and error of a method's chances of winning on new scenes, all seeds together; keys are parts.

    The challenge's scenes are scored by every seed, so their votes count once a seed: the interval, over scenes, knows
    this; the error's ``floor`` takes them for different votes and is a little low there.
    """
    curves, errors = {}, {}
    for part in CALIBRATED:
        chosen = cells[(cells["method"] == method) & (cells["part"] == part)].assign(image=lambda t: t["photo"])
        if chosen.empty:
            continue
        pairs = pd.concat(
            [predicted_chances(of_seed, votes) for _, of_seed in chosen.groupby("seed")], ignore_index=True
        )
        curves[part], errors[part] = calibration_curve(pairs), calibration_error(pairs)
    return curves, errors


def _about(facts: list[dict], world: World) -> list[str | pd.DataFrame]:
    first = facts[0]
    times = sorted(fact["created"] for fact in facts)
    seconds = sum(fact["fit_seconds"] for fact in facts)
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    sets = "; ".join(", ".join(names) for names in DEVICE_FOLDS)
    trained = [fact["trained_on"]["photos"] for fact in facts]
    threads = " or ".join(str(count) for count in sorted({fact["threads"] for fact in facts}))
    return [
        f"Command: python -m pqa_lab.evaluation.benchmark --out DIR --page DIR. {len(facts)} cells (method and seed), "
        f"{times[0]} to {times[-1]}; {seconds / 60:.0f} CPU minutes of training, {threads} thread(s) a run, "
        f"{'; '.join(sorted({fact['machine'] for fact in facts}))}. Versions: {versions}.",
        f"World: load_simulated(scenes={world.scenes}, images={world.images}, size={world.size}, seed={world.seed}) "
        f"and {world.challenge_scenes} scenes of shift='challenge'. Every run sees {world.photos} photos (with "
        f"repetition) of {min(trained)} to {max(trained)} different ones; all else is the method's own tiny recipe.",
        f"Three runs, three folds of scenes and devices ({sets}; polar and studio are known to all). In every scene "
        "the photos by one set of devices are never trained on. One run knows the scene and these devices, to one the "
        "scene is new, to one the devices: a drop is the mean over scenes of a paired difference on the same photos, "
        f"at equal group size. Seed mod {FOLDS} is the fold. 'New devices' are new to the labels that a run is trained "
        "on; the backbones that ship with the package were pre-trained, in another world, on photos by all simulated "
        "devices (the set ranker has none).",
        "A scene's value is the mean over the seeds that scored it. Medians over scenes and their 95 % bootstrap "
        "intervals over scenes, models held fixed. Groups of seven photos give noisy SRCC, in known and new scenes "
        "alike; 'new scenes, all photos' (about 17) is where methods compare.",
    ]


def _notes(cells: pd.DataFrame, results: pd.DataFrame) -> str:
    told = []
    for part, n in results.groupby("part", sort=False)["n"].first().items():
        photos = cells[cells["part"] == part].drop_duplicates(["scene", "photo"])
        told.append(f"{part} {n:.1f} photos, {label_noise_ceiling(photos)['srcc'].median():.2f}")
    return (
        f"Mean photos a scene, and the SRCC that a perfect scorer would reach against labels as noisy as these: "
        f"{'; '.join(told)}. CPU s is a run's training; ms a photo is scoring with test-time augmentation."
    )


def _wide(results: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """One row a method: SRCC with interval on every part, drops, cost."""
    rows = []
    for method in methods:
        parts = results[results["method"] == method].set_index("part")
        if parts.empty:
            continue
        row = {"method": method + (f" ({VARIANTS[method].about})" if VARIANTS[method].about else "")}
        for part in PARTS:
            row[f"SRCC {part}"] = _with(parts, part, "srcc")
            if part in ("new_device", "new_scene"):
                row[f"drop {part}"] = _with(parts, part, "drop", sign=True)
        first = parts.iloc[0]
        row |= {"score challenge": _with(parts, "challenge", "challenge"), "seeds": int(first["seeds"])}
        row |= {"parameters": f"{first['parameters']:,.0f}", "CPU s": f"{first['fit_seconds']:.0f}"}
        rows.append(row | {"ms a photo": f"{1000 * first['score_seconds']:.0f}"})
    return pd.DataFrame(rows)


def _with(parts: pd.DataFrame, part: str, name: str, sign: bool = False) -> str:
    if part not in parts.index or np.isnan(parts.loc[part, name]):
        return "–"
    value, low, high = (parts.loc[part, column] for column in (name, f"{name}_low", f"{name}_high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})" if sign else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _beside(results: pd.DataFrame) -> pd.DataFrame:
    """The survey's numbers and ours, one row a method of the survey, then those that it does not rank."""
    survey = table1().merge(table2(), on=["team", "method", "key"]).set_index("key")
    rows = []
    for key in [*survey.index, "liqe", OURS]:
        line = survey.loc[key] if key in survey.index else None
        parts = results[results["method"] == key].set_index("part")
        row = {"method": key if line is None else line["method"]}
        for data, name in (("piq23", "PIQ23"), ("challenge", "challenge")):
            row[f"survey, {name}"] = _four(line, [f"{data}_{m}" for m in ("srcc", "plcc", "krcc", "score")])
        row["survey, M"] = "–" if line is None else f"{line['params_m']:g}"
        for part in ("known", "new_scene_all", "challenge"):
            row[f"simulation, {NAMES[part]}"] = _four(parts.loc[part] if part in parts.index else None, HEADLINE)
        row["tiny, M"] = f"{parts['parameters'].iloc[0] / 1e6:.2f}" if len(parts) else "–"
        rows.append(row)
    return pd.DataFrame(rows)


def _four(line: pd.Series | None, names: list[str]) -> str:
    return "–" if line is None else " / ".join(f"{line[name]:.3f}" for name in names)


def _order(cells: pd.DataFrame) -> str:
    survey, ours = rank_reversal().iloc[0], order_kept(cells)
    text = (
        f"Survey: Spearman between the methods' PIQ23 and challenge scores {survey['spearman']:+.2f} "
        f"(p {survey['p']:.2f})."
    )
    if np.isnan(ours["spearman"]):
        return f"{text} Simulation: not enough methods were run."
    return (
        f"{text} Simulation, known scenes against the challenge-like ones, {ours['methods']:.0f} published methods: "
        f"{ours['spearman']:+.2f} ({ours['low']:+.2f} to {ours['high']:+.2f})."
    )


def _claims(claimed: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "claim": claimed["claim"],
            "measured (SRCC, mean over scenes, paired)": claimed["measured"],
            "difference (95 %)": [_signed(row) for row in claimed.to_dict("records")],
            "least and largest of a seed": [_seeds(row) for row in claimed.to_dict("records")],
            "p": claimed["p_permutation"].map(lambda p: "–" if np.isnan(p) else f"{p:.4f}"),
            "scenes": claimed["scenes"].astype(int),
            "verdict": claimed["verdict"],
        }
    )


def _versus(against: pd.DataFrame) -> pd.DataFrame:
    if against.empty:
        return against
    text = [_signed(row) + (" *" if row["ahead"] else "") for row in against.to_dict("records")]
    wide = against.assign(text=text).pivot(index="against", columns="part", values="text")
    wide = wide.reindex(index=list(dict.fromkeys(against["against"])), columns=[p for p in PARTS if p in wide.columns])
    wide.columns.name = None
    return (
        wide.fillna("–").reset_index().rename(columns={"against": f"{OURS} minus … (* interval and all seeds above 0)"})
    )


def _signed(row: dict) -> str:
    if np.isnan(row["difference"]):
        return "–"
    return f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"


def _seeds(row: dict) -> str:
    return "–" if np.isnan(row["seed_low"]) else f"{row['seed_low']:+.3f}, {row['seed_high']:+.3f}"


def _write_markdown(path: Path, title: str, sections: list[tuple[str, list]]) -> None:
    lines, figures = [f"# {title}"], 0
    for heading, parts in sections:
        lines.append(f"## {heading}")
        for part in parts:
            if isinstance(part, str):
                lines.append(part)
            elif isinstance(part, pd.DataFrame):
                lines.append(_markdown(part))
            else:
                figures += 1
                picture = path.with_name(f"benchmark_{figures}.png")  # where somebody has laid one beside the page
                lines += [f"![{caption(part)}]({picture.name})"] if picture.exists() else []
                lines.append(f"*Figure (benchmark.html).* {caption(part)}")
    aside = path.with_name(path.name + ".part")
    aside.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    os.replace(aside, path)
