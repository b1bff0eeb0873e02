"""Templates read as their clouds' own tools read them.

SAM's command, its translator and cfn-lint run in an environment of their own; what Tencent's
components and Alibaba's client take is asked of their npm packages. Where a registry, or Node, is
out of reach, these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uv
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slsadapt.deploy.project import Project, read_project
from slsadapt.deploy.runtimes import find_runtime
from slsadapt.deploy.templates import read_framework, write_templates
from slsadapt.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., dict[Path, bool]]

pytestmark = pytest.mark.once

SAMPLES = Path(__file__).parents[2] / "samples"

SAM = "aws-sam-cli==1.170.0"
NPM_PACKAGES = ("tencent-component-toolkit@2.27.6", "@alicloud/fc20230330@4.7.6")

# What uv and npm say when they reach no registry.
UNREACHABLE = re.compile(
    r"dns error|error sending request|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH"
)


class CloudFormation(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, ``!Ref Name``."""


CloudFormation.add_multi_constructor("!", lambda loader, name, node: {name: node.value})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the templates of a sample beside an archive ``app.zip`` in ``tmp_path / "build"``."""

    def write(
        runtime: str, sample: str = "flask_app", *, layer: bool = False, **options: Any
    ) -> dict[Path, bool]:
        folder = tmp_path / "build"
        return write_templates(
            read_project(SAMPLES / sample),
            find_runtime(runtime),
            folder / "app.zip",
            folder,
            layer=folder / "app-layer.zip" if layer else None,
            **options,
        )

    return write


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Any]:
    """Give a function that runs JavaScript with the vendors' packages: ``input`` to JSON."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text("{}")
    installed = subprocess.run(
        [
            npm,
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
            *NPM_PACKAGES,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if installed.returncode and UNREACHABLE.search(installed.stderr):
        pytest.skip("npm reaches no registry")
    assert installed.returncode == 0, installed.stderr

    def run(script: str, value: Any) -> Any:
        code = f"const input = JSON.parse(require('fs').readFileSync(0)); {script}"
        done = subprocess.run(
            [node, "-e", code], cwd=folder, input=json.dumps(value), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def sam(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs a command in an environment with SAM, and without an account."""
    folder = tmp_path_factory.mktemp("sam")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", str(folder)),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(folder),
        **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))},
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        uv_run = (uv.find_uv_bin(), "run", "--no-project", "--python", sys.executable)
        done = subprocess.run(
            [*uv_run, "--with", SAM, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode and UNREACHABLE.search(done.stderr):
            pytest.skip("uv reaches no registry")
        return done

    return run


def project(folder: Path, files: dict[str, str]) -> Project:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return read_project(folder)


# What is written, and where


@pytest.mark.parametrize(
    ("runtime", "sample", "names"),
    [
        ("scf-py3.10", "flask_app", ["serverless.yml", "serverless.flask.yml"]),
        ("scf-py3.10", "django_app", ["serverless.yml", "serverless.django.yml"]),
        ("fc-py3.12", "django_app", ["s.yaml"]),
        ("lambda-py3.11", "flask_app", ["template.yaml"]),
    ],
)
def test_each_cloud_has_its_own_template(
    write: Write, tmp_path: Path, runtime: str, sample: str, names: list[str]
) -> None:
    assert write(runtime, sample) == {tmp_path / "build" / name: True for name in names}


def test_other_frameworks_have_no_component_of_their_own(write: Write, tmp_path: Path) -> None:
    written = write("scf-py3.10", framework="fastapi")
    assert written == {tmp_path / "build" / "serverless.yml": True}


def test_template_that_is_there_stays(write: Write, tmp_path: Path) -> None:
    mine = tmp_path / "build" / "serverless.yml"
    mine.parent.mkdir()
    mine.write_text("mine")
    written = write("scf-py3.10")
    assert written == {mine: False, mine.with_name("serverless.flask.yml"): True}
    assert mine.read_text() == "mine"


def test_link_to_nowhere_stays(write: Write, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "s.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert write("fc-py3.10") == {tmp_path / "build" / "s.yaml": False}
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_no_variable_of_this_machine_is_written(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("FLASK_SECRET_KEY", "TENCENT_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "hunter2")
    for runtime in ("scf-py3.10", "fc-py3.10", "lambda-py3.10"):
        for path in write(runtime):
            assert "hunter2" not in path.read_text()


def test_paths_are_relative_to_the_template(tmp_path: Path) -> None:
    flask = read_project(SAMPLES / "flask_app")
    (path,) = write_templates(
        flask, find_runtime("lambda-py3.11"), tmp_path / "out" / "app.zip", tmp_path / "deploy"
    )
    assert "CodeUri: ../out/app.zip\n" in path.read_text()


# Tencent


def test_scf_template(write: Write) -> None:
    serverless = next(iter(write("scf-py3.10", memory_mb=512, timeout_s=60)))
    assert yaml.safe_load(serverless.read_text()) == {
        "app": "flask-app",
        "stage": "dev",
        "component": "scf",
        "name": "flask-app",
        "inputs": {
            "name": "flask-app",
            "region": "ap-guangzhou",
            "type": "event",
            "runtime": "Python3.10",
            "handler": "index.main_handler",
            "src": {
                "hook": "rm -rf app-extracted && python3 -m zipfile -e app.zip app-extracted",
                "dist": "app-extracted",
            },
            "memorySize": 512,
            "timeout": 60,
            "initTimeout": 30,
            "events": [
                {
                    "http": {
                        "parameters": {
                            "qualifier": "$DEFAULT",
                            "authType": "NONE",
                            "netConfig": {"enableExtranet": True, "enableIntranet": False},
                        }
                    }
                }
            ],
        },
    }


def test_django_component_template(write: Write) -> None:
    written = write("scf-py3.10", "django_app", environment={"DJANGO_SECRET_KEY": "${env:KEY}"})
    django = yaml.safe_load(list(written)[1].read_text())
    assert django == {
        "app": "django-app",
        "stage": "dev",
        "component": "django",
        "name": "django-app",
        "inputs": {
            "region": "ap-guangzhou",
            "functionName": "django-app",
            "runtime": "Python3.10",
            "handler": "index.main_handler",
            "djangoProjectName": "guestbook",
            "src": {
                "hook": "rm -rf app-extracted && python3 -m zipfile -e app.zip app-extracted",
                "dist": "app-extracted",
            },
            "functionConf": {
                "timeout": 30,
                "memorySize": 256,
                "initTimeout": 30,
                "environment": {"variables": {"DJANGO_SECRET_KEY": "${env:KEY}"}},
            },
            "apigatewayConf": {
                "isDisabled": True,
                "protocols": ["http", "https"],
                "environment": "release",
                "serviceTimeout": 30,
                "enableCORS": False,
            },
        },
    }


def test_flask_component_template_has_no_django_project(write: Write) -> None:
    flask = yaml.safe_load(list(write("scf-py3.10"))[1].read_text())
    assert flask["component"] == "flask"
    assert "djangoProjectName" not in flask["inputs"]


@pytest.mark.parametrize("name", ["app.zip", "it's my app.zip"])
def test_hook_extracts_what_the_component_zips(write: Write, tmp_path: Path, name: str) -> None:
    build = tmp_path / "build"
    build.mkdir()
    with zipfile.ZipFile(build / name, "w") as archive:
        archive.writestr("index.py", "main_handler = None")
        archive.writestr("__pycache__/index.cpython-310.pyc", b"bytecode")
    flask = read_project(SAMPLES / "flask_app")
    path = next(iter(write_templates(flask, find_runtime("scf-py3.10"), build / name, build)))
    src = yaml.safe_load(path.read_text())["inputs"]["src"]
    (build / src["dist"]).mkdir()
    (build / src["dist"] / "left_over.py").touch()
    # Node runs it by the shell, in the folder of serverless.yml.
    subprocess.run(src["hook"], shell=True, cwd=build, check=True)
    extracted = build / src["dist"]
    assert sorted(str(file.relative_to(extracted)) for file in extracted.rglob("*.py*")) == [
        "__pycache__/index.cpython-310.pyc",
        "index.py",
    ]


def test_tencents_toolkit_reads_scf_template(write: Write, node: Callable[..., Any]) -> None:
    written = write("scf-py3.10", environment={"GREETING": "hello"}, layer=True)
    inputs = yaml.safe_load(next(iter(written)).read_text())["inputs"]
    function, trigger = node(
        """
        const {formatInputs} = require('tencent-component-toolkit/lib/modules/scf/utils');
        const Http = require('tencent-component-toolkit/lib/modules/triggers/http').default;
        const http = {...input.events[0].http, functionName: input.name, namespace: 'default'};
        console.log(JSON.stringify([
            formatInputs(input), new Http({}).formatInputs({inputs: http}).triggerInputs,
        ]));
        """,
        inputs,
    )
    assert function["FunctionName"] == "flask-app"
    assert function["Type"] == "Event"
    assert function["Runtime"] == "Python3.10"
    assert function["Handler"] == "index.main_handler"
    assert (function["MemorySize"], function["Timeout"], function["InitTimeout"]) == (256, 30, 30)
    assert function["Environment"] == {"Variables": [{"Key": "GREETING", "Value": "hello"}]}
    assert function["Layers"] == [{"LayerName": "flask-app-dependencies", "LayerVersion": 1}]
    assert trigger["Type"] == "http"
    assert trigger["Qualifier"] == "$DEFAULT"
    assert trigger["Enable"] == "OPEN"
    assert json.loads(trigger["TriggerDesc"]) == {
        "AuthType": "NONE",
        "NetConfig": {"EnableIntranet": False, "EnableExtranet": True},
    }


def test_tencents_toolkit_reads_framework_template(write: Write, node: Callable[..., Any]) -> None:
    inputs = yaml.safe_load(list(write("scf-py3.10", "django_app"))[1].read_text())["inputs"]
    # What the component's src/formatter.ts makes of them.
    function = node(
        """
        const {formatInputs} = require('tencent-component-toolkit/lib/modules/scf/utils');
        console.log(JSON.stringify(formatInputs(input)));
        """,
        {
            **inputs["functionConf"],
            "name": inputs["functionName"],
            "handler": inputs["handler"],
            "runtime": inputs["runtime"],
        },
    )
    assert function["FunctionName"] == "django-app"
    assert function["Handler"] == "index.main_handler"
    assert (function["MemorySize"], function["Timeout"], function["InitTimeout"]) == (256, 30, 30)


# Alibaba


def test_fc3_template(write: Write) -> None:
    (path,) = write("fc-py3.12", layer=True)
    assert yaml.safe_load(path.read_text()) == {
        "edition": "3.0.0",
        "name": "flask-app",
        "access": "default",
        "resources": {
            "app": {
                "component": "fc3",
                "props": {
                    "region": "cn-hangzhou",
                    "functionName": "flask-app",
                    "runtime": "python3.12",
                    "handler": "index.main_handler",
                    "code": "./app.zip",
                    "layers": [
                        "acs:fc:cn-hangzhou:${config('AccountID')}"
                        ":layers/flask-app-dependencies/versions/1"
                    ],
                    "memorySize": 256,
                    "cpu": 0.25,
                    "diskSize": 512,
                    "timeout": 30,
                    "triggers": [
                        {
                            "triggerName": "http",
                            "triggerType": "http",
                            "triggerConfig": {
                                "authType": "anonymous",
                                "methods": [
                                    "GET",
                                    "HEAD",
                                    "POST",
                                    "PUT",
                                    "PATCH",
                                    "DELETE",
                                    "OPTIONS",
                                ],
                            },
                        }
                    ],
                },
            }
        },
    }


# Multiples of 0.05 vCPU, from a quarter of the GB to all of them.
@pytest.mark.parametrize(
    ("memory_mb", "cpu"), [(128, 0.1), (192, 0.15), (512, 0.5), (1024, 1), (32768, 16)]
)
def test_fc3_has_as_much_cpu_as_its_memory_allows(write: Write, memory_mb: int, cpu: float) -> None:
    (path,) = write("fc-py3.10", memory_mb=memory_mb)
    assert yaml.safe_load(path.read_text())["resources"]["app"]["props"]["cpu"] == cpu


def test_alibabas_client_knows_every_property(write: Write, node: Callable[..., Any]) -> None:
    (path,) = write("fc-py3.10", environment={"GREETING": "hello"}, layer=True)
    props = yaml.safe_load(path.read_text())["resources"]["app"]["props"]
    (trigger,) = props.pop("triggers")
    # The component's own: where to, and what it uploads.
    del props["region"], props["code"]
    faults = """
        const fc = require('@alicloud/fc20230330');
        const faults = (model, value) => Object.entries(value).filter(([name, item]) => {
            const type = fc[model].types()[name];
            const kind = type && (type.type || type);
            const got = Array.isArray(item) ? 'array' : typeof item;
            return kind !== (got === 'object' ? 'map' : got);
        }).map(([name]) => name);
        const {triggerConfig, ...trigger} = input.trigger;
        console.log(JSON.stringify([
            faults('CreateFunctionInput', input.props),
            faults('CreateTriggerInput', trigger),
            faults('HTTPTriggerConfig', triggerConfig),
        ]));
        """
    assert node(faults, {"props": props, "trigger": trigger}) == [[], [], []]
    assert node(faults, {"props": {**props, "memory": 1, "timeout": "30"}, "trigger": trigger}) == [
        ["timeout", "memory"],
        [],
        [],
    ]


# AWS


def test_sam_template(write: Write) -> None:
    (path,) = write("lambda-py3.11", layer=True, memory_mb=1769)
    assert yaml.load(path.read_text(), CloudFormation) == {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": "flask-app",
        "Resources": {
            "Dependencies": {
                "Type": "AWS::Serverless::LayerVersion",
                "Properties": {
                    "LayerName": "flask-app-dependencies",
                    "ContentUri": "app-layer.zip",
                    "CompatibleRuntimes": ["python3.11"],
                    "CompatibleArchitectures": ["x86_64"],
                    "RetentionPolicy": "Delete",
                },
            },
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "CodeUri": "app.zip",
                    "Handler": "index.main_handler",
                    "Runtime": "python3.11",
                    "Architectures": ["x86_64"],
                    "Layers": [{"Ref": "Dependencies"}],
                    "MemorySize": 1769,
                    "Timeout": 30,
                    "Events": {
                        "Api": {"Type": "HttpApi", "Properties": {"PayloadFormatVersion": "2.0"}}
                    },
                },
            },
        },
        "Outputs": {
            "Url": {
                "Description": "Where the application answers",
                "Value": {
                    "Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}"
                    ".${AWS::URLSuffix}/"
                },
            }
        },
    }


def test_sam_validates_without_an_account(write: Write, sam: Callable[..., Any]) -> None:
    (path,) = write(
        "lambda-py3.13-arm64",
        layer=True,
        environment={"GREETING": "hello", "YES": "on"},
    )
    validated = sam("sam", "validate", "--lint", "--template-file", str(path))
    assert "is a valid SAM Template" in validated.stdout, validated.stdout + validated.stderr


def test_cfn_lint_finds_nothing_but_what_is_planted(write: Write, sam: Callable[..., Any]) -> None:
    (path,) = write("lambda-py3.14")
    broken = path.with_name("broken.yaml")
    broken.write_text(path.read_text().replace("MemorySize", "MemorySise"))
    findings = sam("cfn-lint", "--format", "parseable", str(path), str(broken)).stdout.splitlines()
    assert [finding for finding in findings if not finding.startswith(str(broken))] == []
    assert any("MemorySise" in finding for finding in findings)


# As `sam deploy` translates it once the archives are in a bucket.
TRANSLATE = """
import json, sys
import cfnlint.decode
from samtranslator.translator.transform import transform

template = json.loads(json.dumps(cfnlint.decode.decode(sys.argv[1])[0]))
template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://bucket/app.zip"
print(json.dumps(transform(template, {}, managed_policy_loader=None)))
"""


def test_sam_sends_every_request_to_the_function(write: Write, sam: Callable[..., Any]) -> None:
    (path,) = write("lambda-py3.13-arm64", environment={"GREETING": "hello"})
    translated = sam("python", "-c", TRANSLATE, str(path))
    assert translated.returncode == 0, translated.stderr
    resources = json.loads(translated.stdout)["Resources"]
    function = resources["Function"]["Properties"]
    assert function["Handler"] == "index.main_handler"
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert (function["MemorySize"], function["Timeout"]) == (256, 30)
    assert function["Environment"] == {"Variables": {"GREETING": "hello"}}
    body = resources["ServerlessHttpApi"]["Properties"]["Body"]
    assert list(body["paths"]) == ["$default"]
    (route,) = body["paths"]["$default"].values()
    assert route["x-amazon-apigateway-integration"]["payloadFormatVersion"] == "2.0"


# Variables and secrets


@pytest.mark.parametrize(
    ("runtime", "sample", "line"),
    [
        ("scf-py3.10", "flask_app", "FLASK_SECRET_KEY: ${env:FLASK_SECRET_KEY}"),
        ("fc-py3.10", "django_app", "DJANGO_SECRET_KEY: ${env('DJANGO_SECRET_KEY')}"),
        (
            "lambda-py3.10",
            "flask_app",
            "FLASK_SECRET_KEY: "
            '"{{resolve:secretsmanager:flask-app:SecretString:FLASK_SECRET_KEY}}"',
        ),
    ],
)
@pytest.mark.parametrize("environment", [{}, {"GREETING": "hello"}], ids=["alone", "with others"])
def test_secret_key_is_a_hint_of_a_reference(
    write: Write, runtime: str, sample: str, line: str, environment: dict[str, str]
) -> None:
    path = next(iter(write(runtime, sample, environment=environment)))
    (hint,) = (text for text in path.read_text().splitlines() if line in text)
    assert hint.lstrip().startswith("#")
    # Uncommented, the block parses with the key in it.
    lines = path.read_text().splitlines()
    end = lines.index(hint)
    start = end if environment else end - (1 if runtime.startswith("fc") else 2)
    lines[start : end + 1] = [text.replace("# ", "", 1) for text in lines[start : end + 1]]
    path.write_text("\n".join(lines) + "\n")
    template = yaml.load(path.read_text(), CloudFormation)
    name, _, value = line.partition(": ")
    assert f'"{name}": "{value.strip(chr(34))}"' in json.dumps(template)


def test_secret_key_that_is_given_needs_no_hint(write: Write) -> None:
    (path,) = write("fc-py3.10", environment={"FLASK_SECRET_KEY": "${env('KEY')}"})
    assert path.read_text().count("FLASK_SECRET_KEY") == 1


@given(value=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_reads_back(write: Write, value: str) -> None:
    (path,) = write("fc-py3.10", environment={"VALUE": value})
    props = yaml.safe_load(path.read_text())["resources"]["app"]["props"]
    path.unlink()
    assert props["environmentVariables"] == {"VALUE": value}


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "1e3",
        ".5",
        ".inf",
        "0x10",
        "yes",
        "No",
        "null",
        "~",
        "",
        "2024-01-01",
        "a: b",
        "a #b",
        "*a",
    ],
)
def test_value_that_yaml_would_take_for_something_else(write: Write, value: str) -> None:
    (path,) = write("fc-py3.10", environment={"VALUE": value})
    props = yaml.safe_load(path.read_text())["resources"]["app"]["props"]
    assert props["environmentVariables"] == {"VALUE": value}


# What is refused


@pytest.mark.parametrize(
    ("runtime", "options", "message"),
    [
        pytest.param("scf-py3.10", {"name": "flask_app"}, "'flask_app' cannot be a f", id="name"),
        pytest.param("fc-py3.10", {"name": "app-"}, "no hyphen last", id="last hyphen"),
        pytest.param("fc-py3.10", {"name": "a" * 61}, "2 to 60 letters", id="long name"),
        pytest.param(
            "scf-py3.10", {"memory_mb": 192}, "in steps of 128, got 192 MB", id="memory's step"
        ),
        pytest.param(
            "lambda-py3.11", {"memory_mb": 64}, "from 128 to 10240 MB", id="too little memory"
        ),
        pytest.param(
            "lambda-py3.11", {"timeout_s": 901}, "1 to 900 s, got 901 s", id="too much time"
        ),
        pytest.param("fc-py3.10", {"timeout_s": 0}, "1 to 86400 s, got 0 s", id="no time"),
        pytest.param(
            "fc-py3.10", {"environment": {"A-B": "1"}}, "'A-B' cannot be", id="variable's name"
        ),
    ],
)
def test_what_the_cloud_refuses(
    write: Write, tmp_path: Path, runtime: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PackageError, match=message):
        write(runtime, **options)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("flask_app", "flask-app"),
        ("_shop (2)", "shop-2"),
        ("2024", "app-2024"),
        ("x", "app-x"),
        ("购物", "app"),
        ("a" * 59 + "_b", "a" * 59),
    ],
)
def test_name_is_made_of_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    shop = project(tmp_path / folder, {"index.py": ""})
    (path,) = write_templates(shop, find_runtime("fc-py3.10"), tmp_path / "a.zip", tmp_path)
    assert yaml.safe_load(path.read_text())["name"] == name


# Which framework it is


@pytest.mark.parametrize(
    ("files", "framework"),
    [
        pytest.param({"index.py": "from flask import Flask"}, "flask", id="in index"),
        pytest.param(
            {"index.py": "from app import app", "app.py": "import fastapi, starlette"},
            "fastapi",
            id="one module on",
        ),
        pytest.param(
            {
                "index.py": "from shop.wsgi import application",
                "shop/__init__.py": "",
                "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application",
                "requirements.txt": "flask\n",
            },
            "django",
            id="in a package, before requirements",
        ),
        pytest.param(
            {
                "index.py": "main_handler = wrap('shop.wsgi:application')",
                "shop/wsgi.py": "import django",
            },
            "django",
            id="named by a string",
        ),
        pytest.param(
            {
                "index.py": "from shop import app",
                "shop/__init__.py": "",
                "shop/app.py": "from . import views",
                "shop/views.py": "from .base import view",
                "shop/base.py": "import quart",
            },
            "quart",
            id="relative imports",
        ),
        pytest.param(
            {"index.py": "import a", "a.py": "import index, a", "requirements.txt": "Flask>=3\n"},
            "flask",
            id="circle, requirements",
        ),
        pytest.param(
            {
                "index.py": "import shop",
                "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["falcon>=4"]\n',
            },
            "falcon",
            id="pyproject.toml",
        ),
        pytest.param(
            {"index.py": "", "requirements.txt": "flask-cors\nmy.bottle\n"},
            "",
            id="names that only contain one",
        ),
        pytest.param({"index.py": "def broken("}, "", id="does not compile"),
        pytest.param({"index.py": "def main_handler(event, context): ..."}, "", id="none"),
    ],
)
def test_framework(tmp_path: Path, files: dict[str, str], framework: str) -> None:
    assert read_framework(project(tmp_path, files)) == framework


@pytest.mark.parametrize(
    ("files", "name"),
    [
        pytest.param({"mysite/wsgi.py": "", "mysite/settings.py": ""}, "mysite", id="startproject"),
        pytest.param({"src/shop/wsgi.py": "", "shop/wsgi.py": ""}, "shop", id="nearest"),
        pytest.param({"wsgi.py": "", "conf/settings.py": ""}, "conf", id="no package for wsgi"),
        pytest.param({}, "project", id="neither"),
    ],
)
def test_django_project(tmp_path: Path, files: dict[str, str], name: str) -> None:
    django = project(tmp_path / "project", {"index.py": "import django", **files})
    written = write_templates(
        django, find_runtime("scf-py3.10"), tmp_path / "app.zip", tmp_path / "build"
    )
    inputs = yaml.safe_load(list(written)[1].read_text())["inputs"]
    assert inputs["djangoProjectName"] == name


def test_framework_is_told_without_importing() -> None:
    code = (
        "import sys; from pathlib import Path; from slsadapt.deploy.project import read_project;"
        "from slsadapt.deploy.templates import read_framework;"
        f"print(read_framework(read_project(Path({str(SAMPLES / 'flask_app')!r}))));"
        "print('flask' in sys.modules, 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "flask\nFalse False\n"
