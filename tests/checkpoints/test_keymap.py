"""Tables of names."""

from __future__ import annotations

import pytest

from emo_core.checkpoints.errors import CheckpointError, UnknownKeyError
from emo_core.checkpoints.keymap import KeyMap


def test_rules_are_tried_in_order() -> None:
    key_map = KeyMap({"net.old.{name}": None, "net.{name}": "ours.{name}"})
    assert key_map.apply({"net.old.weight": 1, "net.new.weight": 2}) == {"ours.new.weight": 2}


def test_numbers_and_parts_are_carried_over_in_order() -> None:
    key_map = KeyMap({"{part}.{i}.attn.{i}.{name}": "{part}_{i}.to.{i}.{name}"})
    assert key_map.apply({"down.3.attn.12.k.bias": 0}) == {"down_3.to.12.k.bias": 0}


def test_the_last_number_is_found_among_the_keys() -> None:
    key_map = KeyMap({"up.{last}.{name}": None, "up.{name}": "up.{name}"})
    assert key_map.apply({"up.0.a": 0, "up.2.a": 2, "up.10.a": 10}) == {"up.0.a": 0, "up.2.a": 2}


def test_a_place_has_one_last_number_whatever_follows_it() -> None:
    key_map = KeyMap({"up.{last}.proj.{name}": None, "up.{name}": "up.{name}"})
    assert key_map.apply({"up.0.proj.a": 0, "up.1.norm.a": 1}) == {"up.0.proj.a": 0, "up.1.norm.a": 1}


def test_dots_are_dots() -> None:
    with pytest.raises(UnknownKeyError, match="'aXb'"):
        KeyMap({"a.b": "c"}).apply({"aXb": 0})


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UnknownKeyError, match=r"'other\.weight'"):
        KeyMap({"net.{name}": "{name}"}).apply({"net.weight": 0, "other.weight": 0})


def test_two_keys_that_become_one_are_an_error() -> None:
    with pytest.raises(CheckpointError, match="two tensors become 'a'"):
        KeyMap({"x.{name}": "{name}", "y.{name}": "{name}"}).apply({"x.a": 0, "y.a": 0})
