import json
import tarfile
import urllib.error
import urllib.request
import zipfile
from importlib import import_module

import numpy as np
import pytest
from scipy.io import savemat

from crosspool.backbones.torchvision_guard import torchvision
from crosspool.datasets import open_dataset
from crosspool.datasets.torchvision_sets import BUILT_IN
from crosspool.errors import DatasetError
from tests.dataset_trees import IMAGE, labelled, lay, names, parts

import_module("torchvision.datasets")


def caltech101(root):
    lay(
        root / "caltech101/101_ObjectCategories",
        [
            "BACKGROUND_Google/image_0001.jpg",
            "ant/image_0001.jpg",
            "ant/image_0002.jpg",
            "yin_yang/image_0001.jpg",
        ],
    )
    return {"ant": 2, "yin yang": 1}, None


def caltech256(root):
    lay(root / "caltech256/256_ObjectCategories", ["001.ak47/001_0001.jpg", "002.american-flag/002_0001.jpg"])
    return {"ak47": 1, "american-flag": 1}, None


def country211(root):
    lay(
        root / "country211",
        [f"{part}/{country}/1.jpg" for part in ("train", "valid", "test") for country in ("AD", "ZW")],
    )
    return {"AD": 3, "ZW": 3}, 2


def dtd(root):
    lay(root / "dtd/dtd/images", ["banded/b_1.jpg", "banded/b_2.jpg", "zigzagged/z_1.jpg", "zigzagged/z_2.jpg"])
    lay(
        root / "dtd/dtd/labels",
        {
            "train1.txt": "banded/b_1.jpg\n",
            "val1.txt": "zigzagged/z_1.jpg\n",
            "test1.txt": "banded/b_2.jpg\nzigzagged/z_2.jpg\n",
            "train2.txt": "banded/b_2.jpg\n",
        },
    )
    return {"banded": 2, "zigzagged": 2}, 2


def eurosat(root):
    lay(root / "eurosat/2750", ["Forest/Forest_1.jpg", "River/River_1.jpg"])
    return {"Forest": 1, "River": 1}, None


def fgvc_aircraft(root):
    lay(root / "fgvc-aircraft-2013b/data", ["images/0034309.jpg", "images/0034958.jpg", "images/1.jpg"])
    lay(
        root / "fgvc-aircraft-2013b/data",
        {
            "variants.txt": "707-320\nDR-400 X\n",
            "images_variant_trainval.txt": "0034309 707-320\n1 DR-400 X\n",
            "images_variant_test.txt": "0034958 DR-400 X\n",
        },
    )
    return {"707-320": 1, "DR-400 X": 2}, 1


def flowers102(root):
    lay(root / "flowers-102/jpg", [f"image_{i:05d}.jpg" for i in (1, 2, 3, 4)])
    savemat(root / "flowers-102/imagelabels.mat", {"labels": [[1, 1, 102, 102]]})
    savemat(root / "flowers-102/setid.mat", {"trnid": [[1, 4]], "valid": [[2, 2]], "tstid": [[3, 3]]})
    return {"pink primrose": 2, "blackberry lily": 2}, 1


def food101(root):
    lay(root / "food-101/images", ["apple_pie/1.jpg", "apple_pie/2.jpg", "waffles/1.jpg"])
    lay(
        root / "food-101/meta",
        {
            "train.json": json.dumps({"apple_pie": ["apple_pie/1"], "waffles": ["waffles/1"]}),
            "test.json": json.dumps({"apple_pie": ["apple_pie/2"], "waffles": []}),
        },
    )
    return {"apple_pie": 2, "waffles": 1}, 1


def imagenette(root):
    folders = ["train/n01440764/1.JPEG", "train/n03888257/1.JPEG", "val/n01440764/2.JPEG", "val/n03888257/2.JPEG"]
    lay(root / "imagenette2-320", folders)
    return {"tench": 2, "parachute": 2}, 2


def oxford_iiit_pet(root):
    lay(root / "oxford-iiit-pet/images", ["Abyssinian_1.jpg", "Abyssinian_2.jpg", "great_pyrenees_3.jpg"])
    lay(
        root / "oxford-iiit-pet/annotations",
        {
            "trainval.txt": "Abyssinian_2 1 1 1\ngreat_pyrenees_3 2 2 1\n",
            "test.txt": "Abyssinian_1 1 1 1\n",
        },
    )
    return {"Abyssinian": 2, "Great Pyrenees": 1}, 1


def stanford_cars(root):
    folder = lay(root / "stanford_cars", ["cars_train/1.jpg", "cars_train/2.jpg", "cars_test/1.jpg", "cars_test/2.jpg"])
    (folder / "devkit").mkdir()
    row = [("fname", object), ("class", "u1")]
    cars = np.array([("1.jpg", 1), ("2.jpg", 2)], dtype=row)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array(["AM Hummer", "Audi"], object)})
    savemat(folder / "devkit/cars_train_annos.mat", {"annotations": cars})
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": cars})
    return {"AM Hummer": 2, "Audi": 2}, 2


def sun397(root):
    lay(root / "SUN397", ["a/abbey/sun_2.jpg", "a/abbey/sun_1.jpg", "z/zoo/outdoor/sun_1.jpg"])
    lay(root / "SUN397", {"ClassName.txt": "/a/abbey\n/z/zoo/outdoor\n"})
    return {"abbey": 2, "zoo/outdoor": 1}, None


MAKERS = {
    "caltech101": caltech101,
    "caltech256": caltech256,
    "country211": country211,
    "dtd": dtd,
    "eurosat": eurosat,
    "fgvc-aircraft": fgvc_aircraft,
    "flowers102": flowers102,
    "food101": food101,
    "imagenette": imagenette,
    "oxford-iiit-pet": oxford_iiit_pet,
    "stanford-cars": stanford_cars,
    "sun397": sun397,
}


@pytest.fixture(autouse=True)
def any_flowers(monkeypatch):
    """torchvision wants the published checksums of the lists of flowers."""
    lists = {"label": ("imagelabels.mat", None), "setid": ("setid.mat", None)}
    files = {**torchvision.datasets.Flowers102._file_dict, **lists}
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", files)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_all_are_tested():
    assert set(MAKERS) == set(BUILT_IN)
    assert all(hasattr(torchvision.datasets, built_in.title) for built_in in BUILT_IN.values())


@pytest.mark.parametrize("name", BUILT_IN)
def test_reads_the_files_of(tmp_path, name):
    expected, tested = MAKERS[name](tmp_path)
    dataset = open_dataset(f"torchvision:{name}", root=tmp_path)
    assert dataset.name == BUILT_IN[name].title
    found = list(labelled(dataset).values())
    assert {label: found.count(label) for label in set(found)} == expected
    assert all(sample.read() == IMAGE for sample in dataset.samples)
    assert names(dataset) == sorted(set(names(dataset)))
    assert [problem for problem in dataset.problems if "have no images" not in problem] == []
    if tested is None:
        assert dataset.official is None
    else:
        assert len(parts(dataset)[1]) == tested


def test_official_parts(tmp_path):
    dtd(tmp_path)
    assert parts(open_dataset("torchvision:dtd", root=tmp_path)) == (
        ["dtd/images/banded/b_1.jpg", "dtd/images/zigzagged/z_1.jpg"],
        ["dtd/images/banded/b_2.jpg", "dtd/images/zigzagged/z_2.jpg"],
    )
    flowers102(tmp_path)
    flowers = open_dataset("torchvision:flowers102", root=tmp_path)
    assert parts(flowers)[1] == ["jpg/image_00003.jpg"]
    assert len(flowers.classes) == 102


def test_parts_may_number_their_classes_differently(tmp_path):
    dtd(tmp_path)
    lay(tmp_path / "dtd/dtd/labels", {"test1.txt": "zigzagged/z_2.jpg\n"})
    assert set(labelled(open_dataset("torchvision:dtd", root=tmp_path)).items()) == {
        ("dtd/images/banded/b_1.jpg", "banded"),
        ("dtd/images/zigzagged/z_1.jpg", "zigzagged"),
        ("dtd/images/zigzagged/z_2.jpg", "zigzagged"),
    }


def test_missing_files_are_counted(tmp_path):
    oxford_iiit_pet(tmp_path)
    (tmp_path / "oxford-iiit-pet/images/Abyssinian_2.jpg").unlink()
    dataset = open_dataset("torchvision:OxfordIIITPet", root=tmp_path)
    assert dataset.problems == ("1 file named in torchvision's list is missing: images/Abyssinian_2.jpg.",)


@pytest.mark.parametrize("name", BUILT_IN)
def test_nothing_is_downloaded_or_made_without_asking(tmp_path, name):
    with pytest.raises(DatasetError, match=r"is not in .*; (allow its download|it is no longer offered)"):
        open_dataset(f"torchvision:{name}", root=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_without_a_network_there_is_one_sentence_and_nothing_left(tmp_path, name, no_network):
    with pytest.raises(DatasetError) as caught:
        open_dataset(f"torchvision:{name}", root=tmp_path / "data", download=True)
    message = str(caught.value)
    assert "\n" not in message
    if BUILT_IN[name].megabytes is None:
        assert "cannot be downloaded: it is no longer offered" in message
    else:
        assert message.startswith(f"Could not download {BUILT_IN[name].title} (about ")
        assert "Temporary failure in name resolution; check the network connection" in message
        assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_folder_that_is_not_complete_is_one_sentence(tmp_path, name):
    (tmp_path / BUILT_IN[name].folder).mkdir()
    with pytest.raises(DatasetError, match=r"is damaged or incomplete|None of the"):
        open_dataset(f"torchvision:{name}", root=tmp_path)


def fake_download(monkeypatch, tmp_path, data):
    """Let torchvision fetch these bytes, whatever it asks for, and believe them."""

    def retrieve(url, filename, chunk_size=0):
        with open(filename, "wb") as file:
            file.write(data)

    utils = torchvision.datasets.utils
    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(utils, "_urlretrieve", retrieve)
    monkeypatch.setattr(utils, "check_md5", lambda path, md5, **options: True)


def test_a_download_arrives_whole(tmp_path, monkeypatch):
    dtd(tmp_path / "source")
    packed = tmp_path / "dtd.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "source/dtd/dtd", "dtd")
    fake_download(monkeypatch, tmp_path, packed.read_bytes())
    root = tmp_path / "new" / "data"
    dataset = open_dataset("torchvision:dtd", root=root, download=True)
    assert len(dataset) == 4
    assert all(sample.read() == IMAGE for sample in dataset.samples)
    assert [path.name for path in root.iterdir()] == ["dtd"]
    assert [path.name for path in (root / "dtd").iterdir()] == ["dtd"], "the archive itself is gone"
    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", None)
    assert len(open_dataset("torchvision:dtd", root=root, download=True)) == 4, "downloaded once only"


def test_an_interrupted_download_is_not_used(tmp_path, monkeypatch):
    dtd(tmp_path / "source")
    packed = tmp_path / "dtd.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "source/dtd/dtd", "dtd")
    fake_download(monkeypatch, tmp_path, packed.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="Could not download DTD"):
        open_dataset("torchvision:dtd", root=tmp_path / "data", download=True)
    assert list((tmp_path / "data").iterdir()) == []
    with pytest.raises(DatasetError, match="DTD is not in"):
        open_dataset("torchvision:dtd", root=tmp_path / "data")


def test_an_error_without_a_message_is_named(tmp_path, monkeypatch):
    def fail(**options):
        raise AssertionError

    monkeypatch.setattr("torchvision.datasets.DTD", fail)
    (tmp_path / "dtd").mkdir()
    with pytest.raises(DatasetError, match=r"DTD in .*dtd is damaged or incomplete \(AssertionError\); delete"):
        open_dataset("torchvision:dtd", root=tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    lay(tmp_path, {"data": "a file"})
    with pytest.raises(DatasetError, match="Could not download DTD"):
        open_dataset("torchvision:dtd", root=tmp_path / "data", download=True)


def test_eurosat_from_its_zip(tmp_path, monkeypatch):
    eurosat(tmp_path / "source")
    packed = tmp_path / "EuroSAT.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (tmp_path / "source/eurosat").rglob("*.jpg"):
            archive.write(path, path.relative_to(tmp_path / "source/eurosat"))
    fake_download(monkeypatch, tmp_path, packed.read_bytes())
    assert len(open_dataset("torchvision:EuroSAT", root=tmp_path / "data", download=True)) == 2
