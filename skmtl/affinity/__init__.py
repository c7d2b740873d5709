"""Task affinity: measured gains, features of task pairs, predicted gains, published estimates."""

from skmtl.affinity.ensemble_affinity import EnsembleAffinity
from skmtl.affinity.featurizer import TaskRelationFeaturizer
from skmtl.affinity.gain_regressor import PairwiseGainRegressor
from skmtl.affinity.gains import PairwiseGains
from skmtl.affinity.gradient_affinity import GradientTaskAffinity
from skmtl.affinity.higher_order import HigherOrderAffinity
from skmtl.affinity.kept_results import KeptNumbers
from skmtl.affinity.linear_surrogate import LinearSurrogate
from skmtl.affinity.matrix import affinity_matrix
from skmtl.affinity.measure import collect_pairwise_gains
from skmtl.affinity.pair_prediction import gain_predictor, out_of_fold_predictions, predict_affinity
from skmtl.affinity.sampling import pairs_to_measure
from skmtl.affinity.shown_names import listed
from skmtl.affinity.tagging import TaggingAffinity

__all__ = [
    "EnsembleAffinity",
    "GradientTaskAffinity",
    "HigherOrderAffinity",
    "LinearSurrogate",
    "PairwiseGainRegressor",
    "PairwiseGains",
    "TaggingAffinity",
    "TaskRelationFeaturizer",
    "affinity_matrix",
    "collect_pairwise_gains",
    "gain_predictor",
    "pairs_to_measure",
    "predict_affinity",
]

# What other packages of skmtl use; no promise to users.
__shared__ = ["KeptNumbers", "listed", "out_of_fold_predictions"]
