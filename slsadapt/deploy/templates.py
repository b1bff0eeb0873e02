"""The template that each cloud's own tool deploys a package with.

- Tencent: ``serverless.yml`` of the component ``scf``, an event function with a URL of its own.
  Flask and Django have a second file, ``serverless.flask.yml`` or ``serverless.django.yml``, for
  functions that these components deployed before. They add files of their own to the application
  and serve through an adapter of theirs, unless ``handler`` names another: it does. Their one
  front door is API Gateway, which takes no new services since 2024-07-01 and closes from
  2026-10-30; hence it is switched off there, and ``scf`` has the name that is found. Both
  components zip a folder, not an archive: ``src.hook`` extracts the package for them, bytecode
  included.
- Alibaba: ``s.yaml`` of Serverless Devs 3 with the component ``fc3``, behind an HTTP trigger.
- AWS: ``template.yaml`` of SAM, behind an HTTP API.

Sources:

- https://github.com/serverless-components/tencent-scf/blob/master/docs/configure.md
- https://cloud.tencent.com/document/product/1154/39271 (``events`` for a function's URL)
- https://github.com/serverless-components/tencent-framework-components (``src/formatter.ts``)
- https://cloud.tencent.com/document/product/583/107631, https://cloud.tencent.com/announce/detail/2475
- https://github.com/devsapp/fc3/blob/master/src/schema.json
- https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..errors import PackageError
from .project import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .project import Project
    from .runtimes import Runtime

__all__ = ["check_function", "read_framework", "write_templates"]

_HANDLER = "index.main_handler"

# Where two match, the first is told: FastAPI's applications import Starlette too.
_FRAMEWORKS = ("django", "fastapi", "quart", "flask", "starlette", "falcon", "bottle")

# Lowest, highest and step, in MB; highest in s.
_MEMORY_MB = {"tencent": (128, 3072, 128), "alibaba": (128, 32768, 64), "aws": (128, 10240, 1)}
_TIMEOUT_S = {"tencent": 900, "alibaba": 86400, "aws": 900}

# What all three clouds take as a function's name.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,58}[A-Za-z0-9]")

# Text that YAML reads as itself, references such as ${env:KEY} included.
_PLAIN = re.compile(r"(?:\.{0,2}/|[A-Za-z$])(?:[\w./${}()':-]*[\w./})'-])?", re.ASCII)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def write_templates(
    project: Project,
    runtime: Runtime,
    archive: Path,
    folder: Path,
    *,
    name: str = "",
    memory_mb: int = 256,
    timeout_s: int = 30,
    framework: str = "",
    layer: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[Path, bool]:
    """Write what the tool of the runtime's cloud deploys a package with.

    Args:
        project: the application.
        runtime: whose cloud is deployed to.
        archive: the package, ``build/app.zip``.
        folder: where the templates go; paths in them are relative to it.
        name: of the function: letters, digits and hyphens; made of the project's folder without.
        memory_mb: of the function.
        timeout_s: of one call.
        framework: as ``read_framework`` tells it, which is asked without.
        layer: the dependencies, where they are an archive of their own.
        environment: the function's variables. Values are written as they are: give references,
            ``"${env:FLASK_SECRET_KEY}"``, instead of secrets.

    Returns:
        Path of each template: True where it was written, False where a file was there already,
        which stays as it is.

    Raises:
        PackageError: a name, size or time that the cloud refuses.
    """
    check_function(runtime, name=name, memory_mb=memory_mb, timeout_s=timeout_s)
    for variable in environment or {}:
        if not re.fullmatch(r"[A-Za-z_]\w*", variable, re.ASCII):
            raise PackageError(f"{variable!r} cannot be the name of an environment variable")
    function = _Function(
        name=name or _derive_name(project.folder),
        runtime=runtime,
        memory_mb=memory_mb,
        timeout_s=timeout_s,
        archive=_relative(archive, folder),
        layer=_relative(layer, folder) if layer else "",
        environment=environment or {},
        framework=framework or read_framework(project),
    )
    texts: dict[str, str] = {}
    if runtime.cloud == "aws":
        texts["template.yaml"] = _sam(function)
    elif runtime.cloud == "alibaba":
        texts["s.yaml"] = _fc3(function)
    else:
        texts["serverless.yml"] = _scf(function)
        if function.framework in ("flask", "django"):
            texts[f"serverless.{function.framework}.yml"] = _framework(
                function, _django_project(project)
            )
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[Path, bool] = {}
    for file, text in texts.items():
        path = folder / file
        try:
            # Refuses what is there, be it a link to nowhere.
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except FileExistsError:
            written[path] = False
        else:
            written[path] = True
    return written


def check_function(runtime: Runtime, *, name: str, memory_mb: int, timeout_s: int) -> None:
    """Hold a function's settings against what its cloud takes, before anything is built.

    Raises:
        PackageError: a name, size or time that the cloud refuses.
    """
    if name and not _NAME.fullmatch(name):
        raise PackageError(
            f"{name!r} cannot be a function's name: take 2 to 60 letters, digits and hyphens, "
            "with a letter first and no hyphen last"
        )
    low, high, step = _MEMORY_MB[runtime.cloud]
    if not low <= memory_mb <= high or memory_mb % step:
        raise PackageError(
            f"{runtime.name} has memory from {low} to {high} MB in steps of {step}, "
            f"got {memory_mb} MB"
        )
    if not 1 <= timeout_s <= _TIMEOUT_S[runtime.cloud]:
        raise PackageError(
            f"{runtime.name} runs for 1 to {_TIMEOUT_S[runtime.cloud]} s, got {timeout_s} s"
        )


def read_framework(project: Project) -> str:
    """Tell what an application is written with, without importing it.

    The first framework counts that ``index.py``, or a module of the project that it leads to,
    imports; where none does, one that the requirements name.

    Returns:
        ``"django"``, ``"fastapi"``, ``"quart"``, ``"flask"``, ``"starlette"``, ``"falcon"``,
        ``"bottle"``, or ``""`` for others.
    """
    files = {_module(file): file for file in project.files if file.suffix == ".py"}
    queue = [PurePosixPath(ENTRY)]
    for file in queue:
        modules = list(_imported(project.folder / file, file.parent.parts))
        roots = {module.partition(".")[0] for module in modules}
        for framework in _FRAMEWORKS:
            if framework in roots:
                return framework
        for module in modules:
            if (local := files.get(module)) and local not in queue:
                queue.append(local)
    if project.requirements:
        text = project.requirements.read_text(encoding="utf-8")
        for framework in _FRAMEWORKS:
            if re.search(rf"(?<![\w.-]){framework}(?![\w.-])", text, re.IGNORECASE):
                return framework
    return ""


def _module(file: PurePosixPath) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(file: Path, package: tuple[str, ...]) -> Iterator[str]:
    """Yield what a file imports, in order, and what it names as ``"module:application"``."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"[\w.]+:[\w.]+", str(node.value)):
            yield str(node.value).partition(":")[0]


def _django_project(project: Project) -> str:
    """Find the package that holds ``wsgi.py``, else ``settings.py``: what startproject was told."""
    for wanted in ("wsgi.py", "settings.py"):
        packages = [file.parent for file in project.files if file.name == wanted]
        if found := [package for package in packages if package.parts]:
            return ".".join(min(found, key=lambda package: len(package.parts)).parts)
    return _derive_name(project.folder)


def _derive_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "-", folder.resolve().name).strip("-")[:60].strip("-")
    return name if _NAME.fullmatch(name) else f"app-{name}".strip("-")[:60].strip("-")


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


@dataclass(frozen=True, slots=True)
class _Function:
    """What every template says in its own words."""

    name: str
    runtime: Runtime
    memory_mb: int
    timeout_s: int
    archive: str
    layer: str
    environment: Mapping[str, str]
    framework: str


def _scf(function: _Function) -> str:
    return f"""\
# {function.name} on Tencent Cloud, at a URL of its own. With Serverless Cloud Framework:
#   scf deploy
# Every input: https://github.com/serverless-components/tencent-scf/blob/master/docs/configure.md
app: {_scalar(function.name)}
stage: dev
component: scf
name: {_scalar(function.name)}

inputs:
  name: {_scalar(function.name)}
  region: ap-guangzhou
  type: event
  runtime: {function.runtime.identifier}
  handler: {_HANDLER}
{_source(function)}\
  memorySize: {function.memory_mb} # MB, in steps of 128
  timeout: {function.timeout_s} # s, for one request
  initTimeout: 30 # s, for importing the application
{_variables(function, ("environment", "variables"), "${{env:{}}}", 2)}\
{_tencent_layers(function)}\
  events:
    - http:
        parameters:
          qualifier: $DEFAULT
          authType: NONE # CAM asks callers for a signature
          netConfig:
            enableExtranet: true
            enableIntranet: false
"""


def _framework(function: _Function, project_name: str) -> str:
    title = function.framework.capitalize()
    django = f"  djangoProjectName: {_scalar(project_name)}\n" if title == "Django" else ""
    return f"""\
# {function.name} on Tencent Cloud, as an instance of the {title} component that is there already:
# take over its app, stage and name, and rename this file to serverless.yml.
# Every input:
#   https://github.com/serverless-components/tencent-framework-components/blob/master/docs/configure.md
app: {_scalar(function.name)}
stage: dev
component: {function.framework}
name: {_scalar(function.name)}

inputs:
  region: ap-guangzhou
  functionName: {_scalar(function.name)}
  runtime: {function.runtime.identifier}
  # Without it the component serves through an adapter of its own.
  handler: {_HANDLER}
{django}\
{_source(function)}\
{_tencent_layers(function)}\
  functionConf:
    timeout: {function.timeout_s} # s, for one request
    memorySize: {function.memory_mb} # MB, in steps of 128
    initTimeout: 30 # s, for importing the application
{_variables(function, ("environment", "variables"), "${{env:{}}}", 4)}\
  # API Gateway takes no new services since 2024-07-01 and closes from 2026-10-30: switch the
  # function's URL on in the console. To keep a service that still runs, write false, and its
  # serviceId below region.
  apigatewayConf:
    isDisabled: true
    protocols:
      - http
      - https
    environment: release
    serviceTimeout: {function.timeout_s}
    enableCORS: false
"""


def _source(function: _Function) -> str:
    folder = PurePosixPath(function.archive).with_suffix("").as_posix() + "-extracted"
    hook = (
        f"rm -rf {shlex.quote(folder)} && "
        f"python3 -m zipfile -e {shlex.quote(function.archive)} {shlex.quote(folder)}"
    )
    return f"""\
  src:
    # The component zips a folder: this one, bytecode included.
    hook: {_scalar(hook) if "'" in hook else hook}
    dist: {_scalar(folder)}
"""


def _tencent_layers(function: _Function) -> str:
    if not function.layer:
        return ""
    return f"""\
  layers:
    # First create a layer of this name from {function.layer} in the console; each upload counts up
    # the version.
    - name: {_scalar(function.name + "-dependencies")}
      version: 1
"""


def _fc3(function: _Function) -> str:
    # One vCPU per GB, the most that is allowed: it is what importing waits for.
    cpu = min(16, int(function.memory_mb / 1024 * 20) / 20)
    layer_name = f"{function.name}-dependencies"
    layers = f"""\
      layers:
        # s layer publish --layer-name {layer_name} --code {shlex.quote(function.layer)} \\
        #   --compatible-runtime {function.runtime.identifier}
        - acs:fc:cn-hangzhou:${{config('AccountID')}}:layers/{layer_name}/versions/1
"""
    return f"""\
# {function.name} on Alibaba Cloud Function Compute 3.0. With Serverless Devs:
#   s deploy
# Every property: https://manual.serverless-devs.com/user-guide/aliyun/#fc3
edition: 3.0.0
name: {_scalar(function.name)}
access: default

resources:
  app:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: {_scalar(function.name)}
      runtime: {function.runtime.identifier}
      handler: {_HANDLER}
      code: {_scalar("./" + function.archive)}
{layers if function.layer else ""}\
      memorySize: {function.memory_mb} # MB, in steps of 64
      cpu: {cpu:g} # vCPUs, one per GB of memory; down to a quarter of it is allowed
      diskSize: 512 # MB
      timeout: {function.timeout_s} # s, for one request
{_variables(function, ("environmentVariables",), "${{env('{}')}}", 6)}\
      triggers:
        - triggerName: http
          triggerType: http
          triggerConfig:
            authType: anonymous
            methods:
              - GET
              - HEAD
              - POST
              - PUT
              - PATCH
              - DELETE
              - OPTIONS
"""


def _sam(function: _Function) -> str:
    architecture = "arm64" if function.runtime.machine == "aarch64" else "x86_64"
    secret = f"{{{{{{{{resolve:secretsmanager:{function.name}:SecretString:{{}}}}}}}}}}"
    layer = f"""\
  Dependencies:
    Type: AWS::Serverless::LayerVersion
    Properties:
      LayerName: {_scalar(function.name + "-dependencies")}
      ContentUri: {_scalar(function.layer)}
      CompatibleRuntimes:
        - {function.runtime.identifier}
      CompatibleArchitectures:
        - {architecture}
      RetentionPolicy: Delete

"""
    layers = """\
      Layers:
        - !Ref Dependencies
"""
    return f"""\
# {function.name} on AWS Lambda, behind an HTTP API. Ships as it lies here, with
#   sam deploy --guided
# and not after `sam build`, which would build the package anew, without its bytecode.
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: {_scalar(function.name)}

Resources:
{layer if function.layer else ""}\
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {_scalar(function.archive)}
      Handler: {_HANDLER}
      Runtime: {function.runtime.identifier}
      Architectures:
        - {architecture}
{layers if function.layer else ""}\
      MemorySize: {function.memory_mb} # MB; the share of a CPU grows with it
      Timeout: {function.timeout_s} # s; an HTTP API waits for 30 s at most
{_variables(function, ("Environment", "Variables"), secret, 6)}\
      Events:
        # Without Path and Method: every request.
        Api:
          Type: HttpApi
          Properties:
            PayloadFormatVersion: "2.0"

Outputs:
  Url:
    Description: Where the application answers
    Value: !Sub https://${{ServerlessHttpApi}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/
"""


def _variables(function: _Function, heads: tuple[str, ...], secret: str, indent: int) -> str:
    """Write the function's variables, and how the framework's secret key would be one of them.

    ``secret`` refers to a secret of the name ``{}`` in the words of the cloud's tool.
    """
    key = {"flask": "FLASK_SECRET_KEY", "django": "DJANGO_SECRET_KEY"}.get(function.framework)
    lines = ["  " * depth + f"{head}:" for depth, head in enumerate(heads)]
    inner = "  " * len(heads)
    for name, value in function.environment.items():
        lines.append(f"{inner}{_scalar(name)}: {_scalar(value)}")
    commented = "" if function.environment else "# "
    if key and key not in function.environment:
        hint = "" if commented else "# "
        lines.append(f"{inner}{hint}{key}: {_scalar(secret.format(key))}")
    elif commented:
        return ""
    return "".join(f"{' ' * indent}{commented}{line}\n" for line in lines)


def _scalar(text: str) -> str:
    """Write a string, quoted where YAML would read something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escapes = {'"': '\\"', "\\": "\\\\"}
    return (
        '"'
        + "".join(
            escapes.get(char) or (char if char.isprintable() else f"\\U{ord(char):08X}")
            for char in text
        )
        + '"'
    )
