# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     name: python3
# ---

# %% [markdown]
# # 15 · Your own study
#
# PIQ23 took professionals, 50 scenes and a licence that forbids you to pass it on. A study of your own takes a folder of
# photos, a dozen patient friends and an afternoon. This lesson walks the whole way on two small scenes: folder, votes,
# screening, JODs, a table that others can use, a model against the crowd, and a submission in the challenge's form.
#
# | | |
# |---|---|
# | **You will be able to** | lay out a study; collect and screen votes; know when to stop; publish a table; write a submission |
# | **You need** | [lesson 01](01_from_votes_to_jods.ipynb) (votes and JODs); [lesson 03](03_metrics_and_the_challenge.ipynb) (metrics) |
# | **Time** | 45 minutes with the exercises; under 1 minute to run on two cores |
# | **Memory** | about 1 GB; no GPU, no network |

# %%
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from datasets import disable_progress_bars
from PIL import Image

import pqa_lab
from pqa_lab.lessons import check, near, photos, same, setup
from pqa_lab.samples import sample_group
from pqa_lab.scaling import (
    PairSession,
    VoteStore,
    enough,
    make_panel,
    observers,
    scale,
    simulate_votes,
    vote,
)
from pqa_lab.scenes import load_photo
from pqa_lab.viz import marker, show

lesson = setup(seed=0)
disable_progress_bars()
place = tempfile.TemporaryDirectory()
home = Path(place.name)

# %% [markdown]
# ## 1 · Before the first photo
#
# A portrait is a person. Four things to settle before you press the button, because none can be mended afterwards:
#
# - **Consent, in writing, for this use.** "May I photograph you?" is not "may strangers judge pictures of you, and may
#   the pictures be published?". Ask the three separately, and say until when and how one can withdraw.
# - **A way back.** Give each person a code and keep the list of names elsewhere. Who withdraws must be found and deleted:
#   that is what the column `subject` is for.
# - **The question.** Voters judge the *photo*, not the face. Say so on the screen, always compare the same person with
#   the same expression, and never ask for attractiveness.
# - **Who is in it.** A method tested on one skin tone is tested on one skin tone. Count before you claim.
#
# We need no consent here: both faces are published portraits in the public domain, and the six phones are simulated.
# One folder a scene is all the structure there is. File names must not tell the voter anything.

# %%
root = home / "study"
phones = {}
for scene, sample in {
    "astronaut": "an astronaut, six phones",
    "admiral": "an admiral, six phones",
}.items():
    (root / scene).mkdir(parents=True)
    for k, (image, phone) in enumerate(sample_group(sample)):
        Image.fromarray(load_photo(image, max_side=256)).save(
            root / scene / f"{k}.jpg", quality=95
        )
        phones[scene, f"{k}.jpg"] = phone[:7]
files = sorted(root.rglob("*.jpg"))
print(*[file.relative_to(root).as_posix() for file in files], sep="  ")

# %%
photos(
    files[6:],
    [file.name for file in files[6:]],
    alt="The scene astronaut: one portrait as six simulated phones took it, sharp, soft, noisy, dark, smeared, in blocks.",
    height=150,
)

# %% [markdown]
# **Predict.** A phone writes more into a JPEG than pixels. We copy a photo as it is into a folder to be published. What
# travels along?

# %%
tags = Image.Exif()
tags[0x010F] = "Maker of the phone"
tags[0x0132] = "2026:01:05 09:00:00"
tags.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)  # the latitude of the place
with_tags = home / "from_a_phone.jpg"
Image.open(files[0]).save(with_tags, exif=tags)
print("GPS latitude in the file:", Image.open(with_tags).getexif().get_ifd(0x8825)[2])

assert b"Maker of the phone" in with_tags.read_bytes()

# %% [markdown]
# **Explain.** Where the person lives, when, and which phone it was: the last also gives your voters' answer away to anyone
# who looks. The library never alters your files, so cleaning them is your job.
#
# ### Exercise 1 · A clean copy (●○○, 5 min)
#
# Write `clean(source, target)`: the same picture, upright, without anything beside its pixels.
#
# <details><summary>Hint</summary>
#
# `load_photo` returns upright pixels and nothing else. `Image.fromarray(...).save(target, quality=95)` writes them.
#
# </details>


# %%
def clean(source, target):
    """Write the picture of `source` to `target` without its tags; return `target`."""
    # solution
    Image.fromarray(load_photo(source)).save(target, quality=95)
    return target  # solution


# %%
turned = Image.Exif()
turned[0x0112] = 6  # "turn me by 90 degrees"
turned[0x010F] = "Maker of the phone"
wide = home / "turned.jpg"
Image.open(files[0]).crop((0, 0, 200, 100)).save(wide, exif=turned)
with check(1):
    same(clean(wide, home / "clean.jpg"), home / "clean.jpg", "what clean returns")
    copy = Image.open(home / "clean.jpg")
    assert copy.size != (200, 100) or dict(copy.getexif()), (
        "The tags are gone and so is the turn that they asked for: the photo lies on its side now. Use load_photo."
    )
    assert not dict(copy.getexif()), "The copy still has tags: save only the pixels."
    near(copy.size, (100, 200), "the size of the upright copy", tolerance=0)

# %% [markdown]
# ## 2 · Votes
#
# Six photos make 15 pairs a scene. With few photos ask them all; with many, let `method="asap"` choose (lesson 01). A
# `VoteStore` is one file that survives a crash at any moment; a `PairSession` is one observer at the pairs of one scene.
# In the annotator of lesson 01 you were that observer. Here twelve simulated people answer, among them one who presses the
# wrong key throughout and one who does not look at all.

# %%
CROWD = dict(
    zip("ABCDEF", (1.5, 0.4, -0.1, -0.9, 0.3, -1.2), strict=True)
)  # JOD: our invention
truth = {
    scene: pd.Series(
        {name: CROWD[phone[-1]] for (s, name), phone in phones.items() if s == scene}
    )
    for scene in ("astronaut", "admiral")
}
panel = make_panel(12, taste=0.3, lapse=0.02, guessers=1, reversers=1, seed=3)
store = VoteStore(home / "votes.db")


def sit_down(scene, o, goal, seed=0):
    """Observer number o votes in a scene until so many votes of theirs are in the store."""
    names = list(truth[scene].index)
    session = PairSession(
        names, store, scene=scene, observer=panel.observers[o].name, goal=goal
    )
    while pair := session.current:
        shown = [[names.index(pair.first), names.index(pair.second)]]
        draw = 1000 * seed + 20 * session.done + o
        answer = vote(truth[scene], shown, panel, draw, scene=scene, observers=[o])
        session.answer(answer.preferred[0], pair.turn)
    return session


session = sit_down("admiral", 0, goal=5)
print(f"{session.done} votes, then the phone rings.")

# %% [markdown]
# **Predict.** The session is gone, the store is not. A new session of the same person over the same store: does it begin at
# the first pair, or at the sixth? Will a pair come twice?

# %%
for scene in truth:
    for o in range(len(panel.observers)):
        sit_down(scene, o, goal=15)
votes = store.votes()
seen = votes[(votes.observer == panel.observers[0].name) & (votes.scene == "admiral")]
pairs = {frozenset(pair) for pair in zip(seen["first"], seen["second"], strict=True)}
print(f"{len(votes)} votes; the first observer saw {len(pairs)} different pairs of 15")
print(
    votes[["scene", "first", "second", "preferred", "observer"]]
    .head(3)
    .to_string(index=False)
)

assert len(seen) == len(pairs) == 15
assert len(votes) == 2 * 12 * 15

# %% [markdown]
# ## 3 · Who was not looking?
#
# `observers` asks of each person: how well do the *others* predict these answers, given how hard the pairs were? The number
# `z` is about standard normal for an honest observer.
#
# **Predict.** One reverser, one guesser, thirty votes each. Will the screening find both?

# %%
raw = scale(votes)
screen = observers(raw)
print(screen.head(4).round(2).to_string(index=False))
reverser = panel.observers[-1].name

assert screen.observer[0] == reverser
assert screen.outlier[0]

# %% [markdown]
# **Look.** The reverser stands out. A guesser is right half of the time by luck, and needs more votes to be found. How many?
# A hundred small studies would tell; here are some.

# %%
found = {}
for each in (30, 120):
    caught = []
    for seed in range(lesson.pick(20, fast=8)):
        people = make_panel(12, taste=0.3, lapse=0.02, guessers=1, reversers=1, seed=seed)
        table = simulate_votes(truth["admiral"], 12 * each, people, seed, scene="admiral")
        flags = observers(scale(table)).set_index("observer").outlier
        caught.append(
            [flags[p.name] for p in people.observers[-2:]] + [flags.iloc[:].sum()]
        )
    caught = np.array(caught, float)
    honest = (caught[:, 2] - caught[:, :2].sum(1)).mean() / 10
    found[each] = (*caught[:, :2].mean(0), honest)
    print(
        f"{each:3} votes each: guesser found in {found[each][0]:.0%}, reverser in {found[each][1]:.0%} of the studies; "
        f"{honest:.0%} of the honest people accused"
    )

assert found[30][1] >= 0.75  # the reverser is found with few votes
assert found[120][0] >= found[30][0]  # the guesser with many
assert max(found[30][2], found[120][2]) < 0.1

# %% [markdown]
# **Explain.** A guesser adds noise, which costs votes; a reverser pulls every distance towards zero, which no number of
# votes mends. Write the rule for leaving people out (here: `outlier`, z below -3) into your plan *before* you see votes, and
# report how many you left out. Whoever removes "those who disagree" until the result is clean has voted himself.
#
# ### Exercise 2 · Screening (●●○, 6 min)
#
# Write `screened(votes)`: the votes without those of the outliers.
#
# <details><summary>Hint</summary>
#
# `table = observers(scale(votes))`; the names are `table.observer[table.outlier]`; `votes.observer.isin(names)` finds the
# rows to leave out, `~` turns it round.
#
# </details>


# %%
def screened(votes):
    """The votes of those who are no outliers."""
    # solution
    table = observers(scale(votes))
    bad = table.observer[table.outlier]
    return votes[~votes.observer.isin(bad)]


# %%
good = votes[~votes.observer.isin(screen.observer[screen.outlier])]
with check(2):
    kept = screened(votes)
    near(None if kept is None else len(kept), len(good), "the number of votes kept", tolerance=0,
         hint="All votes of a flagged person go, in every scene.")  # fmt: skip
    assert reverser not in set(kept.observer), (
        "You kept the outliers and left the others out: use ~."
    )
    honest = simulate_votes(truth["admiral"], 300, make_panel(10, seed=1), 1)
    near(len(screened(honest)), 300, "among honest people the number of votes kept", tolerance=0,
         hint="Nobody is flagged there: do not drop the worst in any case.")  # fmt: skip

# %% [markdown]
# ## 4 · JODs, and when to stop
#
# Screened votes become JODs with intervals, one scale a scene.

# %%
jods = scale(good)
spread = {name: fit.table.jod.std() for name, fit in (("all", raw), ("screened", jods))}
table = jods.table
table["phone"] = [phones[key] for key in zip(table.scene, table.image, strict=True)]
print(
    table[["scene", "image", "phone", "jod", "se", "ci_low", "ci_high"]]
    .round(2)
    .to_string(index=False)
)

assert spread["screened"] > spread["all"]  # the reverser had pulled the photos together

# %% [markdown]
# **Look.** Intervals of neighbours overlap. Is that enough? It depends on what you want to say, so decide on a width first.
# `enough(scale, width)` is that rule as code.
#
# ### Exercise 3 · Stop in time (●●○, 8 min)
#
# Votes arrive in order. Write `votes_until(votes, width, step)`: look after every `step` votes, and return after how many
# all intervals were at most `width` JOD wide; `None` if never.
#
# <details><summary>Hint</summary>
#
# A loop over `range(step, len(votes) + 1, step)`; inside, `enough(scale(votes.iloc[:n]), width)`.
#
# </details>


# %%
def votes_until(votes, width, step):
    """The first multiple of `step` at which every interval is narrow enough."""
    # solution
    for n in range(step, len(votes) + 1, step):
        if enough(scale(votes.iloc[:n]), width):
            return n


# %%
stream = simulate_votes(truth["admiral"], 1200, make_panel(12, taste=0.1, seed=5), 5)
with check(3):
    answer = votes_until(stream, 1.5, 100)
    looks = [n for n in range(100, 1201, 100) if enough(scale(stream.iloc[:n]), 1.5)]
    near(
        answer,
        looks[0],
        "the number of votes",
        tolerance=0,
        hint="Return at the first look that is enough.",
    )
    assert votes_until(stream, 0.01, 600) is None, (
        "A width of 0.01 JOD is never reached here: return None."
    )

# %%
widths = pd.DataFrame(
    [
        (
            seed,
            n,
            scale(
                simulate_votes(
                    truth["admiral"], n, make_panel(12, taste=0.1, seed=seed), seed
                )
            ).table,
        )
        for seed in range(3)
        for n in (120, 480, 1920)
    ],
    columns=["seed", "votes", "table"],
)
widths["width"] = [(t.ci_high - t.ci_low).mean() for t in widths.table]
mean = widths.groupby("votes").width.mean()
figure = go.Figure()
figure.add_scatter(x=mean.index, y=mean, mode="lines+markers", marker=marker(0, size=10))
figure.update_layout(
    template="plotly_white", height=320, margin_t=30, xaxis_type="log", yaxis_rangemode="tozero",
    xaxis_title="votes in the scene, twelve people", yaxis_title="width of the intervals, JOD",
)  # fmt: skip
figure.update_xaxes(tickvals=list(mean.index))
show(
    figure,
    "Mean width of the 95 % intervals against the votes of a scene: each step has four times the votes and falls, but to no "
    "less than half.",
)

# %%
print(mean.round(2).to_string())

assert (mean.diff().dropna() < 0).all()
assert mean[120] / mean[480] < 2.4

# %% [markdown]
# **Explain.** Four times the votes, at best half the width; and tastes do not average out over *more votes of the same
# people*. Beyond some point the next hundred votes should come from new people.
#
# One honest warning: looking often and stopping at the first good moment is a small cheat of its own (the lucky look wins).
# With a rule on the *width* it is harmless; with "stop when A is significantly better" it is not.
#
# ## 5 · A table that others can use
#
# `load_folder` joins photos and votes into rows, the form that every part of this package reads. `save_parquet` writes
# them, photos inside, in one file that `datasets` anywhere can open.
#
# **Predict.** We publish photos, JODs and standard errors. What else will a careful reader ask for?

# %%
from pqa_lab.scenes import load_folder, load_hf, save_parquet

rows = load_folder(root, votes=good)
saved = save_parquet(rows, home / "my_study.parquet")
again = load_hf(saved, cache_dir=str(home / "cache"))
published = store.export(home / "votes.csv")
print(
    f"{saved.name}: {saved.stat().st_size // 1000} kB, {len(again)} photos, columns {again.column_names[:4]} ..."
)
print(f"{published.name}: {len(pd.read_csv(published))} votes")

assert np.allclose(again["jod"][:], rows["jod"][:])
assert np.allclose(sorted(rows["jod"][:]), sorted(table.jod))
assert len(pd.read_csv(published)) == len(votes)  # the raw ones, outliers too

# %% [markdown]
# **Explain.** The votes. From them anyone can fit another scale, draw other intervals, screen by another rule. Publish all of
# them, under pseudonyms, including those that you left out. (Parquet keeps each file byte for byte: tags that you did not
# remove in section 1 would be published now.)
#
# ## 6 · The model against the crowd
#
# The package's default ranker never saw these votes. Does it agree?

# %%
from pqa_lab import evaluation

judged = []
for scene in truth:
    ranking = pqa_lab.rank([root / scene / name for name in truth[scene].index])
    judged += [(scene, Path(p.path).name, p.score) for p in ranking.photos]
judged = pd.DataFrame(judged, columns=["scene", "image", "score"]).merge(
    table, on=["scene", "image"]
)
print(
    judged.sort_values(["scene", "jod"])[["scene", "phone", "jod", "se", "score"]]
    .round(2)
    .to_string(index=False)
)
print(
    evaluation.per_scene(judged, fit=False)[["scene", "srcc", "krcc"]]
    .round(2)
    .to_string(index=False)
)

# %% [markdown]
# **Look.** Where do they differ? The "crowd" here is our invention, so this says nothing about the model. With your own
# photos and people it says something, if you count right: a pair that the crowd cannot tell apart cannot prove the model
# wrong.
#
# ### Exercise 4 · Count only what is settled (●●●, 8 min)
#
# `jods.differences(scene)` lists all pairs with the columns `better`, `worse` and `significant`. Write
# `agreement(differences, scores)`: the share of the *significant* pairs in which the better photo has the higher score.
# `scores` is a Series by image. Without a significant pair, return NaN.
#
# <details><summary>Hint</summary>
#
# `settled = differences[differences.significant]`, then compare `scores[settled.better].to_numpy()` with that of `worse`. The
# mean of no values is NaN by itself, with a warning; an `if` is kinder.
#
# </details>


# %%
def agreement(differences, scores):
    """Share of the settled pairs that the scores order like the crowd."""
    # solution
    settled = differences[differences.significant]
    if len(settled) == 0:
        return float("nan")
    right = scores[settled.better].to_numpy() > scores[settled.worse].to_numpy()
    return right.mean()


# %%
toy = pd.DataFrame(
    {
        "better": ["a", "a", "b"],
        "worse": ["b", "c", "c"],
        "significant": [True, True, False],
    }
)
with check(4):
    near(agreement(toy, pd.Series({"a": 3.0, "b": 1.0, "c": 2.0})), 1, "with one unsettled pair wrong the agreement",
         hint="Leave out the pairs that are not significant.")  # fmt: skip
    near(
        agreement(toy, pd.Series({"a": 1.5, "b": 1.0, "c": 2.0})),
        0.5,
        "with one settled pair wrong the agreement",
    )
    none = agreement(toy.assign(significant=False), pd.Series({"a": 1, "b": 2, "c": 3}))
    assert none != none, "Without a settled pair nothing is known: return NaN, not a share."

# %%
settled = {scene: jods.differences(scene).significant.sum() for scene in truth}
print({scene: f"{n} of 15 pairs settled" for scene, n in settled.items()})

assert all(3 <= n < 15 for n in settled.values())

# %% [markdown]
# ## 7 · A submission
#
# The challenge handed out `images.csv` (IMAGE, CLASS, CONDITION) and a folder `images/CLASS/`, and wanted the same table back
# with a column SCORE. We make such a folder of our study, read it as a participant would, and answer.

# %%
from pqa_lab.scenes import check_limits, load_challenge, write_submission

challenge = home / "challenge"
shutil.copytree(root, challenge / "images")
listed = judged.assign(
    IMAGE=[f"images/{s}/{n}" for s, n in zip(judged.scene, judged.image, strict=True)],
    CLASS=judged.scene,
    CONDITION="INDOOR",
)
listed[["IMAGE", "CLASS", "CONDITION"]].to_csv(challenge / "images.csv", index=False)
given = load_challenge(challenge, images_per_scene=6)
answer = write_submission(
    challenge,
    dict(zip(listed.IMAGE, listed.score, strict=True)),
    last_name="Doe",
    first_name="Jane",
)
print(answer.relative_to(home), *answer.read_text().splitlines()[:3], sep="\n")

assert len(given) == 12
assert answer.name == "result_Doe_Jane.csv"

# %% [markdown]
# A submission with a missing photo should fail here, not at the organisers':

# %%
from pqa_lab.errors import InputError

try:
    write_submission(challenge, {listed.IMAGE[0]: 1.0})
except InputError as error:
    print(error)
else:
    raise AssertionError("an incomplete submission was written")

# %% [markdown]
# And the limits of the challenge: 5 s and 5 TFLOPs an image, 8 GB, 2 GB of weights. Measured on one small photo on this
# machine; the kit's photos are 1280 x 960.

# %%
from pqa_lab.ranking import load_ranker

ranker, _, name = load_ranker("default")
limits = check_limits(ranker, photo=load_photo(files[0]), repeats=1)
print(name, limits.round(4).to_string(), sep="\n")

assert limits.ok[["compute", "memory", "weights"]].all()

# %% [markdown]
# ## What the survey says, what we saw
#
# The survey's challenge (section 2) asked for one score a photo of 96 private scenes of seven photos; PIQ23 gives
# JODs, no votes, and intervals only as a standard deviation. We saw the steps that such tables leave out: who was screened
# and by which rule, how wide the intervals were when voting stopped, which pairs were settled at all. Photos, phones and
# voters on this page are simulated or in the public domain; nothing here is a result on PIQ23.
#
# **Your turn.** Make a folder of scene folders, call `annotate` (lesson 01) for each person with one `VoteStore`, and run this
# notebook from section 3 with your own `store.votes()`.
#
# ## References
#
# - *Deep Portrait Quality Assessment. A NTIRE 2024 Challenge Survey*, arXiv 2404.11159: section 2 (the challenge, its test
#   set).
# - Perez-Ortiz and Mantiuk, *A practical guide and software for analysing pairwise comparison experiments*, arXiv
#   1712.03686, section 4: screening observers, intervals.
# - Gebru et al., *Datasheets for Datasets*, arXiv 1803.09010, section 3: what to write down about a data set of people.
# - In the package: `pqa_lab/scenes/own.py` (`load_folder`), `pqa_lab/scaling/session.py` and `pqa_lab/scaling/store.py`
#   (collecting votes), `pqa_lab/scaling/panel.py` (the simulated people), `pqa_lab/scaling/diagnosis.py` (`observers`),
#   `pqa_lab/scaling/sampling.py` (`enough`), `pqa_lab/scenes/hub.py` (parquet), `pqa_lab/scenes/challenge.py` and
#   `pqa_lab/scenes/limits.py` (the submission).

# %%
lesson.done()
