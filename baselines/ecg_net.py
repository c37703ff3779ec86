"""ECG network: residual convolutions in time, trained with labels alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from benchmark import register_method
from benchmark.learning.layers.signals import ResidualConvolutions
from benchmark.learning.self_supervised.signal_table import SignalTable


@register_method(
    "ecg-net",
    family="neural",
    reference="residual network of ECGs, Ribeiro et al. 2020, Nat Commun 11:1760",
    differences="[A] width 64, kernels of 9 in place of 17, the mean over time in place of a dense layer, and the training of "
    "`ecg-mae`; `modalities=signal+table` puts the table's embedding beside it",
    fit_modalities={"signal"},
    predict_modalities={"signal"},
    validation="early-stopping",
    variants={"modalities": {"signal+table": {"signal", "table"}}},
)
@dataclass
class ECGNet(SignalTable):
    """Convolutions(recording) -> mean over time -> logit.

    modalities : "signal+table" for MLP(table) beside it.
    """

    modalities: str = "signal"

    def signal_encoder(self, leads: int, samples: int) -> nn.Module:
        """The convolutions."""
        return ResidualConvolutions(leads, self.width)
