"""Encoding of inputs: numbers, one-hot columns, and codes of embedded categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmtl.estimators.input_encoder import InputEncoder

# Largest number of known levels that embedding_dim="auto" one-hot encodes.
_WRITTEN_OUT = 16
# Largest width of an embedding with "auto".
_WIDEST = 16


@dataclass(frozen=True, eq=False)
class InputReader:
    """Encodes tables as the inputs of the trunk.

    Attributes
    ----------
    encoder : InputEncoder
        Numbers and codes.
    written_out : list of int
        Categorical columns that are one-hot encoded; an unknown or missing level is all 0.
    embedded : list of int
        Categorical columns that are embedded.
    widths : list of int
        Widths of these embeddings.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.estimators.input_reader import InputReader
    >>> X = pd.DataFrame({"age": [20.0, 30.0], "city": pd.Categorical(["Rome", "Oslo"])})
    >>> reader = InputReader.learn(X)
    >>> reader.read(X)[0]
    array([[-1.,  0.,  1.],
           [ 1.,  1.,  0.]])
    """

    encoder: InputEncoder
    written_out: list[int]
    embedded: list[int]
    widths: list[int]

    @classmethod
    def learn(
        cls,
        X: Any,
        *,
        categorical_features: Any = "from_dtype",
        embedding_dim: Any = "auto",
        standardize: bool = True,
        sample_weight: NDArray[np.float64] | None = None,
        rows: NDArray[np.intp] | None = None,
    ) -> InputReader:
        """Learn from training inputs; arguments are those of :meth:`InputEncoder.learn`."""
        encoder = InputEncoder.learn(
            X,
            categorical_features=categorical_features,
            standardize=standardize,
            sample_weight=sample_weight,
            rows=rows,
        )
        levels = encoder.cardinalities
        written_out = (
            [c for c, n in enumerate(levels) if n - 1 <= _WRITTEN_OUT]
            if embedding_dim == "auto"
            else []
        )
        embedded = [c for c in range(len(levels)) if c not in written_out]
        widths = [
            _width(levels[c]) if embedding_dim == "auto" else int(embedding_dim) for c in embedded
        ]
        return cls(encoder, written_out, embedded, widths)

    @property
    def n_inputs(self) -> int:
        """Number of numeric columns that :meth:`read` returns."""
        return self.encoder.n_numeric + sum(
            self.encoder.cardinalities[c] - 1 for c in self.written_out
        )

    @property
    def embeddings(self) -> tuple[tuple[int, int], ...]:
        """Levels and widths of the embeddings."""
        return tuple(
            (self.encoder.cardinalities[c], width)
            for c, width in zip(self.embedded, self.widths, strict=True)
        )

    def read(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
        """Return numeric columns, (n, n_inputs), and codes of embedded columns, (n, c), or None."""
        encoded = self.encoder.transform(X)
        blocks = [
            encoded.codes[:, c, None] == np.arange(1, self.encoder.cardinalities[c])
            for c in self.written_out
        ]
        numeric = np.concatenate([encoded.numeric, *blocks], axis=1) if blocks else encoded.numeric
        return numeric, encoded.codes[:, self.embedded] if self.embedded else None


def _width(levels: int) -> int:
    """Return the width of an embedding: proportional to the square root of the number of levels."""
    return int(np.clip(round(1.6 * levels**0.5), 4, _WIDEST))
