"""What scikit-learn expects of a classifier."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl import MultiTaskClassifier
from skmtl.spurious import DebiasedClassifier

NETWORK = MultiTaskClassifier(
    (6,),
    max_iter=20,
    learning_rate_init=0.05,
    batch_size="full",
    early_stopping=False,
    dtype="float64",
    n_members=1,
    alpha=0.0,
    random_state=0,
)
EXCEPTIONS = {
    "check_non_transformer_estimators_n_iter": "one task has no spurious task: its head takes no "
    "further step, and n_iter_ is 0"
}


@parametrize_with_checks(
    [DebiasedClassifier(NETWORK), DebiasedClassifier(NETWORK, method="reweight")],
    expected_failed_checks=lambda _: EXCEPTIONS,
)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)
