"""How fast is it? Every benchmark of the rooms in one run, each beside what one would use instead.

A ratio is the other way's time over ours, taken in this run on this machine, so it can be compared between machines;
seconds cannot. Nothing here is a limit that a test holds.
"""

from __future__ import annotations

import html
import json
import os
import platform
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from pqa_lab.report import table_html, write_page
from pqa_lab.speed import parts
from pqa_lab.speed.growth import exponents, growth, growth_figure

COLUMNS = ["part", "what", "ours", "other", "unit", "ratio", "beside"]


def speed(out: str | os.PathLike[str], quick: bool = False, paper: bool = False, progress: bool = True) -> dict:
    """Run all benchmarks and write ``speed.json`` and ``speed.html`` to ``out``.

    Parameters
    ----------
    out : path
        A folder; made if missing.
    quick : bool
        Small sizes: about a minute. Its figures show the way, not the speed.
    paper : bool
        Also time the published sizes of the methods on the CPU (minutes, a few GB).
    progress : bool

    Returns
    -------
    dict
        ``machine``; ``table`` (DataFrame: ``part, what, ours, other, unit, ratio, beside``; a ratio above 1 means that
        ours is faster, or smaller); ``growth`` (DataFrame: ``job, of, size, seconds``); ``exponents`` (DataFrame:
        ``job, of, exponent, error``); ``gpu`` (DataFrame, or a sentence where there is none).
    """
    jobs = {
        "start": lambda: parts.start(3 if quick else 9),
        "scaling": lambda: parts.scaling(quick),
        "metrics": lambda: parts.metrics(quick),
        "views": lambda: parts.views(quick),
        "training loop": lambda: parts.loop(quick),
        "HyperIQA": lambda: parts.hyperiqa(quick),
        "tiny methods": lambda: parts.methods("tiny", 1 if quick else 3),
        **({"paper methods": lambda: parts.methods("paper", 1)} if paper else {}),
        "ranking": lambda: parts.ranking(quick),
        "memory": lambda: parts.memory(quick),
    }
    rows, bar = [], tqdm(jobs, disable=not progress, unit="part")
    for part in bar:
        bar.set_description(part)
        rows += [dict(zip(COLUMNS, (part, *row), strict=True)) for row in jobs[part]()]
    grown = growth(quick, progress)
    found = {
        "machine": _machine(quick),
        "table": pd.DataFrame(rows, columns=COLUMNS),
        "growth": grown,
        "exponents": exponents(grown),
        "gpu": _gpu(),
    }
    _write(Path(out), found)
    return found


def _gpu() -> pd.DataFrame | str:
    import torch

    from pqa_lab.methods.benchmark_gpu import throughput

    return throughput() if torch.cuda.is_available() else "No GPU here: throughput in bf16 was not measured."


def _machine(quick: bool) -> dict:
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "quick": quick,
    }


def speed_text(found: dict) -> str:
    """The tables as the command prints them."""
    table = found["table"]
    lines = []
    for part, rows in table.groupby("part", sort=False):
        lines.append(f"{part}")
        for row in rows.itertuples():
            if not row.unit:
                lines.append(f"  {row.what}")
                continue
            other = "" if np.isnan(row.other) else f"{row.other:10.3g}   {row.ratio:8.3g} x   {row.beside}"
            lines.append(f"  {row.what:80.80} {row.ours:9.3g} {row.unit:6} {other}")
    lines.append("growth of CPU time, size^k")
    lines += [
        f"  {line.job} with {line.of} ({line.low} to {line.high}): k = {line.exponent:.2f} ± {line.error:.2f}"
        for line in found["exponents"].itertuples()
    ]
    gpu = found["gpu"]
    return "\n".join(
        [*lines, "GPU, bf16", "  " + (gpu if isinstance(gpu, str) else gpu.round(3).to_string(index=False))]
    )


def _write(out: Path, found: dict) -> None:
    """``speed.json`` and ``speed.html`` in ``out``."""
    from pqa_lab.viz.show import figure_html

    plain = {
        name: value if isinstance(value, dict | str) else value.to_dict("records") for name, value in found.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    part = out / "speed.json.part"
    # JSON knows no NaN
    part.write_text(json.dumps(json.loads(pd.Series([plain]).to_json())["0"], indent=2) + "\n", encoding="utf-8")
    os.replace(part, out / "speed.json")
    gpu = found["gpu"]
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    write_page(
        out / "speed.html",
        "pqa_lab: how fast",
        [
            ("This run", f"<p>{html.escape(machine)}</p><p>{html.escape(__doc__.partition(chr(10) * 2)[2])}</p>"),
            ("Side by side", table_html(found["table"])),
            ("How the cost grows", figure_html(growth_figure(found["growth"], found["exponents"]))),
            ("Exponents", table_html(found["exponents"])),
            ("GPU, bf16", f"<p>{gpu}</p>" if isinstance(gpu, str) else table_html(gpu)),
        ],
    )
