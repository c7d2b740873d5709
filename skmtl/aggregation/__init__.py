"""How the gradients or losses of T tasks become one step; one method a file."""

from skmtl.aggregation.alignedmtl import AlignedMTL
from skmtl.aggregation.cagrad import CAGrad
from skmtl.aggregation.config import ConFIG
from skmtl.aggregation.dualproj import DualProj
from skmtl.aggregation.fairgrad import FairGrad
from skmtl.aggregation.graddrop import GradDrop
from skmtl.aggregation.gradvac import GradVac
from skmtl.aggregation.imtlg import IMTLG
from skmtl.aggregation.mean import Mean
from skmtl.aggregation.mgda import MGDA
from skmtl.aggregation.nash import NashMTL
from skmtl.aggregation.pcgrad import PCGrad
from skmtl.aggregation.pivrg import PIVRG
from skmtl.aggregation.shapley import shapley_values
from skmtl.aggregation.sum import Sum
from skmtl.aggregation.svfair import SVFair
from skmtl.aggregation.upgrad import UPGrad
from skmtl.aggregation.voldet import negative_cosine_fraction, voldet, voldetpro

__all__ = [
    "IMTLG",
    "MGDA",
    "PIVRG",
    "AlignedMTL",
    "CAGrad",
    "ConFIG",
    "DualProj",
    "FairGrad",
    "GradDrop",
    "GradVac",
    "Mean",
    "NashMTL",
    "PCGrad",
    "SVFair",
    "Sum",
    "UPGrad",
    "negative_cosine_fraction",
    "shapley_values",
    "voldet",
    "voldetpro",
]
