"""Names of the aggregators, as the ``aggregator`` parameter of estimators accepts them."""

from __future__ import annotations

from typing import get_args

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
from skmtl.aggregation.relobralo import ReLoBRaLo
from skmtl.aggregation.rlw import RLW
from skmtl.aggregation.si import SI
from skmtl.aggregation.stch import STCH
from skmtl.aggregation.sum import Sum
from skmtl.aggregation.svfair import SVFair
from skmtl.aggregation.torchjd import from_torchjd, is_torchjd
from skmtl.aggregation.upgrad import UPGrad
from skmtl.aggregation.uw import UW
from skmtl.base import Aggregator, AggregatorKind
from skmtl.data import shown_value

AGGREGATORS: dict[str, type[Aggregator]] = {
    "mean": Mean,
    "sum": Sum,
    "si": SI,
    "gls": GLS,
    "rlw": RLW,
    "uw": UW,
    "dwa": DWA,
    "famo": FAMO,
    "gradnorm": GradNorm,
    "stch": STCH,
    "minmax": MinMax,
    "relobralo": ReLoBRaLo,
    "igb": IGB,
    "mgda": MGDA,
    "pcgrad": PCGrad,
    "gradvac": GradVac,
    "graddrop": GradDrop,
    "cagrad": CAGrad,
    "imtlg": IMTLG,
    "nash": NashMTL,
    "fairgrad": FairGrad,
    "pivrg": PIVRG,
    "svfair": SVFair,
    "alignedmtl": AlignedMTL,
    "upgrad": UPGrad,
    "dualproj": DualProj,
    "config": ConFIG,
}


def resolve_aggregator(value: object) -> Aggregator:
    """Return the aggregator for a value of the ``aggregator`` parameter.

    Parameters
    ----------
    value : str, Aggregator, or aggregator or weighting of TorchJD
        Value of the ``aggregator`` parameter of an estimator.

    Returns
    -------
    Aggregator
        The object that the training loop calls.

    Raises
    ------
    ValueError
        If the name is unknown, or the value is not an aggregator.

    Examples
    --------
    >>> from skmtl.aggregation import resolve_aggregator
    >>> resolve_aggregator("svfair")
    SVFair()
    """
    if isinstance(value, str) and value in AGGREGATORS:
        return AGGREGATORS[value]()
    if isinstance(value, Aggregator) and type(value).step is not Aggregator.step:
        if value.kind not in get_args(AggregatorKind):
            raise ValueError(
                f"{type(value).__name__}.kind must be one of "
                f"{', '.join(get_args(AggregatorKind))}. Got {value.kind!r}."
            )
        return value
    if is_torchjd(value):
        return from_torchjd(value)
    raise ValueError(
        f"The 'aggregator' parameter must be one of {', '.join(AGGREGATORS)}, an aggregator object "
        "of skmtl.aggregation, a subclass of skmtl.base.Aggregator with a step method, or an "
        f"Aggregator or Weighting of torchjd. Got {shown_value(value)} instead."
    )
