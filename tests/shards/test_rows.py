"""What is written into a shard is read from it, and the same rows give the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crosspool.shards.rows import Row, Shape, ShardWriter, column_array, groups_of, origin_of, read_columns

SHAPE = Shape(vector=8, code=16, channels=3)


def row(number):
    """A row with an image, whose numbers follow from its own."""
    return Row(
        f"{number}.png", "jay", None, sha256=bytes([number] * 32), vector=np.array([number, -number], np.float32),
        code=np.array([number, 1], np.uint64), peak=np.full(3, number, np.float16),
        energy=np.full(3, number / 2, np.float16), cell=np.full(3, 40_000 + number, np.uint16),
        thumbnail=b"picture",
    )  # fmt: skip


def written(path, rows, shape=SHAPE):
    with ShardWriter(path, shape, "plan 0") as writer:
        for each in rows:
            writer.append(each)
    return path


ROWS = [row(0), Row("broken.png", "jay", None, "broken.png is no image."), row(2)]


def test_rows_are_read_as_they_were_written(tmp_path):
    table = read_columns(written(tmp_path / "shard", ROWS), SHAPE.schema.names)
    assert table["path"].to_pylist() == ["0.png", "broken.png", "2.png"]
    assert table["problem"].to_pylist() == [None, "broken.png is no image.", None]
    vectors, has = column_array(table["vector"], "<f4")
    assert vectors.tolist() == [[0, 0], [0, 0], [2, -2]]
    assert has.tolist() == [True, False, True]
    assert column_array(table["code"], "<u8")[0].tolist() == [[0, 1], [0, 0], [2, 1]]
    assert column_array(table["cell"], "<u2")[0][2].tolist() == [40_002] * 3
    assert column_array(table["energy"], "<f2")[0][2].tolist() == [1] * 3
    assert table["thumbnail"].to_pylist() == [b"picture", None, b"picture"]


def test_rows_say_where_their_file_belongs(tmp_path):
    path = written(tmp_path / "shard", ROWS)
    assert origin_of(read_columns(path, ["path"])) == "plan 0"
    assert [origin_of(table) for _, table in groups_of(path, ["vector"])] == ["plan 0"]
    assert origin_of(pa.table({"path": ["0.png"]})) == ""


def test_a_column_of_a_slice_is_that_of_its_rows(tmp_path):
    table = read_columns(written(tmp_path / "shard", ROWS), ["vector"])
    assert column_array(table["vector"].slice(2), "<f4")[0].tolist() == [[2, -2]]
    assert column_array(pa.chunked_array([], pa.binary(8)), "<f4")[0].shape == (0, 2)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    one, two = (written(tmp_path / name, ROWS).read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_flipped_bit_in_a_vector_is_noticed(tmp_path):
    path = written(tmp_path / "shard", [row(number) for number in range(1, 200)])
    data = bytearray(path.read_bytes())
    data[data.index(np.array([7, -7], np.float32).tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):
        read_columns(path, ["vector"])


def test_few_rows_are_in_memory_and_some_are_read_without_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("crosspool.shards.rows.GROUP_BYTES", 16)
    path = written(tmp_path / "shard", [row(number) for number in range(5)])
    assert pq.ParquetFile(path).num_row_groups == 3
    assert [table["path"].to_pylist() for _, table in groups_of(path, ["path"])] == [
        ["0.png", "1.png"], ["2.png", "3.png"], ["4.png"],
    ]  # fmt: skip
    assert read_columns(path, ["path"], [2, 0])["path"].to_pylist() == ["4.png", "0.png", "1.png"]


def test_a_method_without_maps_has_no_peaks(tmp_path):
    shape = Shape(vector=8, code=16, channels=0)
    assert not {"peak", "energy", "cell"} & set(shape.schema.names)
    written(tmp_path / "shard", [Row("a.png", None, None, vector=np.zeros(2, np.float32))], shape)
    assert read_columns(tmp_path / "shard", ["vector"]).num_rows == 1


def test_numbers_of_another_length_are_refused(tmp_path):
    with pytest.raises(pa.ArrowInvalid):
        written(tmp_path / "shard", [Row("a.png", None, None, vector=np.zeros(3, np.float32))])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux lists them")
def test_columns_are_read_without_threads_that_outlive_them(tmp_path):
    """Such a thread of Arrow's may abort a program that ends."""
    pq.write_table(pa.table({"path": ["a"], "label": ["b"]}), tmp_path / "table.parquet")
    program = """if True:
        import io, os, pathlib, sys
        from crosspool.shards.rows import read_columns
        from crosspool.shards.tables import read_table
        before = set(os.listdir("/proc/self/task"))
        read_columns(io.BytesIO(pathlib.Path(sys.argv[1]).read_bytes()), ["path", "label"])
        read_table(sys.argv[1])
        print(len(set(os.listdir("/proc/self/task")) - before))
    """
    command = [sys.executable, "-c", program, str(tmp_path / "table.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"
