"""A project is read without importing anything of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from slsadapt.deploy.project import read_project
from slsadapt.errors import PackageError

SAMPLES = Path(__file__).parents[2] / "samples"
PROJECT = "[project]\nname = 'shop'\nversion = '1'\ndependencies = ['click']\n"


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_folder_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="has no index.py: .*'main_handler = slsadapt.wrap"):
        read_project(write(tmp_path, app_py=""))


def test_index_cannot_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, index_py="")
    (tmp_path / ".slsignore").write_text("*.py\n", encoding="utf-8")
    with pytest.raises(PackageError, match=".slsignore leaves out index.py"):
        read_project(tmp_path)


def test_code_that_cannot_run_is_read(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, index_py="raise SystemExit(1)"))
    assert project.files == (PurePosixPath("index.py"),)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"requirements_txt": ""}, "requirements.txt", id="requirements.txt"),
        pytest.param({"pyproject_toml": PROJECT}, "pyproject.toml", id="pyproject.toml"),
        pytest.param({"pyproject_toml": "[tool.ruff]"}, None, id="pyproject.toml of tools"),
        pytest.param(
            {"requirements_txt": "", "pyproject_toml": PROJECT}, "requirements.txt", id="both"
        ),
    ],
)
def test_requirements(tmp_path: Path, texts: dict[str, str], found: str | None) -> None:
    requirements = read_project(write(tmp_path, index_py="", **texts)).requirements
    assert requirements == (tmp_path / found if found else None)


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="pyproject.toml cannot be read: .*line 2"):
        read_project(write(tmp_path, index_py="", pyproject_toml="[project]\nname =\n"))


def test_flask_sample() -> None:
    project = read_project(SAMPLES / "flask_app")
    assert project.requirements == SAMPLES / "flask_app" / "requirements.txt"
    files = {str(file) for file in project.files}
    assert {"index.py", "app.py", "tasks.py", "templates/hello.html"} <= files
    assert not {file for file in files if "test" in file or "cassettes" in file}
