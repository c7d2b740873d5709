"""Every benchmark runs on a small scale; what it measures is not looked at here."""

import importlib
import runpy
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from threadpoolctl import threadpool_limits

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    and "quick" in path.read_text(encoding="utf-8")
)
# Packages that a script compares skmtl with.
RIVALS = {"fairness_rivals": ["fairlearn"], "aggregators": ["torchjd"]}


@pytest.fixture
def one_thread():
    """Restore the number of torch threads, which the scripts set."""
    before = torch.get_num_threads()
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_runs_quickly_and_prints_a_table(script, tmp_path, monkeypatch, capsys):
    for package in RIVALS.get(script, []):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--quick", "--out", str(tmp_path)])
    importlib.invalidate_caches()
    with warnings.catch_warnings(), mpl.rc_context({"backend": "agg"}):
        warnings.simplefilter("ignore")
        try:
            runpy.run_path(str(FOLDER / f"{script}.py"), run_name="__main__")
        except SystemExit as stop:  # how a script ends is its return code
            assert not stop.code, stop.code  # noqa: PT017
    assert "|---" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.csv"))
