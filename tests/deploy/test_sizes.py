"""Bytes are counted for whom they belong to, and held against limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from slsadapt.deploy.runtimes import RUNTIMES
from slsadapt.deploy.sizes import PackageSize, check_limits, measure, read_owners, write_table
from slsadapt.errors import PackageError

MIB = 1024 * 1024
SIZES = (
    PackageSize("numpy", "2.5.5", 14 * MIB, 44 * MIB),
    PackageSize("application", "", MIB // 2, 2 * MIB),
)


def install(tree: Path, name: str, version: str, *files: str) -> None:
    info = tree / f"{name.lower()}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no header\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    record = "".join(f"{file},sha256=0,1\n" for file in (*files, f"{info.name}/METADATA"))
    (info / "RECORD").write_text(record, encoding="utf-8")


def zip_up(archive: Path, **sizes: int) -> Path:
    with ZipFile(archive, "w", ZIP_STORED) as opened:
        for path, size in sizes.items():
            opened.writestr(path, b"x" * size)
    return archive


def test_owners_are_read_from_records(tmp_path: Path) -> None:
    install(tmp_path, "Flask", "3.1", "flask/app.py")
    assert read_owners(tmp_path) == {
        "flask/app.py": ("Flask", "3.1"),
        "flask-3.1.dist-info/METADATA": ("Flask", "3.1"),
        "flask-3.1.dist-info/RECORD": ("Flask", "3.1"),
    }


def test_bytecode_counts_for_its_module_and_the_rest_for_the_application(tmp_path: Path) -> None:
    archive = zip_up(
        tmp_path / "app.zip",
        **{
            "flask/app.py": 100,
            "flask/__pycache__/app.cpython-311.pyc": 30,
            "flask/own.py": 5,
            "index.py": 2,
            "__pycache__/index.cpython-311.pyc": 1,
            "six.py": 7,
            "__pycache__/six.cpython-311.pyc": 4,
        },
    )
    owners = {"flask/app.py": ("Flask", "3.1"), "six.py": ("six", "1.17")}
    assert measure({archive: ""}, owners) == (
        PackageSize("Flask", "3.1", 130, 130),
        PackageSize("six", "1.17", 11, 11),
        PackageSize("application", "", 8, 8),
    )


def test_layer_counts_without_its_folder(tmp_path: Path) -> None:
    function = zip_up(tmp_path / "app.zip", **{"python/flask/app.py": 3})
    layer = zip_up(tmp_path / "layer.zip", **{"python/flask/app.py": 100})
    assert measure({function: "", layer: "python/"}, {"flask/app.py": ("Flask", "3.1")}) == (
        PackageSize("Flask", "3.1", 100, 100),
        PackageSize("application", "", 3, 3),
    )


def test_table_has_the_largest() -> None:
    assert write_table(SIZES) == (
        "                                   zipped  extracted\n"
        "numpy 2.5.5                      14.0 MiB   44.0 MiB\n"
        "application                       0.5 MiB    2.0 MiB"
    )
    assert write_table(SIZES, rows=1).splitlines()[-1].startswith("numpy")


def test_limits_are_kept() -> None:
    check_limits(SIZES, RUNTIMES["lambda-py3.11"])


def test_extracted_limit_is_told_with_the_largest() -> None:
    runtime = replace(RUNTIMES["lambda-py3.11"], unzipped_limit_bytes=46 * MIB - 1)
    told = "takes 46.0 MiB extracted, lambda-py3.11 takes 46 MiB .*no way out(.|\n)*numpy 2.5.5"
    with pytest.raises(PackageError, match=told):
        check_limits(SIZES, runtime)


def test_zipped_limit_is_told() -> None:
    runtime = replace(RUNTIMES["fc-py3.12"], zip_limit_bytes=14 * MIB)
    with pytest.raises(PackageError, match="takes 14.5 MiB zipped, fc-py3.12 takes 14 MiB"):
        check_limits(SIZES, runtime)
