from __future__ import annotations

from pathlib import Path

import pytest

from clipeval.config import builtin_catalog, find_catalog, load_catalog, resolve_dataset
from clipeval.errors import ConfigError
from clipeval.records import DigitsSource, FolderSource, TableSource, TorchvisionSource


def catalog_text(text: str) -> Path:
    path = Path("datasets.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def test_three_questions_are_known_without_a_file() -> None:
    catalog = builtin_catalog()
    assert {key: spec.source for key, spec in catalog.items()} == {
        "digits": DigitsSource("test", "digit"),
        "ink-colour": DigitsSource("test", "ink"),
        "background-colour": DigitsSource("test", "background"),
    }


def test_every_kind_of_source_is_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPEVAL_DATA", str(project / "data"))
    catalog = load_catalog(
        catalog_text(
            "digits: {source: sklearn-digits, split: train, limit: 5}\n"
            "photos: {source: folder, path: p, class_names: {cat: tabby}, aliases: {cat: [kitty]}}\n"
            "table: {source: table, path: t/labels.CSV, on_error: skip}\n"
            "rooted: {source: table, path: t/labels.parquet, root: images}\n"
            "pets: {source: torchvision, name: OxfordIIITPet, split: test, seed: 3,"
            " classes: [a, b], per_class: 2, download: true}\n"
            "own-root: {source: torchvision, name: DTD, split: val, root: dtd}\n"
        )
    )
    assert catalog["digits"].source == DigitsSource("train", "digit")
    assert catalog["digits"].limit == 5
    assert catalog["photos"].source == FolderSource(project / "p")
    assert catalog["photos"].class_names == {"cat": "tabby"}
    assert catalog["photos"].aliases == {"cat": ("kitty",)}
    assert catalog["table"].source == TableSource(project / "t/labels.CSV", project / "t")
    assert catalog["table"].on_error == "skip"
    assert catalog["rooted"].source == TableSource(project / "t/labels.parquet", project / "images")
    assert catalog["pets"].source == TorchvisionSource(
        "OxfordIIITPet", "test", project / "data", download=True
    )
    assert (catalog["pets"].classes, catalog["pets"].per_class) == (("a", "b"), 2)
    assert catalog["pets"].seed == 3
    assert catalog["own-root"].source == TorchvisionSource("DTD", "val", project / "dtd")
    assert catalog["ink-colour"].source == DigitsSource("test", "ink")


def test_data_go_to_the_user_cache_unless_the_environment_says_otherwise(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLIPEVAL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    catalog = load_catalog(catalog_text("pets: {source: torchvision, name: DTD, split: val}\n"))
    source = catalog["pets"].source
    assert isinstance(source, TorchvisionSource)
    assert source.root.name == "datasets"
    assert "clipeval" in source.root.parts


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("a: {source: foldr, path: p}", "1:4", ["'foldr'", "did you mean 'folder'"]),
        ("a: {source: webdataset, path: p}", "1:4", ["not available in this version"]),
        ("a: {path: p}", "1:1", ["missing key 'source'"]),
        ("a: {source: folder}", "1:1", ["missing key 'path'"]),
        ("a: folder", "1:4", ["got 'folder'"]),
        ("a: {source: folder, pth: p, path: p}", "1:21", ["'pth'", "did you mean 'path'"]),
        ("a b: {source: folder, path: p}", "1:1", ["got 'a b'"]),
        ("a: {source: sklearn-digits, split: tset}", "1:36", ["did you mean 'test'"]),
        ("a: {source: sklearn-digits, question: colour}", "1:39", ["'ink'"]),
        ("a: {source: torchvision, name: DTD}", "1:1", ["missing key 'split'"]),
        (
            "a: {source: torchvision, name: DTD, split: test, download: 'yes'}",
            "1:60",
            ["got 'yes'", "true or false"],
        ),
        ("a: {source: table, path: labels.xlsx}", "1:26", [".csv or .parquet"]),
        ("a: {source: folder, path: p, per_class: 0}", "1:41", ["at least 1"]),
        ("a: {source: folder, path: p, seed: -1}", "1:36", ["at least 0"]),
        ("a: {source: folder, path: p, classes: [x]}", "1:39", ["at least 2"]),
        ("a: {source: folder, path: p, classes: [x, z, x]}", "1:46", ["'x' is already item 1"]),
        (
            "a: {source: folder, path: p, classes: [cat, dog], class_names: {cta: tabby}}",
            "1:65",
            ["'cta'", "did you mean 'cat'"],
        ),
        ("a: {source: folder, path: '~nobody-here/x'}", "1:27", ["not a usable path"]),
        ("a: {source: folder, path: p}\na: {source: folder, path: q}", "2:1", ["duplicate key"]),
    ],
)
def test_mistakes_in_a_catalogue_are_located(
    project: Path, content: str, place: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_catalog(catalog_text(content + "\n"))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"datasets.yaml:{place}: ")
    assert [word for word in words if word not in line] == []


def test_the_nearest_catalogue_is_found_and_the_search_ends_at_the_project(project: Path) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert find_catalog(inner) is None
    (project / "datasets.yaml").touch()
    assert find_catalog(inner) == project / "datasets.yaml"
    (project / "a" / ".git").mkdir()
    assert find_catalog(inner) is None


def test_a_command_line_data_set_is_a_key_a_folder_or_a_table(project: Path) -> None:
    (project / "My Photos").mkdir()
    (project / "labels.csv").touch()
    catalog = builtin_catalog()
    assert resolve_dataset("digits", catalog, base=project) == catalog["digits"]
    folder = resolve_dataset("My Photos", catalog, base=project)
    assert (folder.key, folder.source) == ("my-photos", FolderSource(project / "My Photos"))
    table = resolve_dataset("labels.csv", catalog, base=project)
    assert (table.key, table.source) == ("labels", TableSource(project / "labels.csv", project))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("digit", "did you mean 'digits'"),
        ("", "names no data set"),
        ("no/such", "existing folder"),
        ("notes.txt", "ends in .csv or .parquet"),
        ("a\0b", "names no data set|not a usable path"),
    ],
)
def test_a_command_line_data_set_that_names_nothing_is_refused(
    project: Path, text: str, words: str
) -> None:
    (project / "notes.txt").touch()
    with pytest.raises(ConfigError, match=words):
        resolve_dataset(text, builtin_catalog(), base=project)
