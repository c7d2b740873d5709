"""
Missing labels, in a pipeline and a search
==========================================

Laboratories rarely measure everything on every sample. Here six properties of a sample
are predicted, and most labels are missing. The example builds a pipeline, searches its
settings without dropping a row, and then draws what missing labels cost a joint
network, which learns all tasks together, and single-task networks, which each learn
from their labeled rows.
"""

# %%
# Six related tasks
# -----------------
#
# All six properties depend on the same two combinations of ten measurements, and on the
# site that took the sample. ``Y`` has one column per task, and NaN where a label is
# missing.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer

from skmtl import MultiTaskRegressor
from skmtl.metrics import multitask_r2
from skmtl.model_selection import FleetSearchCV, MultiTaskKFold

rng = np.random.default_rng(0)
n_rows, n_tasks = 1200, 6
measured = rng.normal(size=(n_rows, 10))
site = rng.choice(["north", "south", "west"], size=n_rows)
factors = (
    np.tanh(measured @ rng.normal(size=(10, 2)) / 2) + 0.5 * (site == "north")[:, None]
)
signal = factors @ rng.normal(size=(2, n_tasks))

X = pd.DataFrame(
    np.exp(measured / 2), columns=[f"amount_{k}" for k in range(10)]
).assign(site=site)
Y = pd.DataFrame(
    signal + 0.5 * rng.normal(size=signal.shape),
    columns=[f"property_{t}" for t in range(n_tasks)],
)
train, test = slice(0, 300), slice(300, None)


def keep(labels, share, rng):
    """Leave a random share of the labels, and set the others to NaN."""
    return labels.mask(rng.random(labels.shape) >= share)


Y_train = keep(Y[train], 0.3, rng)
Y_train.notna().mean().round(2)

# %%
# A pipeline and a search
# -----------------------
#
# Amounts are skewed and become closer to normal; the site becomes 0/1 columns.
# :class:`~skmtl.model_selection.MultiTaskKFold` deals the labels of every task evenly
# to the folds. :class:`~skmtl.model_selection.FleetSearchCV` takes the arguments of
# ``GridSearchCV``, and trains the networks of all candidates and folds at once.
# ``score`` skips missing labels.

encode = make_column_transformer(
    (PowerTransformer(), [f"amount_{k}" for k in range(10)]),
    (OneHotEncoder(), ["site"]),
)
network = MultiTaskRegressor(
    n_members=2, learning_rate_init=0.01, max_iter=40, random_state=0
)
search = FleetSearchCV(
    make_pipeline(encode, network),
    {
        "multitaskregressor__alpha": [1.0, 10.0],
        "multitaskregressor__hidden_layer_sizes": [(4,), (32,)],
    },
    cv=MultiTaskKFold(4, random_state=0),
).fit(X[train], Y_train)

results = pd.DataFrame(search.cv_results_)
results = results[[*results.filter(like="param_"), "mean_test_score", "std_test_score"]]
results.columns = results.columns.str.replace("param_multitaskregressor__", "")
results.round(3)

# %%
print(f"R2 in cross-validation: {search.best_score_:.2f}")
print(f"R2 on test rows:        {search.score(X[test], Y[test]):.2f}")

# %%
# What missing labels cost
# ------------------------
#
# The same pipeline with the chosen settings, trained on growing shares of the labels:
# once jointly, once task by task. Each point is the mean over three draws of the labels
# that are kept.

best = search.best_estimator_
shares = [0.1, 0.25, 0.5, 1.0]


def joint(labels, seed):
    model = best.set_params(multitaskregressor__random_state=seed)
    return model.fit(X[train], labels).predict(X[test])


def single_task(labels, seed):
    return np.column_stack([joint(labels[[task]], seed) for task in labels])


scores = pd.DataFrame(
    [
        {
            "share": share,
            name: multitask_r2(
                Y[test],
                method(keep(Y[train], share, np.random.default_rng(seed)), seed),
            ),
        }
        for share in shares
        for seed in range(3)
        for name, method in (("joint", joint), ("single-task", single_task))
    ]
)
curves = scores.groupby("share").agg(["mean", "sem"])

figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for name, marker in (("joint", "o"), ("single-task", "s")):
    ax.errorbar(
        100 * curves.index,
        curves[name, "mean"],
        yerr=curves[name, "sem"],
        marker=marker,
        capsize=3,
        label=name,
    )
ax.set(xlabel="Labels known (%)", ylabel="R2 on test rows, mean over tasks")
ax.legend()
plt.show()

# %%
# The difference between the two, in standard errors over the three draws:

difference = scores.groupby("share")["joint"].apply(lambda s: s.dropna().to_numpy())
difference -= scores.groupby("share")["single-task"].apply(
    lambda s: s.dropna().to_numpy()
)
pd.DataFrame(
    {
        "joint minus single-task": difference.map(np.mean),
        "standard error": difference.map(lambda d: np.std(d, ddof=1) / np.sqrt(len(d))),
    }
).round(3)

# %%
# Joint training is ahead by more than two standard errors at every share of labels
# here, and most where labels are few: a row without a label for one task still teaches
# the shared layer by its other labels. The tasks were made to share two factors; where
# tasks share nothing, joint training cannot help.
