"""Every error is caught by its own name, by `CrosspoolError`, and by what Python itself raises in such a case."""

import pytest
import torch

import crosspool
from crosspool import errors
from crosspool.cache import ArrayCache, CacheError

NEAREST = {
    "ImageError": ValueError,
    "BackboneError": RuntimeError,
    "LayerPairError": LookupError,
    "SettingError": ValueError,
    "DatasetError": ValueError,
    "ModelError": ValueError,
}


def put_below_a_file(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    ArrayCache(tmp_path / "file").put("key", torch.zeros(1).numpy())


CAUSES = {
    "ImageError": lambda folder: crosspool.load_image(b"no image"),
    "BackboneError": lambda folder: crosspool.load_backbone("no_such_network"),
    "LayerPairError": lambda folder: crosspool.architecture("alexnet").pair("no.such.layer"),
    "SettingError": lambda folder: crosspool.cross_layer_pool(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 2, 2)),
    "DatasetError": lambda folder: crosspool.open_dataset(str(folder / "nowhere")),
    "ModelError": lambda folder: crosspool.load_classifier(folder / "nowhere.safetensors"),
}


@pytest.mark.parametrize(("name", "builtin"), NEAREST.items())
def test_python_users_can_catch_them(name, builtin, tmp_path):
    for kind in (getattr(errors, name), crosspool.CrosspoolError, builtin):
        with pytest.raises(kind) as caught:
            CAUSES[name](tmp_path)
        assert type(caught.value) is getattr(crosspool, name)


def test_every_error_has_its_builtin():
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    names = {name for name in kinds if not issubclass(getattr(errors, name), Warning)} - {"CrosspoolError"}
    assert names == NEAREST.keys() == CAUSES.keys()


def test_a_cache_that_cannot_be_written_is_a_setting_that_can_be_changed(tmp_path):
    with pytest.raises(CacheError, match="choose another") as caught:
        put_below_a_file(tmp_path)
    assert isinstance(caught.value, crosspool.SettingError)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("error", [errors.LayerPairError, errors.ImageError, errors.BackboneError])
def test_sentences_stay_as_they_are(error):
    assert str(error("There is no layer pair 'x'.")) == "There is no layer pair 'x'."
