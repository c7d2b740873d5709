"""Every benchmark runs on a small scale; what it measures is not looked at here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
# Packages that a script holds skmtl against.
RIVALS = {"fairness_rivals": ["fairlearn"], "aggregators": ["torchjd"]}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_runs_quickly_and_prints_a_table(script, tmp_path):
    for package in RIVALS.get(script, []):
        pytest.importorskip(package)
    threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    command = [sys.executable, str(FOLDER / f"{script}.py"), "--quick", "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **threads, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "|---" in done.stdout
    assert list(tmp_path.rglob("*.csv"))
