"""Registry: ours by decorator, others' by entry point, and what is said when either fails."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from seiqa_models.plugins import registry
from seiqa_models.plugins.registry import Registry

GROUP = "seiqa.things"


def early() -> int:
    """A factory that is decorated and an entry point."""
    return 1


@pytest.fixture
def things(monkeypatch):
    """A registry with one thing of ours, on a machine where packages bring others."""
    points = [
        EntryPoint("list", "builtins:list", GROUP),
        EntryPoint("ours", "builtins:dict", GROUP),
        EntryPoint("gone", "no_such_package_here:make", GROUP),
        EntryPoint("older", "fractions:Fractoin", GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == GROUP else [])
    made = Registry("thing", GROUP)

    @made.register("ours")
    def make(size: int = 1, *, colour: str = "red"):
        return size, colour

    return made


def test_ours_and_those_of_packages_are_found_by_name(things):
    assert sorted(things) == ["gone", "list", "older", "ours"]
    assert len(things) == 4
    assert "list" in things
    assert things.find("list") is list
    assert things.make("ours", colour="blue") == (1, "blue")


def test_a_package_cannot_take_a_name_that_is_ours(things, caplog):
    assert things.make("ours") == (1, "red")
    assert "list" in set(things)
    assert "thing 'ours' of builtins:dict is left out" in caplog.text


def test_what_a_package_registered_when_it_was_imported_before_is_its_own(monkeypatch, caplog):
    point = EntryPoint("early", f"{__name__}:early", GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] * (group == GROUP))
    things = Registry("thing", GROUP)
    things.register("early")(early)
    assert things.plugins == {"early": point}
    assert things.find("early") is early
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "error"), [("gone", "ModuleNotFoundError"), ("older", "AttributeError")]
)
def test_a_package_that_cannot_be_imported_is_named(things, name, error):
    with pytest.raises(ValueError, match=f"thing '{name}': .* cannot be imported .{error}"):
        things.find(name)


def test_an_unknown_name_gets_the_nearest_and_all(things):
    with pytest.raises(
        ValueError, match=r"unknown thing 'our': did you mean 'ours'\? known are gone, list, older"
    ):
        things.find("our")
    with pytest.raises(ValueError, match="thing 'ours' has no parameter 'sise': it has size, col"):
        things.make("ours", sise=3)


def test_a_reserved_name_is_refused_and_that_of_a_package_left_out(monkeypatch, caplog):
    points = [
        EntryPoint("score", "builtins:list", GROUP),
        EntryPoint("fine", "builtins:set", GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == GROUP else [])
    things = Registry("thing", GROUP, reserved=("score",))
    refusal = "no thing can be called 'score', which is a column of the results: rename it"
    with pytest.raises(ValueError, match=refusal):
        things.register("score")(list)
    with pytest.raises(ValueError, match=refusal):
        things.update({"score": list})
    assert list(things) == ["fine"]
    assert caplog.messages == [f"builtins:list is left out: {refusal}"]


def test_a_name_is_registered_once(things):
    with pytest.raises(ValueError, match="thing 'ours' is registered twice"):
        things.register("ours")(list)
