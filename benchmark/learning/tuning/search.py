"""Nested tuning: every split's hyper-parameters are searched inside its own training part, then the method is fitted anew.

A trial learns on 80 % of the training part, stops early on the other 20 %, and is scored on the validation part. A tuned method
is given what every method is given, train and validation views: it has no test case to look at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna import Study, Trial, TrialPruned
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from benchmark.data.cohort import Cohort
from benchmark.data.splits import inner_cut
from benchmark.data.stages import Arrays
from benchmark.learning.fitting import Views, blind_view, fit_and_predict, fresh, saved_attributes, stages_built
from benchmark.learning.method import Method
from benchmark.learning.tuning.space import ESTIMATOR, Domain, Range, Space, grid_point, grid_size, read_space, with_values
from benchmark.registry.budget import Budget
from benchmark.registry.catalogue import ConfiguredMethod
from benchmark.system.errors import BenchmarkError

WARM_UP_EPOCHS = 10
"""No trial is pruned before [A]: learning rates still rise."""
FULL_TRIALS = 5
"""No trial is pruned before so many ran to their end: the pruner's median is theirs (Optuna's default)."""
INTERRUPTED = "interrupted"
"""Marks a trial that a killed process left behind: it does not count, and its place is tried again."""


def method_of(method: ConfiguredMethod, open_study: Callable[[], Study] | None = None) -> Method:
    """A fresh instance of a configured method, or of the search that its budget asks for, in the study given."""
    return cast(Method, method.make()) if method.budget is None else Tuned(method, open_study or _in_memory)


class Tuned:
    """A method whose values are chosen by a search among (train, validation); a method itself.

    `open_study` gives the Optuna study to search in; a study that holds trials is gone on with.
    After `fit`, `chosen` holds the `values`, their `inner_auc` on the validation part, the number of `trials` by how they
    ended, and as `refit` what the fitted method itself chose.
    """

    def __init__(self, method: ConfiguredMethod, open_study: Callable[[], Study]) -> None:
        assert method.budget is not None
        self.method, self.budget, self.open_study = method, method.budget, open_study
        self.space = read_space(method)
        most = grid_size(self.space, method.entry.name) if self.budget.sampler == "grid" else self.budget.trials
        self.trials = min(most, self.budget.trials)
        self.threshold = 0.5
        self.history: Mapping[str, Any] = {}
        self._stages: dict[tuple[str, ...], Arrays] = {}

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Search, then fit with the best values as every method is fitted. Raises `BenchmarkError` where no trial scored."""
        self._stages.clear()
        done = self._search(self.open_study(), train, validation, seed)
        best = _best(done)
        self._fitted = fresh(self.method, seed, partial(self._configured, best.params))
        if stages := stages_built(self._with(best.params), train, validation, seed, {}):
            self._fitted.stages = stages  # type: ignore[attr-defined]
        self._fitted.fit(train, validation, seed)
        ended = [trial.state.name for trial in done]
        self.chosen = {
            "values": dict(sorted(best.params.items())),
            "inner_auc": best.value,
            "trials": {"complete": ended.count("COMPLETE"), "pruned": ended.count("PRUNED"), "failed": ended.count("FAIL")},
        }
        self.threshold, refit, self.history = saved_attributes(self._fitted)
        if refit:
            self.chosen["refit"] = refit

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1) by the method with the chosen values, (n,)."""
        return self._fitted.predict_proba(cases)

    def _search(self, study: Study, train: Cohort, validation: Cohort, seed: int) -> list[FrozenTrial]:
        """Try what the study lacks of the budget; returns the trials that count, in order."""
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=FULL_TRIALS, n_warmup_steps=WARM_UP_EPOCHS)
        owner = study.user_attrs.get("owner")
        while len(done := counted(study)) < self.trials and not self._out_of_time(done):
            if study.user_attrs.get("owner") != owner:
                raise BenchmarkError("another process took this search over")
            study.sampler = sampler(self.budget, self.space, seed, len(done))
            self._try(
                study,
                study.ask({name: distribution(domain) for name, domain in self.space.items()}),
                done,
                (train, validation),
                seed,
            )
        return done

    def _try(self, study: Study, trial: Trial, done: Sequence[FrozenTrial], views: tuple[Cohort, Cohort], seed: int) -> None:
        """Score a trial; one that raises is a failed trial, whatever it raises."""
        known = [before.value for before in done if before.state is TrialState.COMPLETE and before.params == trial.params]
        try:
            score = known[0] if known else self._score(trial, *views, seed)
        except TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except (Exception, SystemExit) as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, score)

    def _score(self, trial: Trial, train: Cohort, validation: Cohort, seed: int) -> float:
        """AUC on the validation part of a method that learnt on a cut of the training part."""
        from sklearn.metrics import roc_auc_score

        def report(epoch: int, auc: float) -> None:
            trial.report(auc, epoch)
            if trial.should_prune():
                raise TrialPruned

        learning, stopping = inner_cut(train, seed)
        cases = blind_view(validation, np.arange(len(validation)), self.method.modalities[1])
        views = Views(train.take(learning), replace(train.take(stopping), pool=None), cases)
        stages = stages_built(self._with(trial.params), views.train, views.validation, seed, self._stages)
        fitted = fit_and_predict(self.method, views, seed, partial(self._configured, trial.params, report), stages=stages)
        return float(roc_auc_score(np.asarray(validation.labels), fitted.probabilities))

    def _with(self, values: Mapping[str, Any]) -> ConfiguredMethod:
        """The configuration with the values chosen of its own fields, on which its stages depend."""
        own = {name: value for name, value in values.items() if not name.startswith(ESTIMATOR)}
        return replace(self.method, parameters={**self.method.fixed, **own})

    def _configured(self, values: Mapping[str, Any], on_epoch: Callable[[int, float], None] | None = None) -> Method:
        """A method with the values chosen, which calls `on_epoch` if it can."""
        method = with_values(self.method, values)
        if on_epoch is not None and hasattr(method, "on_epoch"):
            method.on_epoch = on_epoch
        return method

    def _out_of_time(self, done: Sequence[FrozenTrial]) -> bool:
        spent = sum(trial.duration.total_seconds() for trial in done if trial.duration is not None)
        return bool(done) and self.budget.seconds is not None and spent >= self.budget.seconds


def counted(study: Study) -> list[FrozenTrial]:
    """The trials that ended and count towards the budget, in order: those that a killed process left do not."""
    return [trial for trial in study.get_trials() if trial.state.is_finished() and INTERRUPTED not in trial.user_attrs]


def _best(done: Sequence[FrozenTrial]) -> FrozenTrial:
    """The first of those with the greatest score. Raises `BenchmarkError` where none has one."""
    scored = [trial for trial in done if trial.state.name == "COMPLETE"]
    if not scored:
        errors = [trial.user_attrs["error"] for trial in done if "error" in trial.user_attrs]
        raise BenchmarkError(f"none of {len(done)} trials gave a score: {errors[-1] if errors else 'no reason is known'}")
    return max(scored, key=lambda trial: (trial.value, -trial.number))


def _in_memory() -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize")


class GridPoint(RandomSampler):  # type: ignore[misc]
    """Proposes one point. Optuna's own `GridSampler` would take a point as visited whose trial was killed."""

    def __init__(self, point: Mapping[str, Any]) -> None:
        self.point = point

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        """The point's value."""
        return self.point[param_name]


def sampler(budget: Budget, space: Space, seed: int, place: int) -> BaseSampler:
    """Who proposes the trial at a place: drawn by seed and place alone, so that an interrupted search ends the same.

    A grid of more points than trials is sampled: that many different points, drawn evenly by the seed.
    """
    if budget.sampler == "grid":
        return GridPoint(grid_point(space, budget.trials, seed, place))
    own = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    if budget.sampler == "random":
        return RandomSampler(seed=own)
    return TPESampler(seed=own, constant_liar=False, n_startup_trials=min(10, budget.trials // 3))


def distribution(domain: Domain) -> BaseDistribution:
    """A domain in Optuna's terms."""
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain)
    whole = isinstance(domain.low, int) and isinstance(domain.high, int)
    return (IntDistribution if whole else FloatDistribution)(domain.low, domain.high, log=domain.log)
