"""`visualise-channels`: its files, and a run that goes on where another was interrupted."""

import json

from crosspool.cli import main

NETWORK = ["--backbone", "squeezenet1_1", "--weights", "untrained", "--pair", "features.3.expand1x1"]
SHORT = ["--size", "64", "--steps", "2"]


def run(folder, *more):
    return main(["visualise-channels", *NETWORK, *SHORT, "--out", str(folder), *more])


def test_it_writes_an_image_for_each_channel_and_a_sprite_of_all(tmp_path, capsys):
    assert run(tmp_path / "out", "--channels", "0,5-6") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    images = {"channel-0000.png", "channel-0005.png", "channel-0006.png"}
    assert names == images | {"made.json", "sprite.webp", "sprite.json"}
    made = json.loads((tmp_path / "out" / "sprite.json").read_text())
    assert (made["channels"], made["pair"], made["steps"]) == ("0,5-6", "features.3.expand1x1", 2)
    assert "3 images" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_and_gives_the_same(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert run(whole, "--channels", "0-3") == 0
    assert run(resumed, "--channels", "0-3") == 0
    before = (resumed / "channel-0001.png").stat().st_mtime_ns
    (resumed / "channel-0002.png").unlink()
    (resumed / "sprite.webp").unlink()
    assert run(resumed, "--channels", "0-3") == 0
    assert (resumed / "channel-0001.png").stat().st_mtime_ns == before
    assert (resumed / "sprite.json").read_text() == (whole / "sprite.json").read_text()
    assert (resumed / "channel-0001.png").read_bytes() == (whole / "channel-0001.png").read_bytes()


def test_a_folder_of_other_settings_is_refused(tmp_path, capsys):
    assert run(tmp_path / "out", "--channels", "0") == 0
    assert run(tmp_path / "out", "--channels", "0", "--seed", "1") == 2
    assert "holds images made with seed 0; choose another folder for --out." in capsys.readouterr().err
