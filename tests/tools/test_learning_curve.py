"""The learning curves on fresh patients of the synthetic law: a short run of `make learning-curve`."""

from __future__ import annotations

import pytest

from tools import learning_curve

ROWS = ("logistic-regression", "film[image=pooled,image_encoder=territories]")


@pytest.mark.slow
def test_every_row_has_an_auc_below_the_optimum_and_who_knows_the_form_is_ahead(monkeypatch, capsys) -> None:
    monkeypatch.setattr(learning_curve, "TESTED", 300)
    monkeypatch.setattr(learning_curve, "SIZES", {200: 1})
    monkeypatch.setattr(learning_curve, "ROWS", ROWS)
    learning_curve.main()
    said = capsys.readouterr().out
    optimum = float(said.split("the optimum: ")[1].split()[0])
    found = {cells[1].strip(): float(cells[2]) for line in said.splitlines()[4:] if (cells := line.split("|"))}
    assert list(found) == [*ROWS, "told the damage and the products' form"]
    assert all(0.6 < auc < optimum for auc in found.values())
    assert found["told the damage and the products' form"] == max(found.values())
