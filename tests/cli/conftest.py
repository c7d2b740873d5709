"""Small tables on disk, and the command line called in this process."""

from __future__ import annotations

from functools import partial
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from skmtl.cli import main

COLUMNS = ["--task", "shop", "--target", "sales"]
QUICK = [*COLUMNS, "--pairs", "1", "--repeats", "1", "--jobs", "1", "--method", "beam"]


def make_table(rng, sizes=(40, 40, 40, 40), kind="regression"):
    """Rows of two pairs of like tasks."""
    parts = []
    for k, size in enumerate(sizes):
        X = rng.normal(size=(size, 3))
        y = X @ [1.0, -1.0, 0.5] * (1 if k < len(sizes) / 2 else -1) + 0.3 * rng.normal(size=size)
        if kind == "classification":
            y = (y > np.median(y)).astype(int)
        parts.append(
            pd.DataFrame(X, columns=["area", "staff", "age"]).assign(shop=f"shop {k}", sales=y)
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    """Draw pictures at a low resolution and lay them out once; tests of plotting look at them."""
    files, png = import_module("skmtl.cli.files"), import_module("skmtl.plotting.png")
    monkeypatch.setattr(png, "_LAYOUT_PASSES", 0)
    monkeypatch.setattr(files, "figure_png", partial(files.figure_png, dpi=30))


@pytest.fixture
def table(rng):
    return make_table(rng)


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """Run the command line on a table, or with plain arguments; returns exit code, output and
    errors.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments, frame=None, options=QUICK, name="shops.csv", out="results"):
        if frame is not None:
            frame.to_csv(tmp_path / name, index=False)
            arguments = ("group", name, *options, "--out", out, *arguments)
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
