"""The report that ``pqa-lab scale`` prints: what a person should know before believing a JOD."""

from .result import JodScale


def report_text(scale: JodScale, rows: int = 12) -> str:
    """A scale as text: what it rests on, the best and worst images, and what to be careful about.

    Parameters
    ----------
    scale : JodScale
    rows : int
        Images shown a scene when there is one scene; the table itself has all of them.

    Returns
    -------
    str
        Several lines.
    """
    if len(scale.scenes) == 1:
        return _scene_text(scale, rows)
    lines = [
        f"{len(scale.scenes)} scenes, each a scale of its own (JODs of different scenes share neither zero nor unit "
        "of spread).",
        "",
        f"{'scene':24}{'images':>8}{'votes':>10}{'observers':>11}{'prior SD':>10}{'range':>8}{'median SE':>11}  notes",
    ]
    table = scale.table
    for scene, report in scale.report.items():
        part = table[table["scene"] == scene]
        sd = "-" if report["prior_sd"] is None else f"{report['prior_sd']:.2f}"
        people = "-" if report["observers"] is None else str(report["observers"])
        spread = part["jod"].max() - part["jod"].min()
        lines.append(
            f"{str(scene):24.24}{report['images']:8d}{report['votes']:10g}{people:>11}{sd:>10}{spread:8.2f}"
            f"{part['se'].median():11.2f}  {_remarks(report)}"
        )
    return "\n".join(lines)


def _remarks(report: dict) -> str:
    found = [
        (len(report["uncompared"]), "uncompared"),
        (len(report["bridges"]), "bridges"),
        (len(report["always_winners"]) + len(report["always_losers"]), "always win or lose"),
        (len(report["outliers"] or []), "outlier observers"),
    ]
    return ", ".join(f"{count} {what}" for count, what in found if count)


PRIORS = {
    "none": "no prior (maximum likelihood)",
    "pwcmp": "pwcmp's own prior (compresses the scale where pairs have few votes)",
    "eb": "normal prior, SD {sd:.2f} JOD, estimated from the votes",
}
INTERVALS = {
    "sandwich": "clustered by observer",
    "bootstrap": "bootstrap over observers",
    "none": "not computed",
}


def _scene_text(scale: JodScale, rows: int) -> str:
    report, table = scale.report, scale.table
    level = f"{100 * report['level']:g} %"
    people = "observers unknown" if report["observers"] is None else f"{report['observers']} observers"
    prior = PRIORS.get(report["prior"], "normal prior, SD {sd:.2f} JOD, as given").format(sd=report["prior_sd"] or 0)
    kind = INTERVALS[report["ci"]]
    if report["observers"] in (None, 1) and report["ci"] != "none":
        kind = "every vote taken as independent"
    lines = [
        f"Scene {report['scene']}: {report['images']} images, {report['votes']:g} votes ({report['ties']:g} ties), "
        f"{people}, {report['pairs_compared']} different pairs",
        f"Model      {report['model']}, 1 JOD = 75 % prefer the better image",
        f"Prior      {prior}",
        f"Intervals  {level}, {kind}",
        "",
        f"{'image':28}{'JOD':>8}{'SE':>7}{level:>18}{'votes':>8}",
    ]
    ranked = table.sort_values("jod", ascending=False)
    shown = ranked if len(ranked) <= rows else ranked.iloc[: rows // 2]
    for part in (shown, ranked.iloc[len(ranked) - (rows - rows // 2) :] if len(ranked) > rows else None):
        if part is None:
            continue
        if part is not shown:
            lines.append(f"  ... {len(ranked) - rows} more")
        for row in part.itertuples():
            between = f"{row.ci_low:.2f} .. {row.ci_high:.2f}"
            lines.append(f"{str(row.image):28.28}{row.jod:8.2f}{row.se:7.2f}{between:>18}{row.comparisons:8g}")
    return "\n".join([*lines, "", *_checks(report), *(f"Note: {note}" for note in report["notes"])])


def _checks(report: dict) -> list[str]:
    def names(values, limit=4):
        return ", ".join(map(str, values[:limit])) + (f", ... ({len(values)})" if len(values) > limit else "")

    bridges = [f"{i} - {j} ({votes:g} votes)" for i, j, votes in report["bridges"]]
    if report["fit_p"] is None:
        fit = f"chi-square {report['chi_square']:.1f} on {report['fit_degrees']} (too few votes a pair for a test)"
    else:
        verdict = (
            "one dimension explains the votes" if report["fit_p"] > 0.01 else "one dimension does NOT explain them"
        )
        fit = f"chi-square {report['chi_square']:.1f} on {report['fit_degrees']}, p = {report['fit_p']:.3f}: {verdict}"
    lines = [
        f"Connected  {report['groups']} group, {report['strong_components']} strong components"
        + ("" if report["strong_components"] == 1 else " (without the prior the scale would be infinite)"),
        f"Fit        {fit}",
        f"Triads     {report['circular_triads']} circular of {report['triads']}",
    ]
    for label, values in (
        ("Always won ", report["always_winners"]),
        ("Always lost", report["always_losers"]),
        ("No votes   ", report["uncompared"]),
        ("Bridges    ", bridges),
    ):
        if values:
            lines.append(f"{label}{names(values)}")
    if report["outliers"] is not None:
        strange = f"{names(report['outliers'])} disagree with the others" if report["outliers"] else "none stands out"
        lines.append(f"Observers  {strange}")
    bias = report["position_bias"]
    if bias:
        verdict = f"being first is worth {bias['gain']:+.2f} JOD (p = {bias['p']:.3f})"
        lines.append(f"Position   first image preferred in {100 * bias['first_share']:.1f} % of the votes; {verdict}")
    return lines
