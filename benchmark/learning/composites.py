"""Estimators made of estimators: the classifiers inside a pipeline, a search, a calibration, a vote or a stack."""

from typing import Any, Self, cast

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from benchmark.system.errors import BenchmarkError


def parameters(estimator: Any, *, deep: bool = False) -> dict[str, Any]:
    """The parameters of an estimator; none of anything else."""
    return cast(dict[str, Any], estimator.get_params(deep=deep)) if hasattr(estimator, "get_params") else {}


def classifiers_within(estimator: Any) -> dict[str, Any]:
    """Parameter -> classifier, of those directly inside: the last step of a pipeline, what a search or calibration fits."""
    given = parameters(estimator)
    named = [*(given.get("estimators") or ()), *(given.get("steps") or ())[-1:], ("estimator", given.get("estimator"))]
    return {name: inner for name, inner in named if hasattr(inner, "fit")}


def chosen_within(fitted: Any) -> dict[str, Any]:
    """What a fitted search chose, it alone or as the last step of a pipeline; an estimator among it as its text."""
    search = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted
    best: dict[str, Any] = getattr(search, "best_params_", {})
    return {name: " ".join(str(value).split()) if hasattr(value, "fit") else value for name, value in best.items()}


def weighable(estimator: Any) -> Any:
    """The estimator, whose `fit` takes `sample_weight` wherever a pipeline stands in between.

    Raises `BenchmarkError` for a classifier that takes no weights.
    """
    inner = classifiers_within(estimator)
    if not inner and not has_fit_parameter(estimator, "sample_weight"):
        raise BenchmarkError(f"class_weight: {type(estimator).__name__} takes no weights of cases: choose class_weight=none")
    if inner:
        estimator.set_params(**{name: weighable(each) for name, each in inner.items()})
    return WeighablePipeline(**parameters(estimator)) if type(estimator) is Pipeline else estimator


class WeighablePipeline(Pipeline):  # type: ignore[misc]
    """A pipeline whose last step takes the weights of the cases."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit all steps; the weights (n,) go to the last one."""
        super().fit(X, y, **{f"{self.steps[-1][0]}__sample_weight": sample_weight}, **params)
        return self
