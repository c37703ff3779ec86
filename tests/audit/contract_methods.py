"""Methods that keep the contract, and methods that each break one part of it: their `family` is the check that they fail.

A plug-in file for tests of `check`, never listed: give its path.
"""

import io
import pickle
import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from benchmark import register_method, stage

CALLS = []


class Curve:
    """Logistic curve of one number; which end is good is learnt."""

    def number(self, cases):
        return np.nan_to_num(cases.table["nihss"].to_numpy(dtype=float) - 8)

    def fit(self, train, validation, seed):
        number = self.number(train)
        self.slope = -1.0 if number[train.labels == 1].mean() < number[train.labels == 0].mean() else 1.0

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-self.slope * self.number(cases) / 8))


@register_method("good", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Good(Curve):
    stochastic = False


@register_method("worded", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Worded(Curve):
    stochastic = False

    def similarity(self, cases, texts):
        return np.tanh(self.number(cases)[:, None] / 8 - np.array([len(text) for text in texts]) / 40)


@register_method("taught", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Taught(Curve):
    stochastic = False

    def predict_findings(self, cases):
        return np.stack([self.predict_proba(cases)] * 2, axis=1)


@register_method("by-place", family="findings", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class ByPlace(Worded):
    def similarity(self, cases, texts):
        return np.linspace(-1, 1, len(cases) * len(texts)).reshape(len(cases), len(texts))


@register_method("unbounded", family="findings", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Unbounded(Taught):
    def predict_findings(self, cases):
        return 2 * super().predict_findings(cases)


@register_method("steep", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Steep(Curve):
    evaluation_only = ()
    stages = {}
    stochastic = False
    steepness = 2.0

    @stage(sees={"train"}, labels=True)
    def training(self, seen, seed):
        Curve.fit(self, seen.train, None, seed)
        return {"slope": np.array(self.steepness * self.slope)}

    def fit(self, train, validation, seed):
        Curve.fit(self, train, validation, seed)
        self.slope = float(self.stages["training"]["slope"]) if self.stages else self.steepness * self.slope


@register_method(
    "falsely-sharing", family="shared training", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class FalselySharing(Steep):
    """Its own training is another one than that of the method that it names."""

    trained_as = "steep"
    steepness = 3.0


@register_method("seeded", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Seeded(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= np.random.default_rng(seed).uniform(0.5, 2)
        self.threshold, self.chosen = np.float32(0.4), {"slope": np.float64(self.slope)}


@register_method("teacher", family="conforms", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table"})
@dataclass
class Teacher(Curve):
    """Learns from the image as well, and predicts without it."""

    stochastic = False

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= 1 + abs(np.corrcoef(train.derived["lesion_volume_ml"], train.labels)[0, 1])


@register_method(
    "forgiving", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"}, accepts_missing=True
)
@dataclass
class Forgiving(Curve):
    stochastic = False


@register_method("restoring", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Restoring(Curve):
    """Keeps its state in torch's own format and reads it back without running what it holds."""

    stochastic = False

    def fit(self, train, validation, seed):
        import torch

        super().fit(train, validation, seed)
        kept = io.BytesIO()
        torch.save({"slope": torch.tensor(self.slope)}, kept)
        kept.seek(0)
        self.slope = float(torch.load(kept, weights_only=True)["slope"])


@register_method("rounded", family="conforms", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Rounded(Curve):
    """Single precision takes its largest probability past 1."""

    stochastic = False

    def predict_proba(self, cases):
        return np.float32(np.minimum(1.5 * super().predict_proba(cases), 1)) * np.float32(1.0000002)


# Neither


@register_method(
    "idle", family="warned", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table", "image"}
)
@dataclass
class Idle(Curve):
    """Declares the image and never looks at it."""

    stochastic = False


@register_method("classes", family="warned", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Classes(Curve):
    stochastic = False

    def predict_proba(self, cases):
        return (super().predict_proba(cases) > 0.5).astype(float)


@register_method("constant", family="warned", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Constant(Curve):
    stochastic = False

    def predict_proba(self, cases):
        return np.full(len(cases), 0.3)


@register_method("small", family="not applicable", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Small(Curve):
    max_cases = 20
    max_cases_reason = "memory grows with the square"


# Fails: card


@register_method("misspelt", family="card", reference="r", fit_modalities={"tables"}, predict_modalities={"tables"})
@dataclass
class Misspelt(Curve):
    pass


@register_method("nameless", family="card", reference=" ", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Nameless(Curve):
    pass


@register_method(
    "other-field",
    family="card",
    reference="r",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={"inputs": {"table": {"table"}}},
)
@dataclass
class OtherField(Curve):
    pass


@register_method("plain-class", family="card", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
class PlainClass(Curve):
    pass


@register_method("no-default", family="card", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class NoDefault(Curve):
    width: int


@register_method("no-predict", family="card", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class NoPredict:
    def fit(self, train, validation, seed):
        pass


@register_method("unmakeable", family="card", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Unmakeable(Curve):
    def __post_init__(self):
        raise RuntimeError("no luck")


# Fails: probabilities


@register_method("raises-in-fit", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class RaisesInFit(Curve):
    def fit(self, train, validation, seed):
        raise ValueError("a deliberate failure")


@register_method(
    "raises-in-predict", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class RaisesInPredict(Curve):
    def predict_proba(self, cases):
        return self.weights


@register_method("quits", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Quits(Curve):
    def fit(self, train, validation, seed):
        raise SystemExit(3)


@register_method("gives-nan", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class GivesNaN(Curve):
    def predict_proba(self, cases):
        return cases.table["age"].to_numpy() * np.nan


@register_method("gives-columns", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class GivesColumns(Curve):
    def predict_proba(self, cases):
        p = super().predict_proba(cases)
        return np.column_stack([1 - p, p])


@register_method("gives-logits", family="probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class GivesLogits(Curve):
    def predict_proba(self, cases):
        return self.number(cases)


@register_method("painting", family="probabilities", reference="r", fit_modalities={"image"}, predict_modalities={"image"})
@dataclass
class Painting(Curve):
    """Writes into the images, which are opened for reading."""

    def fit(self, train, validation, seed):
        train.images["mask"].array[:] = 0


# Fails: determinism


@register_method("counting", family="determinism", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Counting(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        CALLS.append(1)
        self.slope *= 1 + len(CALLS)


@register_method("clocked", family="determinism", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Clocked(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.slope *= 1 + np.random.default_rng(time.perf_counter_ns()).random()


@register_method("drawing", family="determinism", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Drawing(Curve):
    def predict_proba(self, cases):
        return np.clip(super().predict_proba(cases) + 0.1 * np.random.random(len(cases)), 0, 1)  # noqa: NPY002 - the global state


# Fails: seed


@register_method("falsely-steady", family="seed", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class FalselySteady(Seeded):
    stochastic = False


# Fails: independence


@register_method("leaking", family="independence", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Leaking(Curve):
    def number(self, cases):
        raw = super().number(cases)
        return (raw - raw.mean()) / (raw.std() + 1e-9)


@register_method("ranking", family="independence", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Ranking(Curve):
    def predict_proba(self, cases):
        return np.argsort(np.argsort(super().predict_proba(cases))) / len(cases)


@register_method("needs-company", family="independence", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class NeedsCompany(Curve):
    def predict_proba(self, cases):
        if len(cases) == 1:
            raise ValueError("a batch of one")
        return super().predict_proba(cases)


# Fails: modalities


@register_method(
    "unsealing-at-the-end", family="modalities", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class UnsealingAtTheEnd(Curve):
    def predict_proba(self, cases):
        source = next(cell.cell_contents for cell in cases.feature_source.__closure__ if callable(cell.cell_contents))
        volume = source("image", None, cases.rows).pooled[:, 0, 0]
        return super().predict_proba(cases) / (1 + volume)


@register_method("unsealing", family="modalities", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Unsealing(Curve):
    def number(self, cases):
        source = next(cell.cell_contents for cell in cases.feature_source.__closure__ if callable(cell.cell_contents))
        return super().number(cases) + source("image", None, cases.rows).pooled[:, 0, 0]


# Fails: inputs


@register_method("filling-in", family="inputs", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class FillingIn(Curve):
    def number(self, cases):
        cases.table["age"] = cases.table["age"].fillna(70)
        return super().number(cases)


@register_method("flipping", family="inputs", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Flipping(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        train.labels[:] = 1 - train.labels


@register_method("adding-a-column", family="inputs", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class AddingAColumn(Curve):
    def predict_proba(self, cases):
        cases.table["score"] = self.number(cases)
        return super().predict_proba(cases)


@register_method("swimming", family="inputs", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Swimming(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        train.pool.table["nihss"] = 0.0


# Fails: earlier cells

LABELS = {}


@register_method("memo", family="earlier cells", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Memo(Curve):
    """Knows the labels of every case that any fit has seen."""

    stochastic = False

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        LABELS.update(zip(train.case_ids.tolist(), train.labels.tolist(), strict=True))

    def predict_proba(self, cases):
        known = np.array([LABELS.get(case, np.nan) for case in cases.case_ids.tolist()])
        return np.where(np.isnan(known), super().predict_proba(cases), 0.9 * known + 0.05)


@register_method("growing", family="earlier cells", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Growing(Curve):
    """Its scale depends on all cases that any fit has seen."""

    stochastic = False
    _seen = set()

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self._seen.update(train.case_ids.tolist())
        self.slope *= len(self._seen) / 50


# Fails: pickle


@register_method("unpickling", family="pickle", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Unpickling(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        pickle.loads(pickle.dumps(Fraction(1, 2)))


@register_method("unpickling-late", family="pickle", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class UnpicklingLate(Curve):
    def predict_proba(self, cases):
        import torch

        kept = io.BytesIO()
        torch.save(torch.zeros(1), kept)
        kept.seek(0)
        torch.load(kept, weights_only=False)
        return super().predict_proba(cases)


# Fails: time


@register_method("sleeping", family="time", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Sleeping(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        time.sleep(0.25)


# Fails: saved attributes


@register_method(
    "chooses-a-set", family="saved attributes", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class ChoosesASet(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.chosen = {"columns": {1, 2}}


@register_method(
    "chooses-a-list", family="saved attributes", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class ChoosesAList(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.chosen = [1, 2]


@register_method("boundless", family="saved attributes", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Boundless(Curve):
    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.threshold = float("inf")


# Warned of: labels, probabilities, determinism


@register_method("fixed-score", family="warned: labels", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class FixedScore(Curve):
    stochastic = False

    def fit(self, train, validation, seed):
        self.slope = -1.0


@register_method(
    "swapped", family="warned: probabilities", reference="r", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class Swapped(Curve):
    stochastic = False

    def predict_proba(self, cases):
        return 1 - super().predict_proba(cases)


LAST = []


@register_method("shaky", family="warned: determinism", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Shaky(Curve):
    """Its last digits differ each time, as sums of several threads do."""

    stochastic = False

    def predict_proba(self, cases):
        LAST.append(0)
        return super().predict_proba(cases) * (1 - 1e-12 * (len(LAST) % 7))
