"""The one training loop of all neural methods."""

from benchmark.training.inputs import Batch, Shapes, Tokens
from benchmark.training.loop import Output
from benchmark.training.neural import NeuralMethod

__all__ = ["Batch", "NeuralMethod", "Output", "Shapes", "Tokens"]
