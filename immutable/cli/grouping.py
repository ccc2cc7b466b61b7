"""Groups of commands: imported when they are typed, and with what is configured as defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import click
from attrs import define
from click.shell_completion import CompletionItem

from immutable.cli.running import fail
from immutable.errors import InvalidValue

__all__ = ["Commands", "Place"]


@define(frozen=True)
class Place:
    """Where a command is.

    Attributes:
        address: Its module, and its name there: ``immutable.cli.sweep:sweep``.
        said: What it is for, in a line, so that a list needs no import.
    """

    address: str
    said: str


class _Lazy(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._there: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._there:
            module, _, attribute = self._places[name].address.partition(":")
            self._there[name] = getattr(import_module(module), attribute)
        return self._there[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._there[name] = command

    def __delitem__(self, name: str) -> None:
        del self._there[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places | self._there)  # type: ignore[operator]

    def __len__(self) -> int:
        return len({*self._places, *self._there})


class Commands(click.Group):
    """A group of commands.

    Args:
        places: Commands that are imported when they are needed, by name.
        attributes: As for `click.Group`.
    """

    def __init__(
        self, *attributes: Any, places: Mapping[str, Place] | None = None, **named: Any
    ) -> None:
        super().__init__(*attributes, **named)
        self.places = dict(places or {})
        if self.places:
            self.commands = _Lazy(self.places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, and give it what is configured."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or command is None or ctx.resilient_parsing or _asks_for_help(rest):
            return name, command, rest
        # Imported here: whoever asks for help, or completes a word, has no file read for it.
        from immutable.cli.settings import defaults, settled

        try:
            if ctx.find_root() is ctx:
                ctx.obj = settled()
            ctx.default_map = {name: defaults(ctx.obj)}
        except InvalidValue as error:
            fail(2, str(error))
        return name, command, _with_fleet(command, ctx, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; none is imported for that."""
        rows = [(name, self._said(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that a word may become; none is imported for that."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        found = [CompletionItem(name, help=self._said(name)) for name in names]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def _said(self, name: str) -> str:
        place = self.places.get(name)
        return place.said if place else self.commands[name].get_short_help_str(90)


def _asks_for_help(args: list[str]) -> bool:
    return any(each in ("-h", "--help") for each in args)


def _with_fleet(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """Return the arguments of a command, with the fleet that is configured if none is given.

    An address has ``://`` in it, and nothing else that stands in its place has.
    """
    fleet = ctx.obj["fleet"].value if "fleet" in ctx.obj else None
    first = next((each for each in command.params if isinstance(each, click.Argument)), None)
    if not isinstance(fleet, str) or first is None or first.name != "url":
        return args
    made = click.Context(command, parent=ctx, info_name=command.name, resilient_parsing=True)
    try:
        given, _, _ = command.make_parser(made).parse_args(list(args))
    except click.UsageError:
        return args  # It is said when the command itself is parsed.
    url = given.get("url")
    return args if isinstance(url, str) and "://" in url else [fleet, *args]
