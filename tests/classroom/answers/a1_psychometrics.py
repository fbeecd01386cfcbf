"""Mistakes that students make in A1, and the tests that must catch each."""

POINTS = {
    "count_votes_test": 2,
    "count_ties_test": 1,
    "gradient_test": 3,
    "gradient_far_test": 1,
    "fit_test": 3,
    "fit_unanimous_test": 1,
    "covariance_test": 3,
    "difference_test": 2,
    "resample_test": 3,
    "agreement_test": 3,
    "verdict_test": 2,
}

WRONG = {
    "ties left out": (
        {
            "count_votes": """
def count_votes(votes, images):
    counts = np.zeros((len(images), len(images)))
    for row in votes[votes.preferred != "tie"].itertuples():
        i, j = images.index(row.first), images.index(row.second)
        counts[(i, j) if row.preferred == "first" else (j, i)] += 1
    return counts
"""
        },
        {"count_ties_test"},
    ),
    "slope of L, not of -log L, and unstable": (
        {
            "gradient": """
def gradient(q, counts):
    z = (q[:, None] - q[None, :]) / SIGMA
    pull = counts * norm.pdf(z) / norm.cdf(z) / SIGMA
    return pull.sum(axis=1) - pull.sum(axis=0)
""",
            "fit": """
def fit(counts, prior_sd):
    def cost(q):
        return -(counts * log_ndtr((q[:, None] - q[None, :]) / SIGMA)).sum() + (q**2).sum() / (2 * prior_sd**2)
    return minimize(cost, np.zeros(len(counts)), tol=1e-8).x
""",
        },
        {"gradient_test", "gradient_far_test"},
    ),
    "slope right, but 0 / 0 far out": (
        {
            "gradient": """
def gradient(q, counts):
    z = (q[:, None] - q[None, :]) / SIGMA
    pull = counts * norm.pdf(z) / norm.cdf(z) / SIGMA
    return pull.sum(axis=0) - pull.sum(axis=1)
"""
        },
        {"gradient_far_test"},
    ),
    "forgets sigma in the slope": (
        {
            "gradient": """
def gradient(q, counts):
    z = (q[:, None] - q[None, :]) / SIGMA
    pull = counts * np.exp(norm.logpdf(z) - log_ndtr(z))
    return pull.sum(axis=0) - pull.sum(axis=1)
""",
            "fit": """
def fit(counts, prior_sd):
    def cost(q):
        return -(counts * log_ndtr((q[:, None] - q[None, :]) / SIGMA)).sum() + (q**2).sum() / (2 * prior_sd**2)
    return minimize(cost, np.zeros(len(counts)), tol=1e-8).x
""",
        },
        {"gradient_test", "gradient_far_test"},
    ),
    "prior by SD, not by variance": (
        {
            "fit": """
def fit(counts, prior_sd):
    def cost(q):
        return -(counts * log_ndtr((q[:, None] - q[None, :]) / SIGMA)).sum() + (q**2).sum() / (2 * prior_sd)
    return minimize(cost, np.zeros(len(counts))).x
"""
        },
        {"fit_test", "fit_unanimous_test"},
    ),
    "covariance without the prior, by pseudo-inverse": (
        {
            "covariance": """
def covariance(q, counts, prior_sd):
    z = (q[:, None] - q[None, :]) / SIGMA
    steep = np.exp(norm.logpdf(z) - log_ndtr(z))
    weight = counts * steep * (steep + z) / SIGMA**2
    weight = weight + weight.T
    return np.linalg.pinv(np.diag(weight.sum(axis=1)) - weight)
"""
        },
        {"covariance_test"},
    ),
    "standard errors of a difference added as if independent": (
        {
            "difference": """
def difference(q, cov, a, b, level=0.95):
    half = norm.ppf((1 + level) / 2) * np.sqrt(cov[a, a] + cov[b, b])
    return q[a] - q[b], q[a] - q[b] - half, q[a] - q[b] + half
"""
        },
        {"difference_test"},
    ),
    "bootstrap over votes": (
        {
            "resample": """
def resample_observers(votes, rng):
    return votes.iloc[rng.integers(len(votes), size=len(votes))]
"""
        },
        {"resample_test"},
    ),
    "bootstrap without replacement": (
        {
            "resample": """
def resample_observers(votes, rng):
    people = rng.permutation(votes["observer"].unique())
    return pd.concat([votes[votes["observer"] == name] for name in people])
"""
        },
        {"resample_test"},
    ),
    "bootstrap that takes somebody drawn twice only once": (
        {
            "resample": """
def resample_observers(votes, rng):
    people = votes["observer"].unique()
    return votes[votes["observer"].isin(rng.choice(people, len(people)))]
"""
        },
        {"resample_test"},
    ),
    "bootstrap in which repeated rows are dropped, as the library's message offers": (
        {
            "resample": """
def resample_observers(votes, rng):
    people = votes["observer"].unique()
    drawn = rng.choice(people, len(people))
    return pd.concat([votes[votes["observer"] == name] for name in drawn]).drop_duplicates()
"""
        },
        {"resample_test"},
    ),
    "bootstrap in which who voted more is drawn more": (
        {
            "resample": """
def resample_observers(votes, rng):
    drawn = rng.choice(votes["observer"], votes["observer"].nunique())
    return pd.concat([votes[votes["observer"] == name] for name in drawn])
"""
        },
        {"resample_test"},
    ),
    "bootstrap from a generator of its own": (
        {
            "resample": """
def resample_observers(votes, rng):
    people = votes["observer"].unique()
    return pd.concat([votes[votes["observer"] == name] for name in np.random.choice(people, len(people))])
"""
        },
        {"resample_test"},
    ),
    # Right, and fails nothing: the task leaves the names open.
    "bootstrap that gives each draw a name of its own": (
        {
            "resample": """
def resample_observers(votes, rng):
    people = votes["observer"].unique()
    drawn = enumerate(rng.choice(people, len(people)))
    return pd.concat([votes[votes["observer"] == name].assign(observer=f"{name} #{k}") for k, name in drawn])
"""
        },
        set(),
    ),
    "ties left out of the others' scale": (
        {
            "agreement": """
def agreement(votes, images):
    votes = votes[votes["preferred"] != "tie"]
    rows = {}
    for name, own in votes.groupby("observer"):
        q = pd.Series(jods(votes[votes["observer"] != name], images), index=images)
        sided = (q[own["first"]].to_numpy() > q[own["second"]].to_numpy()) == (own["preferred"] == "first").to_numpy()
        rows[name] = {"agree": int(sided.sum()), "votes": len(own)}
    return pd.DataFrame.from_dict(rows, orient="index")
"""
        },
        {"agreement_test"},
    ),
    "the suspect votes in the verdict; reverser and guesser by share alone": (
        {
            "agreement": """
def agreement(votes, images):
    q = pd.Series(jods(votes, images), index=images)
    own = votes[votes.preferred != "tie"]
    sided = (q[own["first"]].to_numpy() > q[own["second"]].to_numpy()) == (own.preferred == "first").to_numpy()
    return pd.DataFrame({"agree": sided, "votes": 1, "observer": own.observer}).groupby("observer").sum()
""",
            "verdict": """
def verdict(agree, votes):
    share = agree / votes
    return "reverser" if share < 0.4 else "fine" if share > 0.6 else "guesser"
""",
        },
        {"agreement_test", "verdict_test"},
    ),
}
