"""Aggregators, which turn the losses or gradients of T tasks into one step; one method per file."""

from skmtl.aggregation.alignedmtl import AlignedMTL
from skmtl.aggregation.cagrad import CAGrad
from skmtl.aggregation.config import ConFIG
from skmtl.aggregation.dualproj import DualProj
from skmtl.aggregation.dwa import DWA
from skmtl.aggregation.fairgrad import FairGrad
from skmtl.aggregation.famo import FAMO
from skmtl.aggregation.gls import GLS
from skmtl.aggregation.graddrop import GradDrop
from skmtl.aggregation.gradnorm import GradNorm
from skmtl.aggregation.gradvac import GradVac
from skmtl.aggregation.igb import IGB
from skmtl.aggregation.imtlg import IMTLG
from skmtl.aggregation.mean import Mean
from skmtl.aggregation.mgda import MGDA
from skmtl.aggregation.minmax import MinMax
from skmtl.aggregation.nash import NashMTL
from skmtl.aggregation.pcgrad import PCGrad
from skmtl.aggregation.pivrg import PIVRG
from skmtl.aggregation.registry import AGGREGATORS, resolve_aggregator
from skmtl.aggregation.relobralo import ReLoBRaLo
from skmtl.aggregation.rlw import RLW
from skmtl.aggregation.shapley import shapley_values
from skmtl.aggregation.shapley_weighted import ShapleyWeighted
from skmtl.aggregation.si import SI
from skmtl.aggregation.stch import STCH
from skmtl.aggregation.sum import Sum
from skmtl.aggregation.svfair import SVFair
from skmtl.aggregation.task_gradients import TaskGradients
from skmtl.aggregation.upgrad import UPGrad
from skmtl.aggregation.uw import UW
from skmtl.aggregation.voldet import negative_cosine_fraction, voldet, voldetpro

__all__ = [
    "AGGREGATORS",
    "DWA",
    "FAMO",
    "GLS",
    "IGB",
    "IMTLG",
    "MGDA",
    "PIVRG",
    "RLW",
    "SI",
    "STCH",
    "UW",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "GradDrop",
    "GradNorm",
    "GradVac",
    "Mean",
    "MinMax",
    "NashMTL",
    "PCGrad",
    "ReLoBRaLo",
    "SVFair",
    "ShapleyWeighted",
    "Sum",
    "TaskGradients",
    "UPGrad",
    "negative_cosine_fraction",
    "shapley_values",
    "voldet",
    "voldetpro",
]

# Names that other packages of skmtl use; they may change without notice.
__shared__ = ["resolve_aggregator"]
