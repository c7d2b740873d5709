import builtins
import html
import math
import re
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from skmtl.report import GroupingReport, render_report, write_report
from skmtl.report.wording import (
    ABSENT,
    duration,
    headline,
    number,
    percent,
    reliability_sentence,
    reliability_word,
)

PNG = b"\x89PNG\r\n\x1a\nrest of a picture"
VOID = {"meta", "img", "br", "hr", "link", "input"}


def make_report(n_tasks=5, *, scale=(1.0, 0.8, 0.7), n_groups=2, **changes):
    rng = np.random.default_rng(n_tasks)
    names = [f"task <b>{k}</b> & 'co'" for k in range(n_tasks)]
    target, source = np.nonzero(~np.eye(n_tasks, dtype=bool))
    gain = rng.normal(scale=0.1, size=len(target))
    pairs = {
        "target": np.array(names, dtype=object)[target],
        "source": np.array(names, dtype=object)[source],
    }
    report = GroupingReport(
        title="Grouping of <script>alert(1)</script>",
        data_description="Made-up numbers.",
        kind="regression",
        n_rows=1234,
        n_features=7,
        loss_name="mean squared error",
        losses=pd.DataFrame(
            np.outer(rng.uniform(0.5, 1.5, n_tasks), scale),
            index=names,
            columns=["single-task", "joint", "grouped"],
        ),
        winner="beam",
        groups=[tuple(names[k::n_groups]) for k in range(n_groups)],
        gains=pd.DataFrame(
            {
                **pairs,
                "gain": gain,
                "gain_se": 0.02,
                "stl_loss": 1.0,
                "mtl_loss": 1 - gain,
                "n_repeats": 4,
            }
        ),
        affinity=pd.DataFrame(np.zeros((n_tasks, n_tasks)), index=names, columns=names),
        predicted_gains=pd.DataFrame(
            {**pairs, "measured": gain, "predicted": gain + rng.normal(scale=0.1, size=len(gain))}
        ),
        reliability=0.42,
        choice=pd.DataFrame(
            {
                "candidate": ["joint", "beam"],
                "n_groups": [1, n_groups],
                "validation_loss": [0.9, 0.8],
                "chosen": [False, True],
            }
        ),
        notices=["3 rows without a target were dropped."],
        seconds=200.0,
        settings={"pairs": 0.25, "seed": None},
    )
    return replace(report, **changes)


class Balanced(HTMLParser):
    """Fails when tags are not closed in order; collects visible text and addresses."""

    def __init__(self, page):
        super().__init__()
        self.open, self.text, self.addresses, self.tags = [], [], [], set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for key, value in attrs if key in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("n_tasks", [2, 29, 139])
def test_page_names_every_task_and_needs_nothing_else(n_tasks):
    report = make_report(n_tasks)
    page = Balanced(render_report(report, {"affinity": PNG, "prediction": PNG, "losses": PNG}))
    text = "".join(page.text)
    assert all(name in text for name in report.losses.index)
    assert len(page.addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe"}


def test_page_refers_to_no_other_host_or_file():
    assert not re.search(
        r"https?://|url\(|@import|file:", render_report(make_report(), {"affinity": PNG})
    )


def test_names_and_texts_are_escaped():
    hostile = "<img src=x onerror=alert(1)>"
    report = make_report(
        notices=[hostile],
        data_description=hostile,
        winner=hostile,
        settings={hostile: hostile},
        loss_name=hostile,
    )
    page = render_report(report)
    assert hostile not in page
    assert html.escape(hostile) in page
    assert "<script" not in page
    assert "<b>0</b>" not in page


def test_page_without_pictures_still_explains():
    text = "".join(Balanced(render_report(make_report())).text)
    assert "Reliability of the gains" in text


@pytest.mark.parametrize("reliability", [math.nan, -0.1, 0.1, 0.5, 0.9])
def test_reliability_is_put_into_words(reliability):
    text = "".join(Balanced(render_report(make_report(reliability=reliability))).text)
    assert reliability_sentence(reliability) in text
    assert "nan" not in text.lower().split()


def test_empty_tables_and_missing_losses_are_reported():
    report = make_report()
    losses = report.losses.copy()
    losses.iloc[0, 1] = np.nan
    empty = {
        "gains": report.gains.iloc[:0],
        "predicted_gains": pd.DataFrame(),
        "choice": pd.DataFrame(),
        "notices": [],
        "settings": {},
    }
    text = "".join(Balanced(render_report(replace(report, losses=losses, **empty))).text)
    assert "1 task without a loss for every strategy is left out of the totals" in text
    assert not re.search(r"\bnan\b", text)


def test_all_losses_missing_is_said_plainly():
    losses = make_report().losses * np.nan
    assert "cannot be compared" in render_report(make_report(losses=losses))


def test_written_file_holds_the_page(tmp_path):
    report = make_report()
    path = write_report(report, tmp_path / "report.html", {"affinity": PNG})
    assert path.read_text(encoding="utf-8") == render_report(report, {"affinity": PNG})


def test_unknown_pictures_and_other_files_are_refused():
    with pytest.raises(ValueError, match="'selfie'"):
        render_report(make_report(), {"selfie": PNG})
    with pytest.raises(ValueError, match="not a PNG"):
        render_report(make_report(), {"affinity": b"<svg/>"})


def test_missing_jinja_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "jinja2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "skmtl\[report\]"'):
        render_report(make_report())


def test_content_is_frozen_and_wants_its_three_strategies():
    report = make_report()
    with pytest.raises(FrozenInstanceError):
        report.title = "other"
    with pytest.raises(ValueError, match="must have the columns single-task, joint, grouped"):
        replace(report, losses=report.losses[["grouped", "single-task", "joint"]])


@pytest.mark.parametrize(
    ("scale", "best", "sentence"),
    [
        (
            (1.0, 0.8, 0.6),
            "grouped",
            "in 2 groups lowers the held-out loss by 40.0\u202f% compared with one network per "
            "task and by 25.0\u202f%",
        ),
        (
            (1.0, 0.855, 0.9),
            "joint",
            "One joint network lowers the held-out loss by 14.5\u202f% compared with one "
            "network per task",
        ),
        ((1.0, 0.8, 0.8), "joint", "One joint network lowers"),
        ((1.0, 0.995, 1.0), "joint", "negligible"),
        ((1.0, 1.1, 1.05), "single-task", "No strategy improves"),
        ((1.0, 1.0, 1.0), "joint", "No strategy improves"),
    ],
)
def test_headline_names_the_best_strategy_and_its_reduction_of_loss(scale, best, sentence):
    report = make_report(scale=scale)
    assert report.best == best
    assert sentence in headline(report)


def test_helpful_and_harmful_pairs_are_the_extremes_of_the_gains():
    report = make_report(9)
    page = render_report(report)
    tables = re.findall(
        r"<h3>(?:Largest|Most negative) measured gains</h3>.*?<tbody>(.*?)</tbody>",
        page,
        flags=re.S,
    )
    shown = [re.findall(r'class="n (?:good|bad)[^"]*">([^<]*)<', table) for table in tables]
    ordered = report.gains["gain"].sort_values()
    assert shown[0] == [percent(gain, signed=True) for gain in ordered[::-1][:10]]
    assert shown[1] == [percent(gain, signed=True) for gain in ordered[:10]]


def test_groups_keep_their_numbers_and_lone_tasks_are_listed_apart():
    names = list(make_report().losses.index)
    text = "".join(
        Balanced(
            render_report(make_report(groups=[(names[0],), tuple(names[1:3]), tuple(names[3:])]))
        ).text
    )
    assert "Group 2" in text
    assert "Group 3" in text
    assert "Group 1" not in text
    assert "Single-task: 1 task" in text


@pytest.mark.parametrize(
    ("value", "word"),
    [(math.nan, "unknown"), (0.29, "weak"), (0.3, "moderate"), (0.69, "moderate"), (0.7, "strong")],
)
def test_strength_of_a_reliability(value, word):
    assert reliability_word(value) == word


def test_numbers_are_written_for_people():
    assert percent(-0.1234, signed=True) == "\u221212.3\u202f%"
    assert percent(0.1, signed=True) == "+10.0\u202f%"
    assert percent(-0.0001, signed=True) == "0.0\u202f%"
    assert percent(math.nan) == ABSENT
    assert [number(value) for value in (12345, 0.123456, math.nan, np.int64(15362), "text")] == [
        "12,345",
        "0.1235",
        ABSENT,
        "15,362",
        "text",
    ]
    assert [duration(value) for value in (0.5, 45.0, 245.0, 7260.0, math.nan)] == [
        "0.5 s",
        "45 s",
        "4 min 5 s",
        "2 h 1 min",
        ABSENT,
    ]


# ---------------------------------------------------------------------- pairs and groups
def test_only_gains_larger_than_twice_their_standard_error_are_bold():
    report = make_report(3, n_groups=1)
    gains = report.gains.assign(gain=[0.30, 0.20, 0.10, -0.10, -0.20, -0.30])
    gains = gains.assign(gain_se=[0.01, 0.20, 0.20, 0.20, 0.20, 0.01])
    page = render_report(replace(report, gains=gains))
    bold = re.findall(r'<td class="n (?:good|bad) best">([^<]*)</td>', page)
    assert bold == [percent(0.30, signed=True), percent(-0.30, signed=True)]


def test_overlapping_groups_say_which_of_them_serves_a_task():
    report = make_report(3)
    a, b, c = report.losses.index
    groups, served_by = [(a, b), (b, c)], {a: 0, b: 1, c: 1}
    page = render_report(replace(report, groups=groups, served_by=served_by))
    text = " ".join("".join(Balanced(page).text).split())
    assert f"{b} (predicted by group 2)" in text
    assert text.count("(predicted by group") == 1
    assert "Groups overlap" in text
    assert "Groups overlap" not in render_report(report)


def test_a_group_serves_only_tasks_that_it_holds():
    report = make_report(2)
    with pytest.raises(ValueError, match="group 1 serves task"):
        replace(report, served_by={report.losses.index[0]: 1})
