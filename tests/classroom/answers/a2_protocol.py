"""Mistakes that students make in A2, and the tests that must catch each."""

POINTS = {
    "ranks_test": 2,
    "tau_test": 2,
    "scene_table_test": 3,
    "silent_test": 1,
    "candidates_test": 2,
    "attainable_test": 2,
    "printable_test": 2,
    "evidence_test": 2,
    "median_sd_test": 3,
    "lead_test": 3,
    "scenes_needed_test": 1,
}

WRONG = {
    "equal scores ranked in the order of the table; tau without ties": (
        {
            "ranks": "def average_ranks(x):\n    return np.argsort(np.argsort(x)) + 1",
            "tau": """
def tau_b(score, jod):
    agree = np.sign(np.subtract.outer(score, score)) * np.sign(np.subtract.outer(jod, jod))
    return agree.sum() / (len(jod) * (len(jod) - 1))
""",
        },
        {"ranks_test", "tau_test"},
    ),
    "silent scenes stay NaN, and KRCC is forgotten in the mean": (
        {
            "scene_table": """
def scene_table(frame):
    rows = {}
    for scene, part in frame.groupby("scene"):
        s, q = part["score"], part["jod"]
        values = [spearmanr(s, q).statistic, pearsonr(s, q).statistic, kendalltau(s, q).statistic]
        rows[scene] = [*values, np.mean(values[:2])]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["srcc", "plcc", "krcc", "mean3"])
"""
        },
        {"scene_table_test", "silent_test"},
    ),
    "silent scenes left out": (
        {
            "scene_table": """
def scene_table(frame):
    rows = {}
    for scene, part in frame.groupby("scene"):
        s, q = part["score"], part["jod"]
        if s.nunique() > 1 and q.nunique() > 1:
            values = [spearmanr(s, q).statistic, pearsonr(s, q).statistic, kendalltau(s, q).statistic]
            rows[scene] = [*values, np.mean(values)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["srcc", "plcc", "krcc", "mean3"])
"""
        },
        {"silent_test"},
    ),
    "the two candidates mixed up": (
        {
            "candidates": """
def mean_of_medians(scenes):
    return scenes["mean3"].median()

def median_of_means(scenes):
    return scenes[["srcc", "plcc", "krcc"]].median().mean()
"""
        },
        {"candidates_test"},
    ),
    "every even D taken for attainable": (
        {
            "attainable": """
def attainable(n):
    return np.sort(1 - 6 * np.arange(0, n * (n**2 - 1) // 3 + 1, 2) / (n * (n**2 - 1)))
"""
        },
        {"attainable_test"},
    ),
    "an even number of scenes, but no mean of two": (
        {"printable": "def printable(values, scenes):\n    return {round(float(value), 3) for value in values}"},
        {"printable_test", "evidence_test"},
    ),
    "only neighbours can be the two middle ones": (
        {
            "printable": """
def printable(values, scenes):
    values = np.sort(np.asarray(values))
    if scenes % 2 == 0:
        values = np.concatenate([values, (values[1:] + values[:-1]) / 2])
    return {round(float(value), 3) for value in values}
"""
        },
        {"printable_test"},
    ),
    "the chance of one number, not of all": (
        {
            "evidence": """
def evidence(printed, values, scenes):
    possible = printable(values, scenes)
    share = np.mean([round(k / 1000, 3) in possible for k in range(200, 601)])
    return sum(round(float(x), 3) in possible for x in printed), share
"""
        },
        {"evidence_test"},
    ),
    "noise of the mean, taken for that of the median": (
        {
            "median_sd": """
def median_sd(noise, scenes, images, draws, rng):
    jod = rng.normal(size=(draws, scenes, images))
    rank = [x.argsort(-1).argsort(-1) for x in (jod + noise * rng.normal(size=jod.shape), jod)]
    srcc = 1 - 6 * ((rank[0] - rank[1]) ** 2).sum(-1) / (images * (images**2 - 1))
    return srcc.mean(axis=1).std()
"""
        },
        {"median_sd_test"},
    ),
    "bootstrap with other scenes for each method; one method's noise only": (
        {
            "lead": """
def lead(a, b, draws, rng):
    gap = [np.median(rng.choice(a, len(a))) - np.median(rng.choice(b, len(b))) for _ in range(draws)]
    return np.median(a) - np.median(b), *np.quantile(gap, [0.025, 0.975])
""",
            "scenes_needed": "def scenes_needed(gap, sd96):\n    return math.ceil(96 * (1.96 * sd96 / gap) ** 2)",
        },
        {"lead_test", "scenes_needed_test"},
    ),
}
