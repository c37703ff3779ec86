"""The one training loop of all neural methods."""

from benchmark.learning.neural.inputs import Batch, Shapes, Tokens
from benchmark.learning.neural.loop import Output
from benchmark.learning.neural.neural import NeuralMethod

__all__ = ["Batch", "NeuralMethod", "Output", "Shapes", "Tokens"]
