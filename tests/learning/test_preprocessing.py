"""The design matrix: fitted on what it is given alone, and equal to the arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmark.data.cohort import Cohort, Features
from benchmark.learning.design_matrix import DesignMatrix
from benchmark.system.errors import BenchmarkError


def cohort(table: pd.DataFrame | None = None, derived: pd.DataFrame | None = None, n: int | None = None) -> Cohort:
    cases = n or len(table if table is not None else derived)
    return Cohort(name="made", case_ids=np.array([f"c{i}" for i in range(cases)]), table=table, derived=derived)


def category(values: list[object]) -> pd.Categorical:
    return pd.Categorical(values, categories=["a", "b", "c"])


def test_numbers_take_the_most_frequent_value_then_zero_mean_and_unit_variance() -> None:
    train = cohort(pd.DataFrame({"x": [1.0, 2.0, 2.0, np.nan, 7.0]}))
    # Imputed by hand: 1, 2, 2, 2, 7; mean 2.8; variance (3.24 + 3 * 0.64 + 17.64) / 5 = 4.56.
    expected = (np.array([1, 2, 2, 2, 7]) - 2.8) / np.sqrt(4.56)
    np.testing.assert_allclose(DesignMatrix("table").fit(train).transform(train)[:, 0], expected)


def test_of_equally_frequent_values_the_smallest_is_taken() -> None:
    train = cohort(pd.DataFrame({"x": [3.0, 1.0, np.nan, 2.0]}))
    matrix = DesignMatrix("table").fit(train).transform(train)
    assert matrix[2, 0] == matrix[1, 0]


def test_categories_take_the_most_frequent_one_and_become_indicators() -> None:
    train = cohort(pd.DataFrame({"k": category(["b", "a", "b", None])}))
    matrix = DesignMatrix("table").fit(train).transform(train)
    assert matrix.tolist() == [[0, 1], [1, 0], [0, 1], [0, 1]]


def test_a_category_that_training_never_saw_is_all_zeros() -> None:
    fitted = DesignMatrix("table").fit(cohort(pd.DataFrame({"k": category(["a", "b", "a"])})))
    assert fitted.transform(cohort(pd.DataFrame({"k": category(["c", "b"])}))).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("column", [[np.nan] * 3, category([None] * 3)], ids=["number", "category"])
def test_a_column_that_is_missing_throughout_does_not_stop_the_fit(column: object) -> None:
    train = cohort(pd.DataFrame({"x": [1.0, 2.0, 3.0], "void": column}))
    fitted = DesignMatrix("table").fit(train)
    assert np.isfinite(fitted.transform(train)).all()
    later = cohort(pd.DataFrame({"x": [1.0], "void": [5.0] if isinstance(column, list) else category(["a"])}))
    assert fitted.transform(later).shape == (1, fitted.transform(train).shape[1])


def test_a_column_of_truth_values_is_a_number() -> None:
    train = cohort(pd.DataFrame({"smoker": [True, False, False, True]}))
    assert DesignMatrix("table").fit(train).transform(train).ravel().tolist() == [1, -1, -1, 1]


def test_a_constant_column_becomes_zero() -> None:
    train = cohort(pd.DataFrame({"x": [5.0, 5.0, 5.0]}))
    assert DesignMatrix("table").fit(train).transform(train).ravel().tolist() == [0, 0, 0]


@pytest.mark.slow
@given(
    train=arrays.arrays(float, (6, 2), elements=st.floats(-100, 100) | st.just(np.nan)),
    test=arrays.arrays(float, (4, 2), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
)
def test_test_cases_change_neither_each_other_nor_the_training_part(train: np.ndarray, test: np.ndarray) -> None:
    fitted = DesignMatrix("table").fit(cohort(pd.DataFrame(train, columns=["x", "y"])))
    before = fitted.transform(cohort(pd.DataFrame(train, columns=["x", "y"])))
    together = fitted.transform(cohort(pd.DataFrame(test, columns=["x", "y"])))
    alone = [fitted.transform(cohort(pd.DataFrame(test[[i]], columns=["x", "y"])))[0] for i in range(4)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(fitted.transform(cohort(pd.DataFrame(train, columns=["x", "y"]))), before)


def test_transforming_leaves_the_cohort_as_it_was() -> None:
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0], "k": category(["a", None, "b"])})
    train = cohort(frame.copy())
    DesignMatrix("table").fit(train).transform(train)
    pd.testing.assert_frame_equal(train.table, frame)


def test_blocks_stand_side_by_side_in_the_order_asked() -> None:
    train = cohort(pd.DataFrame({"x": [0.0, 2.0]}), pd.DataFrame({"u": [1.0, 1.0], "v": [4.0, 0.0]}))
    assert DesignMatrix("table+derived").fit(train).transform(train).tolist() == [[-1, 0, 1], [1, 0, -1]]
    assert DesignMatrix("derived+table").fit(train).transform(train).tolist() == [[0, 1, -1], [0, -1, 1]]


def test_pooled_vectors_are_averaged_over_the_drafts() -> None:
    pooled = np.array([[[0.0, 1.0], [2.0, 3.0]], [[4.0, 0.0], [6.0, 0.0]]], dtype=np.float32)
    features = Features(np.zeros((2, 2, 1, 2)), np.ones((2, 2, 1), bool), pooled)
    cases = replace(cohort(n=2), reports=(("a",), ("b",)), feature_source=lambda modality, encoder, rows: features)
    # Means over drafts are (1, 2) and (5, 0); scaled to zero mean and unit variance they are -1 and 1.
    assert DesignMatrix("text").fit(cases).transform(cases).tolist() == [[-1, 1], [1, -1]]


def test_a_case_with_fewer_drafts_is_averaged_over_those_it_has() -> None:
    pooled = np.array([[[2.0], [4.0]], [[9.0], [0.0]]], dtype=np.float32)
    mask = np.array([[[True], [True]], [[True], [False]]])
    features = Features(np.zeros((3, 2, 1, 1)), mask[[0, 1, 0]], pooled[[0, 1, 0]] * np.array([[[1]], [[1]], [[3]]]))
    cases = replace(cohort(n=3), reports=(("a",),) * 3, feature_source=lambda modality, encoder, rows: features)
    values = np.array([3.0, 9.0, 9.0])  # over absent drafts as well the second would be 4.5
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(DesignMatrix("text").fit(cases).transform(cases)[:, 0], expected)


def test_a_lacking_modality_takes_the_mean_and_is_told_by_a_last_column() -> None:
    derived = pd.DataFrame({"u": [1.0, 3.0, np.nan], "v": [0.0, 2.0, np.nan]})
    cases = replace(cohort(pd.DataFrame({"x": [0.0, 1.0, 2.0]}), derived), present={"image": np.array([True, True, False])})
    matrix = DesignMatrix("table+derived").fit(cases).transform(cases)
    assert matrix.shape == (3, 4)
    assert matrix[:, 3].tolist() == [0, 0, 1]
    assert matrix[2, 1:3].tolist() == [0, 0]  # the mean of the training part, scaled


def test_whether_a_modality_may_lack_is_learned_from_the_training_part() -> None:
    derived = pd.DataFrame({"u": [1.0, 3.0]})
    complete = replace(cohort(derived=derived), present={"image": np.array([True, True])})
    lacking = replace(cohort(derived=pd.DataFrame({"u": [np.nan]})), present={"image": np.array([False])})
    assert DesignMatrix("derived").fit(complete).transform(lacking).tolist() == [[0]]


def test_vectors_of_a_lacking_modality_are_not_read() -> None:
    pooled = np.array([[[1.0]], [[3.0]], [[1e9]]], dtype=np.float32)
    features = Features(np.zeros((3, 1, 1, 1)), np.ones((3, 1, 1), bool), pooled)
    cases = replace(
        cohort(n=3),
        reports=(("a",), ("b",), ()),
        present={"text": np.array([True, True, False])},
        feature_source=lambda modality, encoder, rows: features,
    )
    # Scaled by the mean 2 and the deviation of (1, 3, 2).
    np.testing.assert_allclose(
        DesignMatrix("text").fit(cases).transform(cases), [[-np.sqrt(1.5), 0], [np.sqrt(1.5), 0], [0, 1]]
    )


def test_only_the_tables_numbers_count_as_measured() -> None:
    table = pd.DataFrame({"k": category(["a", "b", "a"]), "x": [0.0, 1.0, 2.0], "flag": [1.0, 1.0, 0.0]})
    derived = pd.DataFrame({"u": [1.0, 3.0, np.nan]})
    cases = replace(cohort(table, derived), present={"image": np.array([True, True, False])})
    fitted = DesignMatrix("derived+table").fit(cases)
    assert fitted.transform(cases).shape == (3, 1 + 2 + 2 + 1)
    assert fitted.measured.tolist() == [False, True, False, False, False, False], "a flag is no measured number"


def test_a_table_without_numbers_has_nothing_measured() -> None:
    fitted = DesignMatrix("table").fit(cohort(pd.DataFrame({"k": category(["a", "b"])})))
    assert fitted.measured.tolist() == [False, False]


def test_an_unknown_block_is_met_with_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match="'tabel' is not one of table, derived, image, text"):
        DesignMatrix("tabel+image")


def test_a_block_that_the_view_does_not_hold_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="holds no derived"):
        DesignMatrix("derived").fit(cohort(pd.DataFrame({"x": [1.0]})))
