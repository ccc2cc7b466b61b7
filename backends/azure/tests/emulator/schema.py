"""The shape of bodies, read from what the installed clients say about them.

azure-mgmt-compute and azure-mgmt-network carry every body as a TypedDict with the names of the
wire (`types.py`); azure-mgmt-monitor carries attribute maps. All three are generated from the
published specifications of the service (https://github.com/Azure/azure-rest-api-specs).
"""

from __future__ import annotations

import enum
import inspect
import sys
import types
import typing
from functools import cache
from typing import Any

import typing_extensions
from attrs import define, field

OPEN = {"VirtualMachineSizeTypes", "StorageAccountTypes"}
"""Enumerations that the service extends without a new API version."""


@define(eq=False)
class Node:
    """What a value may be.

    Args:
        kind: `object`, `list`, `map`, `enum`, `str`, `int`, `float`, `bool`, `either` or `any`.
        name: of the type.
        fields: of an object, by their names on the wire.
        of: what is in a list or a map.
        values: of an enumeration, lower-case.
        either: shapes of which one must fit.
    """

    kind: str
    name: str = ""
    fields: dict[str, Node] = field(factory=dict)
    of: Node | None = None
    values: frozenset[str] = frozenset()
    either: list[Node] = field(factory=list)


ANY = Node("any")
SIMPLE = {str: Node("str"), int: Node("int"), float: Node("float"), bool: Node("bool")}


@cache
def shape(typed: Any) -> Node:
    """Of a TypedDict, of a model, or of an older model with an attribute map."""
    if hasattr(typed, "_attribute_map"):
        return _mapped(typed)
    node = Node("object", typed.__name__)
    if not typing_extensions.is_typeddict(typed):
        for base in reversed(typed.__mro__):
            for attribute, annotation in getattr(base, "__annotations__", {}).items():
                if (rest := vars(base).get(attribute)) is not None:
                    name = getattr(rest, "_rest_name_input", None) or attribute
                    node.fields[name] = _Later(base, annotation)
        return node
    for name, annotation in typed.__annotations__.items():
        node.fields[name] = _Later(typed, annotation)
    return node


class _Later(Node):
    """A shape that is read when it is looked at: types refer to each other in circles."""

    def __init__(self, typed: Any, annotation: Any) -> None:
        super().__init__("later")
        self.typed, self.annotation = typed, annotation

    def now(self) -> Node:
        """The shape."""
        return of_annotation(self.annotation, sys.modules[self.typed.__module__])


def settled(node: Node) -> Node:
    """A shape that can be looked at."""
    if isinstance(node, _Later):
        found = node.now()
        node.now = lambda: found  # type: ignore[method-assign]
        return found
    return node


def of_annotation(annotation: Any, module: types.ModuleType) -> Node:
    """The shape that an annotation in a client's module means."""
    if isinstance(annotation, typing.ForwardRef | str):
        annotation = resolved(annotation, module)
    origin = typing.get_origin(annotation)
    words = typing.get_args(annotation)
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    if origin in {typing.Required, typing_extensions.Required, typing.NotRequired}:
        return of_annotation(words[0], module)
    if origin in {list, typing.List}:  # noqa: UP006  Older clients write it so.
        return Node("list", of=_in(words[0], module))
    if origin in {dict, typing.Dict}:  # noqa: UP006
        return Node("map", of=_in(words[1], module))
    if origin in {typing.Union, types.UnionType}:
        return _union([_in(word, module) for word in words if word is not type(None)])
    if is_shaped(annotation):
        return shape(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        values = frozenset(str(each.value).lower() for each in annotation)
        return Node("enum", annotation.__name__, values=values)
    return ANY


def is_shaped(annotation: Any) -> bool:
    """Whether it is a TypedDict or a model of a client."""
    if typing_extensions.is_typeddict(annotation) or hasattr(annotation, "_attribute_map"):
        return True
    return inspect.isclass(annotation) and any(
        each.__name__ == "Model" for each in annotation.__mro__
    )


def _in(annotation: Any, module: types.ModuleType) -> Node:
    return of_annotation(annotation, module)


def _union(nodes: list[Node]) -> Node:
    enums = [node for node in nodes if node.kind == "enum"]
    if enums:
        return Node("any") if enums[0].name in OPEN else enums[0]
    if not nodes or any(node.kind == "any" for node in nodes):
        return ANY
    return nodes[0] if len(nodes) == 1 else Node("either", either=nodes)


def resolved(annotation: Any, module: types.ModuleType) -> Any:
    """What a name in an annotation means in a client's module."""
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    name = text.removeprefix("_models.").removeprefix("_types.")
    package = ".".join(module.__name__.split(".")[:3])
    models = sys.modules.get(f"{package}.models")
    for place in (module, models):
        if place is not None and hasattr(place, name):
            return getattr(place, name)
    return eval(text, {**vars(typing), **vars(models or module), "_models": models})


def _mapped(model: Any) -> Node:
    """Of an older model: `{"profiles": {"key": "properties.profiles", "type": "[AutoscaleProfile]"}}`."""
    top = Node("object", model.__name__)
    module = sys.modules[model.__module__]
    hints = inspect.signature(model.__init__).parameters
    for attribute, how in model._attribute_map.items():
        *above, last = how["key"].split(".")
        node = top
        for word in above:
            node = node.fields.setdefault(word, Node("object", f"{model.__name__}.{word}"))
        hint = hints[attribute].annotation if attribute in hints else Any
        node.fields[last] = _Mapped(model, how["type"], hint, module)
    return top


class _Mapped(_Later):
    def __init__(self, model: Any, words: str, hint: Any, module: types.ModuleType) -> None:
        super().__init__(model, words)
        self.hint, self.module = hint, module

    def now(self) -> Node:
        return _of_words(self.annotation, self.hint, self.module)


def _of_words(words: str, hint: Any, module: types.ModuleType) -> Node:
    if words.startswith("["):
        return Node("list", of=_of_words(words[1:-1], Any, module))
    if words.startswith("{"):
        return Node("map", of=_of_words(words[1:-1], Any, module))
    if words == "str" and hint is not Any:
        found = of_annotation(hint, module)
        return found if found.kind == "enum" else SIMPLE[str]
    simple = {"str": str, "int": int, "float": float, "bool": bool}
    if words in simple:
        return SIMPLE[simple[words]]
    if inspect.isclass(model := getattr(module, words, None)):
        return shape(model)
    return ANY
