"""Help, version, and arguments that cannot be used."""

import importlib

import pytest

import skmtl
from skmtl.cli import main


def test_version_is_printed(call):
    assert call("--version") == (0, f"skmtl {skmtl.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["group", "--help"]])
def test_help_is_plain_text_of_at_most_80_columns(call, arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call(*arguments)
    assert (code, err) == (0, "")
    assert "group" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "a command is missing"),
        (["grop"], "invalid choice"),
        (["group"], "DATA"),
        (["group", "school", "--pairs", "0"], "above 0 up to 1, got '0'"),
        (["group", "school", "--pairs", "1.5"], "above 0 up to 1"),
        (["group", "school", "--pairs", "nan"], "above 0 up to 1"),
        (["group", "school", "--pairs", "half"], "must be a number"),
        (["group", "school", "--repeats", "0"], "at least 1"),
        (["group", "school", "--repeats", "2.5"], "must be a whole number"),
        (["group", "school", "--jobs", "0"], "at least 1"),
        (["group", "school", "--seed", "-1"], "from 0 up to"),
        (["group", "school", "--method", "magic"], "invalid choice"),
        (["group", "school", "--kind", "ranking"], "invalid choice"),
        (["group", "school", "--colour", "red"], "unrecognized arguments"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(call, arguments, reason):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("skmtl: ")
    assert err.count("\n") == 1
    assert reason in err


def test_an_interrupt_is_exit_code_130_and_no_traceback(call, table, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("skmtl.cli.entry"), "compare", interrupt)
    code, _, err = call(frame=table)
    assert code == 130
    assert err == "skmtl: interrupted\n"


def test_the_console_script_and_the_module_run_the_same_function():
    assert importlib.import_module("skmtl.__main__").main is main
