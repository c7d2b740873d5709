"""
Measure gains of task pairs, and group tasks
============================================

Twelve regression tasks come as one table in long form: a column of ``X`` says which
task a row belongs to. Four groups of three tasks follow similar functions, which a user
would not know.

This example measures how much some pairs of tasks gain from being trained together,
predicts the gains of all other pairs, groups the tasks, and then asks the question that
decides: does one network per group predict better than a joint network for all tasks?
"""

# %%
# The tasks
# ---------
#
# The generator knows the truth. 40 rows per task serve to find the groups; the other
# rows are kept for the comparison at the end, so that the groups cannot profit from
# rows they were chosen on.

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmtl import MultiTaskRegressor, TaskGrouper, TaskSet, collect_pairwise_gains
from skmtl.affinity import predict_affinity
from skmtl.datasets import make_grouped_tasks
from skmtl.plotting import TaskAffinityDisplay

planted = make_grouped_tasks(
    n_tasks=12, n_groups=4, n_samples=340, input_shift=0.0, random_state=1
)
X = planted.data.assign(task=planted.task)
y = planted.target
row = X.groupby("task").cumcount()  # 0, 1, 2, ... within each task
found_on = row < 40
tasks = TaskSet.from_long(
    planted.data[found_on], y[found_on], planted.task[found_on], kind="regression"
)
print(len(tasks), "tasks with", tasks.n_features_in_, "inputs")

# %%
# Measure some pairs, predict the others
# --------------------------------------
#
# The gain of a target task from a source task is the share of the target's test loss
# that disappears when one network learns both tasks. 66 unordered pairs are few, but
# their number grows with the square of the number of tasks, so only half of them are
# measured here, on eight splits each.

network = MultiTaskRegressor((8,), learning_rate_init=0.01, max_iter=80)
gains = collect_pairwise_gains(tasks, network, pairs=0.5, n_repeats=8, random_state=0)
affinity = predict_affinity(tasks, gains, random_state=0)
groups = TaskGrouper(method="sdp", n_groups=4).fit(affinity.to_numpy()).groups_
groups = [[tasks.names[k] for k in group] for group in groups]
print(f"Reliability of the measured gains: {gains.reliability:.2f}")

# %%
# The reliability is the correlation to expect between this measurement and a second
# one. Where it is low, the order of single pairs is mostly luck: do not read much into
# one cell of the upper picture. The lower picture shows what a regression expects for
# all pairs. It pools the measured gains and uses features of the tasks' data, such as
# how well a linear model of one task predicts another. Rows are targets, columns are
# sources, frames are the groups of the next step.

figure, axes = plt.subplots(2, 1, figsize=(6.4, 10), layout="constrained")
TaskAffinityDisplay.from_predictions(gains.matrix, groups=groups, ax=axes[0])
TaskAffinityDisplay.from_predictions(affinity, groups=groups, ax=axes[1])
axes[0].set_title("Measured gains (half of the pairs)", loc="left")
axes[1].set_title("Predicted gains (all pairs)", loc="left")
plt.show()

# %%
# Semidefinite clustering of the predicted gains finds these groups; the planted ones
# are below.

print("found:  ", sorted(sorted(group) for group in groups))
print("planted:", sorted(sorted(group) for group in planted.groups))

# %%
# Does grouping beat joint training?
# ----------------------------------
#
# Pair gains do not answer this: a joint network learns from all rows of all tasks. The
# comparison uses rows that played no part so far: five training sets of 40 rows per
# task, and 100 test rows per task. The width of the shared layer changes the answer, so
# two widths are compared.

names = tasks.names
candidates = {
    "single-task": [[name] for name in names],
    "grouped": groups,
    "joint": [names],
}
test = row >= 240


def test_loss(candidate, width, seed):
    """Mean squared error on the test rows, with one network per group of tasks."""
    train = (row >= 40 * (seed + 1)) & (row < 40 * (seed + 2))
    errors = []
    for group in candidate:
        own = X["task"].isin(group)
        model = MultiTaskRegressor(
            (width,),
            n_members=2,
            learning_rate_init=0.01,
            max_iter=80,
            task_column="task",
            random_state=seed,
        ).fit(X[own & train], y[own & train])
        errors.append((model.predict(X[own & test]) - y[own & test]) ** 2)
    return np.concatenate(errors).mean()


losses = pd.DataFrame(
    [
        {"width": width, "seed": seed}
        | {
            name: test_loss(candidate, width, seed)
            for name, candidate in candidates.items()
        }
        for width in (4, 32)
        for seed in range(5)
    ]
)
table = losses.drop(columns="seed").groupby("width")
mean, error = table.mean(), table.std(ddof=1) / np.sqrt(5)
mean.round(3)

# %%
# Error bars are standard errors over the five training sets. The dashed line is the
# variance of the noise, which no model can predict.

figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for shift, (name, marker) in enumerate(zip(candidates, "osD", strict=True)):
    at = np.arange(len(mean)) + 0.15 * (shift - 1)
    ax.errorbar(at, mean[name], yerr=error[name], fmt=marker, capsize=3, label=name)
ax.axhline(0.25, color="gray", linestyle="--", label="noise")
ax.set_xticks(range(len(mean)), [f"{width} units" for width in mean.index])
ax.set(
    xlabel="Width of the shared layer",
    ylabel="Mean squared error on test rows",
    ylim=(0, None),
)
ax.set_xlim(-0.6, 1.6)
ax.legend()
plt.show()

# %%
# The difference between joint and grouped, with its standard error over the training
# sets:

difference = losses["joint"] - losses["grouped"]
paired = difference.groupby(losses["width"]).agg(["mean", "sem"])
paired.assign(ratio=paired["mean"] / paired["sem"]).round(3)

# %%
# With 4 shared units the joint network has no room for four different functions. There,
# grouping wins by more than three standard errors, and joint training is about as bad
# as single-task training. With 32 units the difference is below two standard errors:
# both beat single-task networks, and these data do not say which of the two is better.
#
# So compare a grouping with a joint network before you use it, on rows that played no
# part in finding it, and with a network that is large enough.
# :class:`~skmtl.TaskGroupedRegressor` does all of this in one ``fit``: it measures,
# groups, and keeps the grouping only where it beats both joint and single-task networks
# on validation rows.
