"""A5: the points of its tests, and wrong answers with the tests that each must fail."""

POINTS = {
    "test-leaks": 2,
    "test-hold-out": 2,
    "test-components": 2,
    "test-roles": 2,
    "test-interval": 3,
    "test-design-effect": 2,
    "test-decompose": 2,
    "test-ceiling": 2,
    "test-real": 3,
    "test-holm": 2,
}

_INTERVAL = """
def drop_interval(table, part, seed=0, resamples=2000):
    {before}
    values = table.groupby(["scene", "part"]).value.{average}().unstack()
    drop = (values["known"] - values[part]).dropna().sort_index().to_numpy()
    draws = np.random.default_rng(seed).integers(len(drop), size=(resamples, len(drop)))
    low, high = np.quantile(drop[draws].mean({axis}), [{tail}, 1 - {tail}])
    return float(drop.mean()), float(low), float(high), len(drop)
"""
_REAL = """
drops = {{}}
srcc = per_scene(scores, by={by}, fit=False)
srcc["value"] = srcc.{metric}
for method in methods:
    for part in ("new_scene", "new_device"):
        drops[method, part] = drop_interval(srcc[{rows}], part)
"""
_ROLES = """
def roles(frame, new):
    words = []
    for row in frame[list(new)].to_dict("records"):
        novel = ["new " + column for column, names in new.items() if row[column] in names]
        words.append({answer})
    return pd.Series(words, index=frame.index)
"""


def _interval(before="pass", average="mean", axis="1", tail="0.025"):
    return {"interval": _INTERVAL.format(before=before, average=average, axis=axis, tail=tail)}


def _real(by='["method", "part", "seed"]', metric="srcc", rows="srcc.method == method"):
    return {"real": _REAL.format(by=by, metric=metric, rows=rows)}


WRONG = {
    "leaks in one column after the other, in any order": (
        {
            "leaks": """
def leaks(train, test, columns):
    return {c: [v for v in test[c].unique()[::-1] if v in set(train[c])] for c in columns}
"""
        },
        {"test-leaks"},
    ),
    "leaks by row number": (
        {
            "leaks": """
def leaks(train, test, columns):
    return {c: sorted(v for v in test[c] if v in train[c]) for c in columns}
"""
        },
        {"test-leaks"},
    ),
    "a share of the rows": (
        {
            "hold-out": """
def hold_out(frame, column, share, seed):
    return pd.Series(np.random.default_rng(seed).random(len(frame)) < share, index=frame.index)
"""
        },
        {"test-hold-out"},
    ),
    "always the first groups": (
        {
            "hold-out": """
def hold_out(frame, column, share, seed):
    names = sorted(frame[column].unique())
    return frame[column].isin(names[: max(1, round(share * len(names)))])
"""
        },
        {"test-hold-out"},
    ),
    "no group for a small share": (
        {
            "hold-out": """
def hold_out(frame, column, share, seed):
    names = sorted(frame[column].unique())
    return frame[column].isin(np.random.default_rng(seed).choice(names, round(share * len(names)), replace=False))
"""
        },
        {"test-hold-out"},
    ),
    "other groups when the rows stand in another order": (
        {
            "hold-out": """
def hold_out(frame, column, share, seed):
    names = frame[column].unique()
    count = max(1, round(share * len(names)))
    return frame[column].isin(np.random.default_rng(seed).choice(names, count, replace=False))
"""
        },
        {"test-hold-out"},
    ),
    "always rounded up": (
        {
            "hold-out": """
def hold_out(frame, column, share, seed):
    names = sorted(frame[column].unique())
    count = int(np.ceil(share * len(names)))
    return frame[column].isin(np.random.default_rng(seed).choice(names, count, replace=False))
"""
        },
        {"test-hold-out"},
    ),
    "the same word in two columns links": (
        {
            "components": """
def components(frame, columns):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    words = pd.factorize(frame[columns].to_numpy().ravel())[0]  # (N * columns,), a scene "a" and a person "a" alike
    rows = np.repeat(np.arange(len(frame)), len(columns))
    size = len(frame) + words.max() + 1
    graph = coo_matrix((np.ones(len(rows)), (rows, len(frame) + words)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(frame)]
"""
        },
        {"test-components"},
    ),
    "hangs together only if all columns agree": (
        {
            "components": """
def components(frame, columns):
    return frame.groupby(columns).ngroup().to_numpy()
"""
        },
        {"test-components"},
    ),
    "chains followed for one round": (
        {
            "components": """
def components(frame, columns):
    label = np.arange(len(frame))
    for _ in range(2):
        for column in columns:
            label = pd.Series(label).groupby(frame[column].to_numpy()).transform("min").to_numpy()
    return label
"""
        },
        {"test-components"},
    ),
    "only the first thing that is new": (
        {"roles": _ROLES.format(answer='novel[0] if novel else "known"')},
        {"test-roles"},
    ),
    "in alphabetical order": (
        {"roles": _ROLES.format(answer='" + ".join(sorted(novel, reverse=True)) or "known"')},
        {"test-roles"},
    ),
    "median for mean over the seeds": (_interval(average="median"), {"test-interval"}),
    "bootstrap over rows instead of scenes": (
        {
            "interval": """
def drop_interval(table, part, seed=0, resamples=2000):
    table = table.dropna(subset=["value"])
    values = table.groupby(["scene", "part"]).value.mean().unstack()
    drop = (values["known"] - values[part]).dropna().sort_index()
    known, new = (table.value[(table.part == p) & table.scene.isin(drop.index)].to_numpy() for p in ("known", part))
    rng = np.random.default_rng(seed)
    means = [rng.choice(known, len(known)).mean() - rng.choice(new, len(new)).mean() for _ in range(resamples)]
    return float(drop.mean()), *(float(v) for v in np.quantile(means, [0.025, 0.975])), len(drop)
"""
        },
        {"test-interval", "test-real"},
    ),
    "unpaired: all scenes of either part": (
        {
            "interval": """
def drop_interval(table, part, seed=0, resamples=2000):
    values = table.groupby(["scene", "part"]).value.mean().unstack().sort_index()
    drop = (values["known"] - values[part]).dropna().to_numpy()
    draws = np.random.default_rng(seed).integers(len(drop), size=(resamples, len(drop)))
    low, high = np.quantile(drop[draws].mean(1), [0.025, 0.975])
    return float(values["known"].mean() - values[part].mean()), float(low), float(high), len(drop)
"""
        },
        {"test-interval"},
    ),
    "an interval of 90 %": (_interval(tail="0.05"), {"test-interval", "test-real"}),
    "standard error for a quantile": (
        {
            "interval": """
def drop_interval(table, part, seed=0, resamples=2000):
    values = table.groupby(["scene", "part"]).value.mean().unstack()
    drop = (values["known"] - values[part]).dropna()
    half = 1.96 * drop.std() / len(drop) ** 0.5
    return float(drop.mean()), float(drop.mean() - half), float(drop.mean() + half), len(drop)
"""
        },
        {"test-interval", "test-real"},
    ),
    "the wrong way round": (
        {
            "interval": _INTERVAL.format(before="pass", average="mean", axis="1", tail="0.025").replace(
                'values["known"] - values[part]', 'values[part] - values["known"]'
            )
        },
        {"test-interval", "test-real"},
    ),
    "population variances": (
        {
            "design-effect": """
def design_effect(values, scene):
    values = pd.Series(np.asarray(values, dtype=float))
    means = values.groupby(np.asarray(scene)).mean()
    return (means.var(ddof=0) / len(means)) / (values.var(ddof=0) / len(values))
"""
        },
        {"test-design-effect"},
    ),
    "standard deviations for variances": (
        {
            "design-effect": """
def design_effect(values, scene):
    values = pd.Series(np.asarray(values, dtype=float))
    means = values.groupby(np.asarray(scene)).mean()
    return (means.std() / len(means) ** 0.5) / (values.std() / len(values) ** 0.5)
"""
        },
        {"test-design-effect"},
    ),
    "each mean over the scenes that it has": (
        {
            "decompose": """
def decompose(values, a, b):
    one, two, both = (float((values["known"] - values[part]).mean()) for part in (a, b, f"{a} + {b}"))
    return {a: one, b: two, "interaction": both - one - two, "total": both}
"""
        },
        {"test-decompose"},
    ),
    "scenes dropped for a column that does not matter": (
        {
            "decompose": """
def decompose(values, a, b):
    complete = values.dropna()
    one, two, both = (float((complete["known"] - complete[part]).mean()) for part in (a, b, f"{a} + {b}"))
    return {a: one, b: two, "interaction": both - one - two, "total": both}
"""
        },
        {"test-decompose"},
    ),
    "population variance in the ceiling": (
        {
            "ceiling": """
def ceiling(jod, jod_std):
    return float(np.sqrt(max(1 - np.mean(np.square(jod_std)) / np.var(jod), 0)))
"""
        },
        {"test-ceiling"},
    ),
    "off by a root: the reliability itself": (
        {
            "ceiling": """
def ceiling(jod, jod_std):
    return float(max(1 - np.mean(np.square(jod_std)) / np.var(jod, ddof=1), 0))
"""
        },
        {"test-ceiling"},
    ),
    "square of the mean error": (
        {
            "ceiling": """
def ceiling(jod, jod_std):
    return float(np.sqrt(max(1 - np.mean(jod_std) ** 2 / np.var(jod, ddof=1), 0)))
"""
        },
        {"test-ceiling"},
    ),
    "Kendall for Spearman": (_real(metric="krcc"), {"test-real"}),
    "all methods paired with each other": (_real(rows="srcc.method != ''"), {"test-real"}),
    "Bonferroni for Holm": (
        {"holm": "def holm(p):\n    return {name: min(1.0, len(p) * value) for name, value in p.items()}\n"},
        {"test-holm"},
    ),
    "Holm without the running maximum": (
        {
            "holm": """
def holm(p):
    order = sorted(p, key=p.get)
    return {name: min(1.0, (len(p) - place) * p[name]) for place, name in enumerate(order)}
"""
        },
        {"test-holm"},
    ),
    "tampers with the names that a test may use": (
        {
            "ceiling": """
def ceiling(jod, jod_std):
    return 0


abs = lambda x: 0
all = any = lambda x: True
np.allclose = np.isclose = lambda *a, **k: True
"""
        },
        {"test-ceiling"},
    ),
}
