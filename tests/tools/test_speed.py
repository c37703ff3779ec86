"""What `make speed` adds up: the commands of the interim tables and of the whole suite, without running them."""

from __future__ import annotations

from tools import speed


def test_times_of_the_synthetic_part_add_up_and_memory_is_the_greatest(monkeypatch) -> None:
    given = iter([speed.Measured(300, 900, 500), speed.Measured(120, 800, 700), speed.Measured(3000, 1000, 600)])
    commands, folders, told = [], set(), {}

    def measured(words: list[str], **environment: str) -> speed.Measured:
        commands.append(words)
        folders.add(environment["STROKEBENCH_OUTPUT"])
        return next(given)

    monkeypatch.setattr(speed, "measured", measured)
    speed.synthetic(lambda what, figure, unit, goal: told.update({what.strip(): (figure, unit)}))
    assert len(folders) == 1, "one output: what is stored is not computed twice"
    assert commands[0] == [*commands[1], "--protocol", "repeated-cv"]
    assert "--method" in commands[1]
    assert "39" in commands[1]
    assert not {"--method", "--seeds", "--protocol"} & set(commands[2]), "the whole suite on the dataset"
    assert list(told.values()) == [(5, "min"), (7, "min"), (57, "min"), (700, "MiB"), (1000, "MiB")]
