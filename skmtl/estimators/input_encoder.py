"""Encoding of tables with numeric and categorical columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skmtl.data import Level, codes_of, is_categorical, learn_levels, resolve_categorical
from skmtl.estimators.numeric import Scaling, as_numbers


@dataclass(frozen=True, eq=False)
class EncodedInputs:
    """An encoded table.

    Attributes
    ----------
    numeric : ndarray of shape (n, q)
        Finite numbers.
    codes : ndarray of shape (n, c)
        Levels of the categorical columns; 0 = unknown or missing.
    """

    numeric: NDArray[np.float64]
    codes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """Encodes tables as a block of finite numbers and category codes.

    Columns of numbers (whole, real, boolean; numpy's, pandas' nullable and pyarrow's) form the
    numeric block in their order. They are standardized with the (weighted) mean and standard
    deviation of the known values, and outliers are compressed. A constant column becomes 0, and one
    that holds only 0 and 1 is not changed. Missing values are replaced by the mean. A column with
    missing and known values in training gets a missing indicator at the end of the block; a column
    without missing values in training gets none. A column without any known value in training
    becomes 0, whatever it holds later.

    Columns of categories get codes: 1, 2, ... for the levels present in training, sorted where they
    can be compared, and 0 for a missing or unseen level. Levels keep their type: 1 is 1.0 but not
    "1".

    Attributes
    ----------
    numeric_names : list of str
        Names of the numeric block, "missingindicator_<column>" for missing indicators;
        "x<position>" without names.
    categorical_names : list of str
        Names of the categorical columns.
    numeric_positions, categorical_positions, indicated : list of int
        Positions of these columns in the table, and of the columns with a missing indicator among
        the numeric ones.
    scaling : Scaling
        Scaling of the numbers.
    levels : list of list
        Levels of every categorical column; the code of a level is 1 + its position.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.estimators.input_encoder import InputEncoder
    >>> X = pd.DataFrame(
    ...     {"age": [20.0, None, 40.0], "city": pd.Categorical(["Rome", "Oslo", None])}
    ... )
    >>> encoder = InputEncoder.learn(X)
    >>> encoder.numeric_names, encoder.categorical_names, encoder.cardinalities
    (['age', 'missingindicator_age'], ['city'], (3,))
    >>> encoded = encoder.transform(X)
    >>> encoded.numeric
    array([[-1.,  0.],
           [ 0.,  1.],
           [ 1.,  0.]])
    >>> encoded.codes.ravel()
    array([2, 1, 0])
    """

    numeric_names: list[str]
    categorical_names: list[str]
    numeric_positions: list[int]
    categorical_positions: list[int]
    indicated: list[int]
    scaling: Scaling
    levels: list[list[Level]]

    @property
    def n_numeric(self) -> int:
        """Number of columns of the numeric block, including missing indicators."""
        return len(self.numeric_names)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of levels of every categorical column, plus 1 for unknown or missing."""
        return tuple(len(levels) + 1 for levels in self.levels)

    @classmethod
    def learn(
        cls,
        X: Any,
        *,
        categorical_features: Any = "from_dtype",
        standardize: bool = True,
        sample_weight: NDArray[np.float64] | None = None,
        rows: NDArray[np.intp] | None = None,
    ) -> InputEncoder:
        """Learn from training inputs.

        Parameters
        ----------
        X : DataFrame or ndarray of float64, of shape (n, p)
            Inputs without the task column, NaN where missing.
        categorical_features : "from_dtype", None or array-like, default="from_dtype"
            Which columns hold categories: those of category dtype, none, or these (names, positions
            or a boolean mask).
        standardize : bool, default=True
            Whether to standardize numbers; missing values are replaced by the mean in any case.
        sample_weight : ndarray of shape (n,), optional
            Weights of all rows of X; a row of weight 0 counts as absent.
        rows : ndarray of int, optional
            Positions of the rows that count, all by default.

        Returns
        -------
        InputEncoder
            What was learned.

        Raises
        ------
        ValueError
            If a column that is not categorical holds strings, dates or infinity, or
            categorical_features does not fit X.
        """
        if not isinstance(X, pd.DataFrame):
            X = np.asarray(X, dtype=np.float64)
        names = (
            list(X.columns) if isinstance(X, pd.DataFrame) else [f"x{k}" for k in range(X.shape[1])]
        )
        chosen = resolve_categorical(
            categorical_features, list(X.columns) if isinstance(X, pd.DataFrame) else X.shape[1]
        )
        if chosen == "from_dtype":
            chosen = (
                [k for k, dtype in enumerate(X.dtypes) if is_categorical(dtype)]
                if isinstance(X, pd.DataFrame)
                else []
            )
        categorical = list(chosen or [])
        numeric = [k for k in range(len(names)) if k not in set(categorical)]
        X, weight = _counting_rows(X, sample_weight, rows)
        values = as_numbers(X, numeric)
        missing = np.isnan(values)
        indicated = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist()
        return cls(
            numeric_names=[str(names[k]) for k in numeric]
            + [f"missingindicator_{names[numeric[k]]}" for k in indicated],
            categorical_names=[str(names[k]) for k in categorical],
            numeric_positions=numeric,
            categorical_positions=categorical,
            indicated=indicated,
            scaling=Scaling.learn(values, weight, standardize),
            levels=[learn_levels(_column(X, k), names[k]) for k in categorical],
        )

    def transform(self, X: Any) -> EncodedInputs:
        """Encode inputs, which are not changed.

        Parameters
        ----------
        X : DataFrame or ndarray of float64, of shape (n, p)
            Inputs with the columns of training, in the same order; may have no rows.

        Returns
        -------
        EncodedInputs
            Finite numbers and codes.

        Raises
        ------
        ValueError
            If X has another number of columns, or a column that is not categorical holds strings,
            dates or infinity.
        """
        if not isinstance(X, pd.DataFrame):
            X = np.asarray(X, dtype=np.float64)
        width = len(self.numeric_positions) + len(self.categorical_positions)
        if X.shape[1] != width:
            raise ValueError(
                f"X has {X.shape[1]} columns, but the encoder was learned from {width} columns."
            )
        numeric = as_numbers(X, self.numeric_positions, spare=len(self.indicated))
        own = numeric[:, : len(self.numeric_positions)]
        numeric[:, own.shape[1] :] = np.isnan(own[:, self.indicated])
        self.scaling.apply(own)
        codes = np.empty((len(X), len(self.levels)), dtype=np.int64)
        for k, (position, levels, name) in enumerate(
            zip(self.categorical_positions, self.levels, self.categorical_names, strict=True)
        ):
            codes[:, k] = codes_of(_column(X, position), levels, name)
        return EncodedInputs(numeric, codes)


def _counting_rows(
    X: Any, sample_weight: NDArray[np.float64] | None, rows: NDArray[np.intp] | None
) -> tuple[Any, NDArray[np.float64] | None]:
    """Return the rows of X with positive weight, and their weights."""
    if rows is None and (sample_weight is None or (sample_weight > 0).all()):
        return X, sample_weight
    rows = np.arange(len(X)) if rows is None else np.asarray(rows)
    if sample_weight is not None:
        rows = rows[sample_weight[rows] > 0]
        sample_weight = sample_weight[rows]
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows], sample_weight


def _column(X: Any, position: int) -> Any:
    return X.iloc[:, position] if isinstance(X, pd.DataFrame) else X[:, position]
