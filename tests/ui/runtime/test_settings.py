"""Settings of the server: from the environment and a file, checked."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.errors import SettingError
from crosspool.ui.runtime.settings import ServerSettings, read_settings, settings_table

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    (tmp_path / "crosspool.toml").write_text("wait_seconds = 60\nnetworks = 3\n")
    chosen = read_settings({"CROSSPOOL_NETWORKS": "4", "CROSSPOOL_LOG": "", "HOME": "/"}, tmp_path)
    assert chosen == ServerSettings(wait_seconds=60, networks=4)


def test_the_file_may_be_elsewhere(tmp_path):
    (tmp_path / "crosspool.toml").write_text("networks = 3\n")
    (tmp_path / "other.toml").write_text("at_once = 2\n")
    chosen = read_settings({"CROSSPOOL_SETTINGS": str(tmp_path / "other.toml")}, tmp_path)
    assert chosen == ServerSettings(at_once=2)


def test_other_variables_of_crosspool_are_not_settings(tmp_path):
    assert read_settings({"CROSSPOOL_CACHE": "/x", "CROSSPOOL_CHROMIUM": "/y"}, tmp_path) == ServerSettings()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "WAIT_SECONDS",
            "0",
            "CROSSPOOL_WAIT_SECONDS in the environment is '0', but must be a number from 1 to 3,600.",
        ),
        ("WAIT_SECONDS", "nan", "is 'nan', but must be a number from 1 to 3,600."),
        ("AT_ONCE", "two", "is 'two', but must be a whole number from 0 to 64."),
        ("AT_ONCE", "1.5", "is '1.5', but must be a whole number from 0 to 64."),
        ("DOWNLOADS", "false", "is 'false', but must be auto, on or off."),
        ("LOG", "xml", "is 'xml', but must be text or json."),
        (
            "WAIT_SECNDS",
            "5",
            "no setting 'CROSSPOOL_WAIT_SECNDS' (in the environment); did you mean CROSSPOOL_WAIT_SECONDS?",
        ),
        ("ZZZ", "5", "There is no setting 'CROSSPOOL_ZZZ' (in the environment); docs/settings.md lists all settings."),
        ("SETTINGS", "/no/such.toml", "The settings file /no/such.toml cannot be read (No such file or directory)."),
    ],
)
def test_a_mistake_in_the_environment_is_one_sentence(tmp_path, variable, value, sentence):
    with pytest.raises(SettingError, match=re.escape(sentence)):
        read_settings({f"CROSSPOOL_{variable}": value}, tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("wait_seconds = 0", "crosspool.toml is 0, but must be a number from 1 to 3,600."),
        ('wait_seconds = "5"', "crosspool.toml is '5', but must be a number from 1 to 3,600."),
        ("networks = true", "crosspool.toml is True, but must be a whole number from 1 to 64."),
        ("wait_secnds = 5", "did you mean wait_seconds?"),
        ('_env_file = "x"', "There is no setting '_env_file' (in "),
        ("_cli_parse_args = true", "There is no setting '_cli_parse_args' (in "),
        ("__pydantic_self__ = 1", "There is no setting '__pydantic_self__' (in "),
        ("wait_seconds", "is not valid TOML"),
        ("\0", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "crosspool.toml").write_text(content)
    with pytest.raises(SettingError, match=re.escape(sentence)):
        read_settings({}, tmp_path)


def test_the_operators_key_is_in_no_sentence(tmp_path):
    with pytest.raises(
        SettingError, match="CROSSPOOL_OPERATOR_KEY in the environment is set, but must be text"
    ) as wrong:
        read_settings({"CROSSPOOL_OPERATOR_KEY": "geheim"}, tmp_path)
    assert "geheim" not in str(wrong.value)
    assert "geheim" not in repr(ServerSettings(operator_key="geheim" * 3))


@given(
    st.sampled_from(sorted(ServerSettings.model_fields)),
    st.text(st.characters(exclude_characters="\0"), max_size=30) | st.integers().map(str) | st.floats().map(str),
)
def test_any_value_is_taken_or_refused_in_one_sentence(name, value):
    variable = f"CROSSPOOL_{name.upper()}"
    sentence = ""
    try:
        assert isinstance(read_settings({variable: value}, Path("/nowhere")), ServerSettings)
    except SettingError as error:
        sentence = str(error)
    assert sentence == "" or (sentence.startswith(f"{variable} in the environment is ") and "\n" not in sentence)


def test_the_documents_list_all_settings():
    assert settings_table() in DOCS.read_text(encoding="utf-8"), "copy: python -m crosspool.ui.runtime.settings"
