"""The HTML representation of an estimator leads to its page."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import estimator_html_repr

from skmtl.support.state import DOCS_URL, DocLinks

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))
from api_reference import pages


class Ridge(DocLinks, BaseEstimator):
    """A ridge.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty.

    Attributes
    ----------
    coef_ : list of float
        Slopes of the ridge.
    """

    __module__ = "skmtl.estimators.ridge"

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        self.coef_ = [1.0]
        return self


class Crest(Ridge):
    """A user's own."""

    __module__ = "mountains.crest"


PAGE = f"{DOCS_URL}/api/generated/skmtl.estimators.Ridge.html"


def test_the_html_representation_links_to_the_page_of_the_class():
    assert f'href="{PAGE}"' in estimator_html_repr(Ridge())


def test_a_fitted_estimator_shows_its_attributes_beside_the_link():
    html = estimator_html_repr(Ridge().fit(None, None))
    assert f'href="{PAGE}"' in html
    if "Slopes of the ridge." not in html:
        pytest.skip("scikit-learn describes fitted attributes from 1.9 on")
    assert "coef_: list of float" in html


def test_parameters_have_tooltips_and_links_into_the_page():
    html = estimator_html_repr(Ridge(alpha=2.0))
    if "Strength of the penalty." not in html:
        pytest.skip("scikit-learn describes parameters from 1.8 on")
    assert "alpha: float, default=1.0<br><br>Strength of the penalty." in html
    assert f'href="{PAGE}#:~:text=alpha,-float' in html


def test_the_link_also_stands_in_a_pipeline():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert f'href="{PAGE}"' in estimator_html_repr(make_pipeline(StandardScaler(), Ridge()))


def test_a_class_of_a_user_has_no_link():
    assert Crest()._get_doc_link() == ""
    assert DOCS_URL not in estimator_html_repr(Crest())


def test_an_instance_may_have_a_template_of_its_own():
    ridge = Ridge()
    ridge._doc_link_template = "https://example.org/{name}"
    assert ridge._get_doc_link() == "https://example.org/Ridge"


ESTIMATORS = [
    pytest.param(page, id=page.name)
    for page in pages()
    if inspect.isclass(page.value) and issubclass(page.value, DocLinks)
]


@pytest.mark.parametrize("page", ESTIMATORS)
def test_the_address_is_the_page_that_the_api_reference_writes(page):
    address = DocLinks._doc_link_url_param_generator(object.__new__(page.value))
    written = DocLinks._doc_link_template.format(**address)
    assert written == f"{DOCS_URL}/api/generated/{page.name}.html"
