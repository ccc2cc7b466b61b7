"""The builder that drives the user's own Packer: a cloud's image from a template.

Packer does the baking: it launches a server, provisions it, and makes an image of its disk. Here it
is started, heard, stopped, and what it leaves when it is killed is removed. It is told the build's
identifier, with which the template has to tag what it makes (`UNTAGGED` says how): by that tag
everything is found again, from any machine.

Tried with Packer 1.6.6: ``packer build -machine-readable`` (Packer's documentation,
"Machine-Readable Output"). Signals go to the whole group: one to Packer's first process alone may
be lost on the second one, which does the work.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

from attrs import define, evolve, field

from immutable.backend import Backend, FleetURL, Invalid
from immutable.builders.contract import (
    BuildContext,
    BuildJob,
    BuildRequest,
    Inputs,
    Product,
    Traces,
)
from immutable.builders.programs import Program, basics, heard, output
from immutable.errors import BackendError, InvalidValue
from immutable.trust import Artifact, ImageSpec, Target

__all__ = ["UNTAGGED", "PackerBuilder", "SupportsBaking"]

_IDENTITY = "immutable-sdk:builder/packer"
_GRACE = 120.0
"""Seconds that Packer has to remove what it has begun after SIGTERM."""
_TEMPORARY = re.compile(r"\bpacker_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
"""What Packer calls keys and security groups that it makes for a while (a UUID)."""
_LEFT_OUT = {".git", "packer_cache", ".packer.d", "packer-manifest.json", "crash.log"}
_TAIL = 5

UNTAGGED = (
    "let it tag what it makes with the build: in JSON"
    ' "variables": {"build": "{{env `IMMUTABLE_BUILD`}}"} and "run_tags", "tags", "snapshot_tags":'
    ' {"immutable:build": "{{user `build`}}"}; in HCL variable "immutable_build" {} and'
    ' run_tags = { "immutable:build" = var.immutable_build }'
)


@runtime_checkable
class SupportsBaking(Protocol):
    """A backend that finds what a build has made there, by its tag ``immutable:build``."""

    async def baked(self, build: str) -> tuple[tuple[str, str], ...]:
        """Return region and identifier of each image that a build has finished."""
        ...

    async def remove_bake(self, traces: Traces) -> tuple[str, ...]:
        """Remove what a build has left, but for finished images; return it in words.

        Args:
            traces: The build, and the names of what it has made for a while and could not tag.
        """
        ...


@define
class _Heard:
    """What a run of Packer has said so far."""

    context: BuildContext
    ids: list[str] = field(factory=list)
    tail: list[str] = field(factory=list)

    def __call__(self, line: str) -> None:
        """Take a line: ``timestamp,target,type,data…``, commas and line ends in data escaped."""
        parts = line.split(",")
        if len(parts) < 3:
            return
        kind, data = parts[2], [_unescaped(each) for each in parts[3:]]
        if kind == "ui" and len(data) > 1:
            for said in filter(str.strip, data[1].splitlines()):
                for name in _TEMPORARY.findall(said):
                    self.context.note(name)
                self.context.say(said.strip())
                self.tail = [*self.tail[-_TAIL:], said.strip()] if data[0] == "error" else self.tail
        elif kind == "artifact" and data[1:2] == ["id"]:
            self.ids += [each for each in data[2].split(",") if each not in self.ids]


def _unescaped(text: str) -> str:
    return text.replace("%!(PACKER_COMMA)", ",").replace("\\n", "\n").replace("\\r", "\r")


class PackerBuilder:
    """Bakes images with Packer, from a template that is in a directory of its own.

    Args:
        backend: The cloud that the image is for.
        baking: The same, which finds and removes what a killed build has left.
        place: Where that is.
    """

    contract: ClassVar[int] = 1
    programs: ClassVar[tuple[str, ...]] = ("packer",)

    def __init__(self, backend: Backend, baking: SupportsBaking, place: FleetURL) -> None:
        self._backend, self._baking, self._place = backend, baking, place

    @classmethod
    def for_backend(cls, backend: Backend, place: FleetURL) -> Self:
        """Return the builder for a cloud.

        Raises:
            InvalidValue: The backend can't find what a killed build has left.
        """
        if not isinstance(backend, SupportsBaking):
            reason = f"what a killed build leaves on {place.scheme}:// can't be found again"
            way_out = "name a cloud's place, such as --backend aws://eu-west-1"
            raise InvalidValue("builder", "packer", reason, way_out)
        return cls(backend, backend, place)

    async def plan(self, request: BuildRequest) -> ImageSpec:
        """Return what the image is to be made of: all files beside the template count.

        Raises:
            InvalidValue: It has no name or version.
            Invalid: There is no such template, or it does not tag what it makes.
        """
        for name in ("name", "version"):
            if not getattr(request, name):
                reason = "missing: a template doesn't say it"
                raise InvalidValue(name, "", reason, f"pass --{name}")
        inputs = await asyncio.to_thread(_inputs, Path(request.source))
        return ImageSpec(
            name=request.name,
            version=request.version,
            builder=request.identity or _IDENTITY,
            source=request.origin,
            base=request.base,
            targets=(Target(self._place.scheme, self._place.location),),
            materials={"template": _digest(inputs)},
            parameters=request.parameters,
            tests=request.tests,
        )

    async def inputs(self, request: BuildRequest) -> Inputs:
        """Return the template's directory: all files beside it count."""
        template = Path(request.source)
        folder = template if await asyncio.to_thread(template.is_dir) else template.parent
        return Inputs(folder, frozenset(_LEFT_OUT))

    async def build(self, job: BuildJob, context: BuildContext) -> Product:
        """Run Packer, unless an earlier run of this build has finished.

        Raises:
            Invalid: Packer isn't there, failed, or made no image.
        """
        packer = await asyncio.to_thread(shutil.which, "packer")
        if packer is None:
            raise Invalid("packer is not on PATH; install it, as from packer.io or by your system")
        tools = {"packer": await _version(packer)}
        done = await self._baking.baked(job.id)
        if done:
            context.say(f"an earlier run of {job.id} has finished it")
            return await self._product(done, tools)
        heard_so_far = _Heard(context)
        folder, template = await asyncio.to_thread(_parts, Path(job.request.source))
        given = [word for name, value in job.spec.parameters.items() for word in _var(name, value)]
        words = (packer, "build", "-machine-readable", "-color=false", *given, template)
        program = Program(words, _environment(job, context), folder, _GRACE)
        before = await asyncio.to_thread(_inputs, Path(job.request.source))
        if _digest(before) != job.spec.materials["template"]:
            raise Invalid(f"{job.request.source} was changed since it was planned; build it again")
        code = await heard(program, heard_so_far)
        if code or not heard_so_far.ids:
            last = "; ".join(heard_so_far.tail) or "it made no image"
            raise Invalid(f"packer ended with exit code {code}: {last}")
        await self._unchanged(job, before, context)
        return await self._product([_parted(each) for each in heard_so_far.ids], tools)

    async def _unchanged(
        self, job: BuildJob, before: dict[str, bytes], context: BuildContext
    ) -> None:
        """See that inputs are as they were; what a build has written beside them is said.

        Raises:
            Invalid: One was changed meanwhile: nobody knows which of both is in the image.
        """
        after = await asyncio.to_thread(_inputs, Path(job.request.source))
        changed = sorted(name for name in before if after.get(name) != before[name])
        if changed:
            raise Invalid(f"{changed[0]} was changed while the image was baked; build it again")
        for name in sorted(set(after) - set(before)):
            why = "it counts as an input, so the next build is another one: let it go elsewhere"
            context.say(f"the build has written {name} beside its template; {why}")

    async def _product(self, made: Collection[tuple[str, str]], tools: dict[str, str]) -> Product:
        artifacts = []
        for region, name in made:
            stable = {}
            if region == self._place.location:
                stable = {"digest": (await self._backend.resolve(name)).digest}
            artifacts.append(Artifact(self._place.scheme, region, name, stable))
        return Product(tuple(artifacts), tools)

    async def present(self, artifacts: tuple[Artifact, ...]) -> bool:
        """Whether the images are still there and can be launched; those of this place are asked."""
        for each in artifacts:
            if each.region != self._place.location:
                continue
            try:
                found = await self._backend.resolve(each.id)
            except Invalid:
                return False
            if found.digest != each.stable.get("digest", found.digest):
                return False
        return True

    async def cleanup(self, traces: Traces) -> tuple[str, ...]:
        """Remove what a build has left: by its tag, and what it could not tag by name."""
        names = [name for name in traces.names if _TEMPORARY.fullmatch(name)]
        return await self._baking.remove_bake(evolve(traces, names=names))


def _parts(template: Path) -> tuple[Path, str]:
    """Return where Packer runs, and what the template is called there."""
    return template.resolve().parent, template.resolve().name


def _inputs(template: Path) -> dict[str, bytes]:
    """Return the digests of a template and of all files of its directory, with their modes."""
    folder = template if template.is_dir() else template.parent
    try:
        files = {
            str(path.relative_to(folder)): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(folder).parts)
        }
        texts = {name: path.read_bytes() for name, path in files.items()}
        modes = {
            name: b"x" if path.stat().st_mode & 0o100 else b"-" for name, path in files.items()
        }
        told = b"".join(texts.values()) if template.is_dir() else texts[template.name]
    except (OSError, KeyError) as error:
        raise Invalid(f"no template {template}: {error}") from error
    if b"IMMUTABLE_BUILD" not in told and b"immutable_build" not in told:
        raise Invalid(f"{template} makes what could not be found again; {UNTAGGED}")
    found = {name: modes[name] + sha256(text).digest() for name, text in texts.items()}
    return found | {"": template.name.encode(errors="surrogateescape")}


def _digest(inputs: dict[str, bytes]) -> str:
    summed = sha256()
    for name in sorted(inputs):
        known = inputs[name]
        summed.update(name.encode(errors="surrogateescape") + b"\0")
        summed.update(len(known).to_bytes(4, "big") + known)
    return f"sha256:{summed.hexdigest()}"


def _environment(job: BuildJob, context: BuildContext) -> dict[str, str]:
    """Return what Packer sees: what it needs, what was named, and which build it is."""
    told = {
        "BUILD": job.id,
        "NAME": job.spec.name,
        "VERSION": job.spec.version,
        "SPEC": job.spec.digest,
    }
    return {
        **basics(),
        **context.environment,
        "CHECKPOINT_DISABLE": "1",
        **{f"IMMUTABLE_{name}": value for name, value in told.items()},
        **{f"PKR_VAR_immutable_{name.lower()}": value for name, value in told.items()},
    }


def _var(name: str, value: str) -> tuple[str, str]:
    return "-var", f"{name}={value}"


def _parted(made: str) -> tuple[str, str]:
    """Return region and identifier of ``eu-west-1:ami-0abc``."""
    region, colon, name = made.partition(":")
    if not colon:
        raise Invalid(f"packer made {made!r}, whose region nobody knows")
    return region, name


async def _version(packer: str) -> str:
    try:
        said, _ = await output(Program((packer, "version"), basics() | {"CHECKPOINT_DISABLE": "1"}))
    except OSError as error:
        raise BackendError(f"{packer} can't be started: {error}") from error
    return said.decode(errors="replace").split("\n")[0].removeprefix("Packer v").strip()
