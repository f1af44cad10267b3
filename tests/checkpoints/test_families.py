"""Published tensors and our networks have the same names and shapes."""

from __future__ import annotations

import pytest

from emo_core.backend import Backend
from emo_core.checkpoints.companions import VAE_KEYS
from emo_core.checkpoints.detect import family_of
from emo_core.checkpoints.family import Release
from emo_core.checkpoints.registry import COMPANIONS, FAMILIES, RELEASES, release_named
from emo_core.checkpoints.shapes import derive_config, derive_vae_config
from emo_core.config import EmoConfig
from emo_core.models.backbone import Backbone
from emo_core.models.emo import Encoders
from emo_core.models.vae import AutoencoderKL

from .published import MODULES, manifest, published_shapes

META = Backend(device="meta")


def our_shapes(config: EmoConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the networks of a config, without memory."""
    encoders = Encoders(config, backend=META).state_dict()
    backbone = {
        f"backbone.{key}": value for key, value in Backbone(config, backend=META).state_dict().items()
    }
    return {key: tuple(value.shape) for key, value in {**encoders, **backbone}.items()}


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_every_published_key_lands_on_a_parameter_of_its_shape(release: Release) -> None:
    published = published_shapes({"echomimic_acc": "echomimic"}.get(release.name, release.name))
    family = family_of(published)
    assert family is not None
    assert release in family.releases
    assert family.key_map.apply(published) == our_shapes(family.config)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_the_published_sizes_are_read_from_the_shapes(release: Release) -> None:
    published = published_shapes({"echomimic_acc": "echomimic"}.get(release.name, release.name))
    family = family_of(published)
    assert family is not None
    assert derive_config(family.config, family.key_map.apply(published), {}) == family.config


@pytest.mark.parametrize("name", MODULES)
def test_no_published_file_is_claimed_by_two_families(name: str) -> None:
    published = published_shapes(name)
    claims = [family.name for family in FAMILIES if family.marks.match(published)]
    known = {"hallo": ["hallo"], "hallo2": ["hallo"], "echomimic": ["echomimic"], "v_express": ["v_express"]}
    assert claims == known.get(name, [])


def test_the_published_vae_is_ours_under_both_of_its_naming_schemes() -> None:
    shapes = manifest("common_sd_vae_ft_mse")
    ours = AutoencoderKL(derive_vae_config(shapes), backend=META).state_dict()
    assert VAE_KEYS.apply(shapes) == {key: tuple(value.shape) for key, value in ours.items()}
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = dict(shapes)
    for new, old in older.items():
        renamed = {key.replace(f".{new}.", f".{old}."): shape for key, shape in renamed.items()}
    assert renamed != shapes
    assert VAE_KEYS.apply(renamed) == VAE_KEYS.apply(shapes)


def test_names_are_unique() -> None:
    names = [thing.name for thing in (*RELEASES, *COMPANIONS)]
    assert len(names) == len(set(names))
    with pytest.raises(ValueError, match="no release 'hallo3'"):
        release_named("hallo3")


def test_weights_that_are_not_for_commercial_use_say_so() -> None:
    assert not release_named("v_express").licence.commercial
    assert "non-commercial" in release_named("hallo").note
