"""Google's own schema, out of the client that is installed: methods, messages, enumerations.

The client is generated from the discovery document of Compute Engine v1. Its transports say each
method's verb, path and body; its messages every field's name and type; its enumerations, with the
values that their docstrings add, every word. Requests and answers are held against them, so that
neither a test nor this emulator can invent a field.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from attrs import define, field, frozen
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

PINNED = "1.57.0"
FOUND = (1005, 524)
"""Methods and enumerations of that version."""

PACKAGE = "google.cloud.compute_v1"

MORE = re.compile(r"due\s+to\s+technical\s+reasons:\s+(.*?)\s+Values:", re.DOTALL)


def camel(name: str) -> str:
    """`instance_group_managers` as the REST reference writes it: `instanceGroupManagers`."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)


@frozen
class Method:
    """One method of the REST reference.

    Args:
        name: `instanceGroupManagers.resize`.
        path: segments; a variable is in braces.
        request: the message of path, query and body together.
        body: the field of it that is the HTTP body.
        response: the message of the answer.
    """

    name: str
    verb: str
    path: tuple[str, ...]
    request: Any
    body: str | None
    response: Any

    @property
    def content(self) -> Any:
        """The message of the body."""
        fields = self.request.pb().DESCRIPTOR.fields_by_name
        return fields[self.body].message_type if self.body else None


@define
class Schema:
    """All methods and enumerations of the client.

    Args:
        words: for message and field, in the proto's names, which strings it may be.
    """

    methods: dict[str, Method] = field(factory=dict)
    words: dict[tuple[str, str], frozenset[str]] = field(factory=dict)
    _tree: dict[str, Any] = field(factory=dict)

    def add(self, method: Method) -> None:
        """Learn a method."""
        self.methods[method.name] = method
        node = self._tree.setdefault(method.verb, {})
        for segment in method.path:
            node = node.setdefault("{}" if segment.startswith("{") else segment, {})
        node[""] = method

    def has(self, names: Iterable[str]) -> None:
        """See that methods that are answered here exist at Google.

        Raises:
            RuntimeError: some don't; says which.
        """
        if strangers := sorted(set(names) - set(self.methods)):
            raise RuntimeError(f"google-cloud-compute {PINNED} has no {', '.join(strangers)}")

    def find(self, verb: str, segments: list[str]) -> tuple[Method, dict[str, str]] | None:
        """The method of a request, and the variables of its path."""
        found = self._walk(self._tree.get(verb, {}), segments)
        if found is None:
            return None
        named = {
            part[1:-1]: segment
            for part, segment in zip(found.path, segments, strict=True)
            if part.startswith("{")
        }
        return found, named

    def _walk(self, node: dict[str, Any], segments: list[str]) -> Method | None:
        if not segments:
            return node.get("")
        for step in (segments[0], "{}"):
            if step in node and (found := self._walk(node[step], segments[1:])):
                return found
        return None

    def wrong_words(self, message: Descriptor, data: dict[str, Any], path: str = "") -> list[str]:
        """Which values are no words of their enumerations."""
        wrong: list[str] = []
        for each in message.fields:
            if (value := data.get(each.json_name)) is not None:
                where = f"{path}.{each.json_name}" if path else each.json_name
                wrong += self._wrong(message, each, value, where)
        return wrong

    def _wrong(
        self, message: Descriptor, each: FieldDescriptor, value: Any, where: str
    ) -> list[str]:
        if each.message_type is not None and each.message_type.GetOptions().map_entry:
            inner = each.message_type.fields_by_name["value"].message_type
            values = list(value.values()) if inner is not None else []
        else:
            inner, values = each.message_type, value if isinstance(value, list) else [value]
        if inner is not None:
            found = (self.wrong_words(inner, v, where) for v in values if isinstance(v, dict))
            return [said for several in found for said in several]
        allowed = self.words.get((message.full_name, each.name))
        return [
            f"'{where}': '{v}' is none of {', '.join(sorted(allowed))}"
            for v in values
            if allowed and isinstance(v, str) and v not in allowed
        ]


def canonical(message: Any, data: dict[str, Any]) -> dict[str, Any]:
    """JSON in the schema's shape: 64-bit numbers as strings, no field that there isn't.

    Raises:
        json_format.ParseError: a field or a type that the schema doesn't know.
    """
    parsed = json_format.ParseDict(data, message.pb()(), ignore_unknown_fields=False)
    return dict(json_format.MessageToDict(parsed))


def load() -> Schema:
    """Read the client.

    Raises:
        RuntimeError: it is another version than the one that this emulator was written for, or
            its inside is not as it was.
    """
    if (found := version("google-cloud-compute")) != PINNED:
        raise RuntimeError(
            f"this emulator was written for google-cloud-compute {PINNED}; here {found}"
        )
    schema = Schema()
    types = importlib.import_module(f"{PACKAGE}.types.compute")
    for message in vars(types).values():
        if isinstance(message, type) and hasattr(message, "pb") and hasattr(message, "meta"):
            _learn_words(schema, message)
    services = importlib.import_module(f"{PACKAGE}.services")
    for service in pkgutil.iter_modules(services.__path__):
        _learn_service(schema, service.name)
    if (len(schema.methods), len(schema.words)) != FOUND:
        said = f"{len(schema.methods)} methods, {len(schema.words)} enumerations"
        raise RuntimeError(f"google-cloud-compute {PINNED} is not built as it was: {said} found")
    return schema


def _learn_service(schema: Schema, service: str) -> None:
    package = f"{PACKAGE}.services.{service}.transports"
    calls = importlib.import_module(f"{package}.rest")
    paths = importlib.import_module(f"{package}.rest_base")
    transport = next(
        v for k, v in vars(calls).items() if k.endswith("RestTransport") and not k.startswith("_")
    )
    base = next(v for k, v in vars(paths).items() if k.startswith("_Base"))
    for name in dir(base):
        inner = getattr(base, name)
        if not name.startswith("_Base") or not hasattr(inner, "_get_http_options"):
            continue
        stub = getattr(transport, "_" + name.removeprefix("_Base"))
        words = name.removeprefix("_Base")
        option = inner._get_http_options()[0]
        noted = stub.__call__.__annotations__
        schema.add(
            Method(
                name=f"{camel(service)}.{words[0].lower()}{words[1:]}",
                verb=option["method"].upper(),
                path=tuple(option["uri"].strip("/").split("/")),
                request=noted["request"],
                body=option.get("body"),
                response=noted["return"],
            )
        )


def _learn_words(schema: Schema, message: Any) -> None:
    """The enumerations inside a message; the field of the same name takes them."""
    described = message.pb().DESCRIPTOR
    for enum in described.enum_types:
        words = {v.name for v in enum.values if not v.name.startswith("UNDEFINED_")}
        documented = getattr(message, enum.name).__doc__ or ""
        if more := MORE.search(documented):
            words |= set(more.group(1).split())
        name = enum.name.removesuffix("Enum").lower()
        for each in described.fields:
            if words and each.json_name.lower() == name:
                schema.words[described.full_name, each.name] = frozenset(words)
