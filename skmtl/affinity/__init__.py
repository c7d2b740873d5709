"""Which tasks help each other: features of pairs, measured gains, and their prediction."""

from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.matrix import affinity_matrix
from skmtl.affinity.measure import collect_pairwise_gains
from skmtl.affinity.prediction import gain_predictor, out_of_fold_predictions, predict_affinity

__all__ = [
    "PairwiseGainRegressor",
    "PairwiseGains",
    "TaskRelationFeaturizer",
    "affinity_matrix",
    "collect_pairwise_gains",
    "gain_predictor",
    "out_of_fold_predictions",
    "predict_affinity",
]
