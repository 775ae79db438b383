"""Which images a store is made of, wherever they are, and what is refused."""

import io
import pickle
import tarfile
import zipfile
from tarfile import LNKTYPE, SYMTYPE

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from crosspool.errors import DatasetError, ImageError, SettingError
from crosspool.shards.listing import list_images
from tests.dataset_trees import lay
from tests.images import noise, png

RED, BLUE = png(noise(0)), png(noise(1))


def described(listing):
    """The name, label and bytes of each image, read by another process's copy."""
    samples = pickle.loads(pickle.dumps(listing.samples))
    return [(sample.name, label, sample.read()) for sample, label in zip(samples, listing.labels, strict=True)]


def tar(path, members, links=()):
    """A tar file of some bytes by their names, and of links: their kind, their names, and what they lead to."""
    with tarfile.open(path, "w") as archive:
        for kind, name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def memory():
    """An empty file system in memory."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


COLUMNS = ("path", "label", "note")
LABELLED = [("blue/a.png", "blue", BLUE), ("red/b.png", "red", RED)]


def test_a_folder_of_classes(tmp_path):
    lay(tmp_path, {"red/b.png": RED, "blue/a.png": BLUE, "notes.txt": b"-"})
    listing = list_images(str(tmp_path))
    assert described(listing) == LABELLED
    assert listing.splits == (None, None)


def test_a_folder_without_classes_has_images_without_labels(tmp_path):
    lay(tmp_path, {"2019/b.png": RED, "2019/may/a.png": BLUE, "2019/.hidden.png": BLUE, "2019/notes.txt": b"-"})
    assert described(list_images(str(tmp_path))) == [("2019/b.png", None, RED), ("2019/may/a.png", None, BLUE)]


def test_what_is_no_image_beside_images_without_labels_is_said(tmp_path):
    lay(tmp_path, {"a.png": RED, "b.raw": b"-", "README.txt": b"-"})
    assert list_images(str(tmp_path)).problems == ("1 file is left out, as it is not an image: b.raw.",)


def test_what_is_left_out_of_images_without_labels_is_said(tmp_path):
    lay(tmp_path, {"a.png": RED, "a_mask.png": BLUE})
    (tmp_path / "link.png").symlink_to("nowhere.png")
    listing = list_images(str(tmp_path))
    assert described(listing) == [("a.png", None, RED)]
    assert [problem.partition(",")[0] for problem in listing.problems] == [
        "1 link is left out", "1 image is left out",
    ]  # fmt: skip


def test_an_official_split_is_kept(tmp_path):
    lay(tmp_path, {f"{part}/{label}/{part}.png": RED for part in ("train", "test") for label in ("one", "two")})
    listing = list_images(str(tmp_path))
    assert dict(zip([sample.name for sample in listing.samples], listing.splits, strict=True)) == {
        "test/one/test.png": "test", "test/two/test.png": "test",
        "train/one/train.png": "train", "train/two/train.png": "train",
    }  # fmt: skip


@pytest.mark.parametrize("flat", [False, True])
def test_a_zip(tmp_path, flat):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, _, data in LABELLED:
            archive.writestr(name.split("/")[-1] if flat else name, data)
    expected = [("a.png", None, BLUE), ("b.png", None, RED)] if flat else LABELLED
    assert described(list_images(str(tmp_path / "set.zip"))) == expected


def test_tar_files_with_labels_beside_the_images(tmp_path):
    tar(tmp_path / "0.tar", {"a.png": RED, "a.cls": b"red\n", "a.json": b"{}"})
    tar(tmp_path / "1.tar", {"a.png": BLUE})
    listing = list_images(str(tmp_path / "*.tar"))
    assert described(listing) == [("0.tar/a.png", "red", RED), ("1.tar/a.png", None, BLUE)]
    assert listing.problems == ("1 image has no label in a file beside it.",)


def test_a_tar_file_of_class_folders(tmp_path):
    tar(tmp_path / "set.tar", {"./red/b.png": RED, "./blue/a.png": BLUE})
    assert described(list_images(str(tmp_path / "set.tar"))) == LABELLED


def test_a_tar_file_of_the_parts_of_a_split(tmp_path):
    """As in a folder: train and test are no classes."""
    names = [f"{part}/{label}/{part}.png" for part in ("test", "train") for label in ("one", "two")]
    tar(tmp_path / "set.tar", dict.fromkeys(names, RED))
    listing = list_images(str(tmp_path / "set.tar"))
    assert listing.classes == ("one", "two")
    assert listing.splits == ("test", "test", "train", "train")
    assert list_images(str(tmp_path / "set.tar"), layout="classes").classes == ("test", "train")


def test_tar_files_are_no_classes(tmp_path):
    """Several have the same classes, and may have images of the same names."""
    tar(tmp_path / "0.tar", {"red/b.png": RED, "blue/a.png": BLUE})
    tar(tmp_path / "1.tar", {"red/b.png": BLUE})
    listing = list_images(str(tmp_path / "*.tar"))
    assert described(listing) == [
        ("0.tar/blue/a.png", "blue", BLUE), ("0.tar/red/b.png", "red", RED), ("1.tar/red/b.png", "red", BLUE),
    ]  # fmt: skip


def test_images_in_tar_files_without_folders_have_no_labels(tmp_path):
    tar(tmp_path / "0.tar", {"a.png": BLUE})
    tar(tmp_path / "1.tar", {"a.png": RED})
    assert described(list_images(str(tmp_path / "*.tar"))) == [("0.tar/a.png", None, BLUE), ("1.tar/a.png", None, RED)]


def test_a_label_file_without_a_label_gives_none(tmp_path):
    tar(tmp_path / "set.tar", {"a.png": RED, "a.cls": b"red", "b.png": BLUE, "b.cls": b" \n"})
    assert list_images(str(tmp_path / "set.tar")).labels == ("red", None)
    tar(tmp_path / "set.tar", {"one/a.png": RED, "one/a.cls": b"", "two/b.png": BLUE})
    assert list_images(str(tmp_path / "set.tar")).labels == (None, None)  # not the folders


@pytest.mark.parametrize("images", [1, 2])
def test_a_tar_file_that_was_cut_off_between_two_images_is_noticed(tmp_path, images):
    """What was cut off within one is refused."""
    path = tmp_path / "set.tar"
    tar(path, {f"{number}.png": RED for number in range(3)})
    assert list_images(str(path)).problems == ()
    size = 512 + -(-len(RED) // 512) * 512  # a header, and the image in whole blocks
    path.write_bytes(path.read_bytes()[: images * size])
    listing = list_images(str(path))
    assert len(listing) == images
    assert listing.problems == (
        f"1 tar file has no mark at the end, or more behind it, so that images may be missing: {path}.",
    )
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(DatasetError, match="is cut off within a file; copy it again"):
        list_images(str(path))


def test_what_was_written_behind_a_tar_file_is_not_lost_without_a_word(tmp_path):
    for name in ("one", "two"):
        tar(tmp_path / name, {f"{name}.png": RED})
    (tmp_path / "set.tar").write_bytes((tmp_path / "one").read_bytes() + (tmp_path / "two").read_bytes())
    listing = list_images(str(tmp_path / "set.tar"))
    assert [sample.name for sample in listing.samples] == ["one.png"]
    assert "images may be missing" in listing.problems[-1]


def test_links_within_a_tar_file_are_followed(tmp_path):
    """Hard links count from the root of the archive, others from their own folder; they may come first."""
    links = [
        (LNKTYPE, "red/2.png", "./red/b.png"), (SYMTYPE, "blue/3.png", "../.kept/c"), (SYMTYPE, "4.png", "red/2.png"),
    ]  # fmt: skip
    tar(tmp_path / "set.tar", {"red/b.png": RED, "blue/a.png": BLUE, ".kept/c": BLUE}, links)
    listing = list_images(str(tmp_path / "set.tar"))
    linked = [("blue/3.png", "blue", BLUE), ("red/2.png", "red", RED)]
    assert described(listing) == sorted([*LABELLED, *linked])
    assert listing.problems == ("1 image outside the class folders is left out: 4.png.",)


@pytest.mark.parametrize("members", [{"a.png": RED}, {"a.png": RED, "a.cls": b"x"}, {"x/a.png": RED, "y/a.png": RED}])
def test_what_is_left_out_of_a_tar_file_is_said(tmp_path, members):
    links = [
        (LNKTYPE, "gone.png", "nowhere.png"), (SYMTYPE, "out.png", "../out.png"), (SYMTYPE, "round.png", "round.png"),
        (SYMTYPE, ".hidden.png", "nowhere.png"),
    ]  # fmt: skip
    others = {"../b.png": RED, "c.raw": b"-", "d.exe": b"-", ".e.raw": b"-", "notes.txt": b"-"}
    tar(tmp_path / "set.tar", members | others, links)
    listing = list_images(str(tmp_path / "set.tar"))
    assert [sample.name for sample in listing.samples] == [name for name in members if name.endswith(".png")]
    assert listing.problems == (
        "3 links are left out, as they do not lead to files inside the tar file, the first is gone.png.",
        "1 file is left out, as its name leads out of the tar file: ../b.png.",
        "2 files are left out, as they are not images, the first is c.raw.",
    )


@pytest.mark.parametrize("flat", [False, True])
def test_what_is_left_out_of_a_folder_at_an_address_is_said(memory, flat):
    folders = ("", "") if flat else ("x/", "y/")
    for name in (f"{folders[0]}a.png", f"{folders[1]}b.png", "c.raw", ".d.raw", "notes.txt"):
        memory.pipe_file(f"/bucket/{name}", RED)
    assert list_images("memory://bucket").problems == ("1 file is left out, as it is not an image: c.raw.",)


def test_a_compressed_tar_file_is_refused(tmp_path):
    (tmp_path / "set.tar").write_bytes(b"\x1f\x8b" + bytes(2000))
    with pytest.raises(DatasetError, match="make it again without compression"):
        list_images(str(tmp_path / "set.tar"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_of_paths_and_addresses(tmp_path, memory, suffix):
    """Paths count from the table's folder."""
    lay(tmp_path, {"photos/b.png": RED})
    memory.pipe_file("/far/a.png", BLUE)
    table = pd.DataFrame({"File": ["photos/b.png", "memory://far/a.png"], "species": ["jay", ""], "year": [1, 2]})
    path = tmp_path / f"set.{suffix}"
    if suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if suffix == "tsv" else ",", index=False)
    names = [(sample.name, label) for sample, label in zip(*_columns(list_images(str(path))), strict=True)]
    assert names == [("memory://far/a.png", None), ("photos/b.png", "jay")]
    assert [sample.read() for sample in list_images(str(path)).samples] == [BLUE, RED]


def test_a_table_may_say_which_images_are_for_testing(tmp_path):
    rows = ["a.png,jay,Train", "b.png,jay,test", "c.png,owl,validation", "d.png,owl,fold 3", "e.png,owl,"]
    (tmp_path / "set.csv").write_text("\n".join(["path,label,split,taken by", *rows]))
    listing = list_images(str(tmp_path / "set.csv"))
    assert listing.splits == ("train", "test", "train", None, None)
    assert listing.layout == "A table of 5 images, with labels and a split; not read: taken by."
    assert listing.problems == ("2 images have no part of the split in the column split: empty, fold 3.",)


@pytest.mark.parametrize(
    ("values", "splits"),
    [(("train", "val"), ("train", "test")), (("train", "train"), (None, None)), (("0", "test"), (None, None))],
)
def test_val_is_tested_on_where_nothing_is_called_test(tmp_path, values, splits):
    """As in folders; a column that says nothing of training and testing gives no split."""
    one, two = values
    (tmp_path / "set.csv").write_text(f"path,label,subset\na.png,jay,{one}\nb.png,owl,{two}\n")
    listing = list_images(str(tmp_path / "set.csv"))
    assert listing.splits == splits
    every = ", ".join(sorted(set(values)))
    assert listing.problems == (
        () if any(splits) else (f"The column subset gives no split: it has {every}, not train and test.",)
    )


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        ("path", "A table of 1 image."),
        ("path,subset", "A table of 1 image."),
        ("path,species", "A table of 1 image, with labels."),
        ("path,a,b,c,d,e,f,g", "A table of 1 image; not read: a, b, c, d, e and 2 more."),
    ],
)
def test_what_is_read_of_a_table_is_said(tmp_path, header, layout):
    row = ",".join("train" for _ in header.split(","))
    (tmp_path / "set.csv").write_text(f"{header}\n{row}\n")
    assert list_images(str(tmp_path / "set.csv")).layout == layout


def _columns(listing):
    return listing.samples, listing.labels


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("path,url", r"several columns that can be meant \(path, url\)"),
        ("path,label,class", r"several columns that can be meant \(label, class\)"),
        ("name,label", r"no column of images \(it has name, label\); name one of its columns path"),
        ("path;label", r"\(it has path;label\); it seems to be separated by semicolons; save it again with commas"),
    ],
)
def test_a_table_that_can_be_read_in_two_ways_is_refused(tmp_path, header, sentence):
    row = ",".join("x" for _ in header.split(","))
    (tmp_path / "set.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(DatasetError, match=sentence):
        list_images(str(tmp_path / "set.csv"))


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "set.csv").write_text("path\na.png\nb.png\na.png\n")
    with pytest.raises(DatasetError, match=r"names 1 image twice \(a.png\)"):
        list_images(str(tmp_path / "set.csv"))


@pytest.mark.parametrize("flat", [False, True])
def test_a_folder_at_an_address(memory, flat):
    for name, _, data in LABELLED:
        memory.pipe_file(f"/bucket/{name.split('/')[-1] if flat else name}", data)
    listing = list_images("memory://bucket")
    found = [(sample.name, label, sample.read()) for sample, label in zip(*_columns(listing), strict=True)]
    assert found == ([("a.png", None, BLUE), ("b.png", None, RED)] if flat else LABELLED)


def test_an_address_that_nothing_opens_is_refused():
    with pytest.raises(SettingError, match=r"cannot be opened .*; install what it needs, or check it"):
        list_images("nowhere://bucket/photos")


def test_an_address_without_images_is_refused(memory):
    memory.pipe_file("/bucket/notes.txt", b"-")
    with pytest.raises(DatasetError, match="has no images"):
        list_images("memory://bucket")


def test_a_file_that_is_gone_is_the_problem_of_its_image(tmp_path, memory):
    (tmp_path / "set.csv").write_text("path\ngone.png\nmemory://gone.png\n")
    for sample in list_images(str(tmp_path / "set.csv")).samples:
        with pytest.raises(ImageError, match=r"gone\.png cannot be read"):
            sample.read()


def test_what_an_address_needs_is_no_problem_of_its_image(tmp_path):
    """A machine that lacks it would else give a row without a vector for each, which counts as done."""
    (tmp_path / "set.csv").write_text("path\nnowhere://bucket/a.png\n")
    (sample,) = list_images(str(tmp_path / "set.csv")).samples
    with pytest.raises(
        SettingError, match=r"^nowhere://bucket/a\.png cannot be opened \(.*\); install what it needs, or"
    ):
        sample.read()


def test_several_labels_per_image_are_refused(tmp_path):
    from tests.datasets.test_official import PEOPLE

    lay(tmp_path, PEOPLE)
    with pytest.raises(DatasetError, match="has several labels per image, and a store keeps one"):
        list_images(str(tmp_path))


def test_the_checksum_tells_lists_apart(tmp_path):
    for path, label in (("one", "x"), ("two", "x"), ("three", "y")):
        lay(tmp_path / path, {f"{label}/a.png": RED, "z/b.png": BLUE})
    one, two, three = (list_images(str(tmp_path / path)).checksum for path in ("one", "two", "three"))
    assert one == two != three


def labels_of(path, table):
    table.to_parquet(path)
    listing = list_images(str(path))
    return dict(zip([sample.name for sample in listing.samples], listing.labels, strict=True)), listing.classes


@pytest.mark.parametrize("labels", [["x", None, "y"], pd.Categorical(["x", None, "y"]), ["x", float("nan"), " y "]])
def test_a_cell_without_a_value_is_no_label(tmp_path, labels):
    table = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": labels})
    assert labels_of(tmp_path / "set.parquet", table) == ({"a.png": "x", "b.png": None, "c.png": "y"}, ("x", "y"))


def test_whole_numbers_stay_labels_where_some_are_missing(tmp_path):
    table = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": pd.array([1, None, 2], dtype="Int64")})
    assert labels_of(tmp_path / "set.parquet", table) == ({"a.png": "1", "b.png": None, "c.png": "2"}, ("1", "2"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_that_name_no_image_are_left_out(tmp_path, suffix):
    table = pd.DataFrame({"path": ["b.png", None, "a.png", " "], "label": ["x", "y", None, "y"]})
    path = tmp_path / f"set.{suffix}"
    table.to_parquet(path) if suffix == "parquet" else table.to_csv(path, index=False)
    listing = list_images(str(path))
    assert [(sample.name, label) for sample, label in zip(*_columns(listing), strict=True)] == [
        ("a.png", None), ("b.png", "x"),
    ]  # fmt: skip
    assert listing.problems == ("2 rows are left out, as they name no image.",)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("set.csv", b""),
        ("set.csv", "path,label\nä.png,x\n".encode("latin-1")),
        ("set.csv", b"path,label\na.png,x\nb,c.png,y\n"),
        ("set.csv", b"path,label\na,b.png,x\nc,d.png,y\n"),  # not columns one further
        ("set.parquet", b"PAR1"),
    ],
)
def test_a_table_that_cannot_be_understood_is_one_sentence(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=rf"{name} cannot be read as a table \(.*\); save it again"):
        list_images(str(tmp_path / name))


def test_line_breaks_in_a_table_are_shown_and_found(tmp_path):
    lay(tmp_path, {"a\nb.png": RED})
    pd.DataFrame({"path": ["a\nb.png"], "label": ["x\ny"]}).to_parquet(tmp_path / "set.parquet")
    assert described(list_images(str(tmp_path / "set.parquet"))) == [("a\\nb.png", "x\\ny", RED)]


@pytest.mark.parametrize(
    ("name", "rows", "sentence"),
    [
        ("set.csv", 'a.png,x,\n"b.png,x,\nc".png,y,\n', r"\(line 3: .*\)"),
        ("set.csv", '"a.png,x,"\n\n"b.png,x,\nc.png,y,"\n', "quote too many in line 4, in the column path"),
        ("set.csv", 'a.png,x,"\n"\nb.png,"x\ny",\n', "line break within a cell, .* in line 4, in the column label"),
        ("set.tsv", '"a.png\tx\t\nb.png"\ty\t\n', "quote that may belong to a cell .* in line 2, in the column path"),
        ("set.tsv", 'a.png\t"x"\t\n', "quote that may belong to a cell .* in line 2, in the column label"),
        ("set.tsv", 'a.png\tx\t"seen\nin May"\n', "fewer cells in line 3 than in the first, and quotes"),
        ("set.tsv", 'a.png\tx\t"seen\tin May"\n', r"\(line 2 has 4 cells, and the first 3\)"),
    ],
)
def test_quotes_and_line_breaks_that_can_be_read_in_two_ways_are_refused(tmp_path, name, rows, sentence):
    header = "\t".join(COLUMNS) if name == "set.tsv" else ",".join(COLUMNS)
    (tmp_path / name).write_text(f"{header}\n{rows}")
    with pytest.raises(DatasetError, match=sentence):
        list_images(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("set.csv", 'path,label,note\r\n"a, ""1"".png",x,"seen\r\nin May"\r\n\r\nb.png,5" lens\r\n'),
        ("set.tsv", 'path\tlabel\tnote\na, "1".png\tx\t"seen" in May\n\nb.png\t5" lens\t\n'),
        ("set.tsv", '\ufeffpath\tlabel\tnote\na, "1".png\tx\nb.png\t5" lens\n'),
    ],
)
def test_quotes_that_can_be_read_in_one_way_are(tmp_path, name, rows):
    (tmp_path / name).write_bytes(rows.encode())
    listing = list_images(str(tmp_path / name))
    assert [sample.name for sample in listing.samples] == ['a, "1".png', "b.png"]
    assert listing.labels == ("x", '5" lens')


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("path", [{"bytes": b"xx", "path": "a.png"}], "struct"),
        ("label", [["x", "y"]], "list"),
        ("label", [b"x"], "binary"),
        ("split", [pd.Timestamp(0)], "timestamp"),
    ],
)
def test_columns_that_are_no_words_are_refused(tmp_path, column, values, kind):
    pd.DataFrame({"path": ["a.png"], column: values}).to_parquet(tmp_path / "set.parquet")
    with pytest.raises(DatasetError, match=rf"The column {column} of .* is of type {kind}.*; save it as text, or"):
        list_images(str(tmp_path / "set.parquet"))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([True, False], ("True", "False")),
        (pd.array([0.5, None], dtype="Float64"), ("0.5", None)),
        (pd.Categorical([7, 8]), ("7", "8")),
        ([None, None], (None, None)),
    ],
)
def test_numbers_and_booleans_are_labels(tmp_path, labels, expected):
    """Also where a column has no values, whatever they would be; a column that is not read may have any."""
    table = pd.DataFrame({"path": ["a.png", "b.png"], "label": labels, "boxes": [[1], [2]]})
    assert tuple(labels_of(tmp_path / "set.parquet", table)[0].values()) == expected


def test_a_number_that_is_none_is_no_label(tmp_path):
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": [0.5, float("nan")]}), tmp_path / "set.parquet")
    assert list_images(str(tmp_path / "set.parquet")).labels == ("0.5", None)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_without_labels_gives_none(tmp_path, suffix):
    table, path = pd.DataFrame({"path": ["a.png"], "label": [None]}), tmp_path / f"set.{suffix}"
    table.to_parquet(path) if suffix == "parquet" else table.to_csv(path, index=False)
    assert list_images(str(path)).layout == "A table of 1 image."


def test_a_folder_whose_name_looks_like_a_chain_of_addresses(tmp_path):
    folder = tmp_path / "a::b"
    lay(folder, {"a.png": RED})
    (folder / "set.csv").write_text("path\na.png\n")
    tar(folder / "set.tar", {"a.png": RED})
    for name in ("set.csv", "set.tar"):
        assert described(list_images(str(folder / name))) == [("a.png", None, RED)]


class Refusing(MemoryFileSystem):
    """Elsewhere, where every look is refused by an error of its own kind."""

    protocol = "refusing"

    class RefusedError(Exception):
        pass

    def _refuse(self, *args, **options):
        raise self.RefusedError("403, message='Forbidden'")

    find = glob = cat_file = open = _refuse


def test_whatever_a_file_system_raises_is_one_sentence(tmp_path):
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    for address in ("refusing://bucket", "refusing://bucket/*.tar", "refusing://bucket/set.csv"):
        with pytest.raises(DatasetError, match=r"cannot be read \(403, message='Forbidden'\)"):
            list_images(address)
    (tmp_path / "set.csv").write_text("path\nrefusing://bucket/a.png\n")
    (sample,) = list_images(str(tmp_path / "set.csv")).samples
    with pytest.raises(ImageError, match=r"refusing://bucket/a\.png cannot be read \(403, message='Forbidden'\)"):
        sample.read()
