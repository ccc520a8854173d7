"""Command-line arguments, from the functions that run the commands; bad ones exit with status 2.

A function's positional parameters are positional arguments, its keyword-only parameters options. A
parameter without a default is required; one whose type is a dataclass stands for the parameters of
that class. The help is the function's docstring.
"""

import argparse
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from importlib.metadata import version
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from .argument_types import Argument


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def command_line(functions: Mapping[str, Callable[..., int]]) -> argparse.ArgumentParser:
    """Returns the parser of ``dmmlab``; ``functions`` maps command names to functions."""
    parser = Parser(
        prog="dmmlab",
        description="The DMM synthesis lab journal: run, test and draw machines; execute the journal.",
    )
    parser.add_argument("--version", action="version", version=f"dmmlab {version('dmmlab')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="name")
    for name, function in functions.items():
        description, helps = _documentation(function)
        summary = description.partition("\n\n")[0].rstrip(".")
        _add_arguments(commands.add_parser(name, help=summary, description=description), function, helps)
    return parser


def called_with(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Calls a function with the parsed values of its parameters.

    Args:
        function: a function of :func:`command_line`.
        values: the parsed values.

    Returns:
        The result of the function.
    """
    arguments = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind: Any = parameter.annotation
        arguments[name] = called_with(kind, values) if is_dataclass(kind) else values[name]  # type: ignore[arg-type]
    return function(**arguments)


def _documentation(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Returns the description in a docstring, and the help of each argument."""
    description, _, arguments = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    helps = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", arguments, flags=re.MULTILINE | re.DOTALL)
    return description, {name: " ".join(text.split()) for name, text in helps}


def _add_arguments(
    parser: argparse.ArgumentParser, function: Callable[..., Any], helps: dict[str, str], options_only: bool = False
) -> None:
    exclusive: Any = None
    for name, parameter in inspect.signature(function).parameters.items():
        kind: Any = parameter.annotation
        positional = parameter.kind is not parameter.KEYWORD_ONLY and not options_only
        if is_dataclass(kind):
            _add_arguments(parser, kind, _documentation(kind)[1] | helps, not positional)  # type: ignore[arg-type]
            continue
        several, required = get_origin(kind) is Sequence, parameter.default is parameter.empty
        if several or get_origin(kind) in (Union, UnionType):
            kind = get_args(kind)[0]
        kind, argument = get_args(kind) if get_origin(kind) is Annotated else (kind, Argument())
        default = None if required else list(parameter.default) if several else parameter.default
        help = helps.get(name, argument.help)
        if default not in (None, []) and kind is not bool and "(default" not in help:
            help = f"{help} (default: {default})".lstrip()
        options = {"help": help, "default": default, **_options(name.removesuffix("s" * several), kind, argument)}
        if positional:
            options["nargs"] = ("+" if several else None) if required else "*" if several else "?"
            parser.add_argument(name, **options)
            continue
        if argument.exclusive:
            exclusive = exclusive or parser.add_mutually_exclusive_group()
        flag, group = argument.flag or f"--{name.replace('_', '-')}", exclusive if argument.exclusive else parser
        group.add_argument(flag, dest=name, required=required, **options | ({"action": "append"} if several else {}))


def _options(name: str, kind: Any, argument: Argument) -> dict[str, Any]:
    """Returns the options of ``add_argument`` that follow from the type of an argument."""
    if kind is bool:
        return {"action": "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    options: dict[str, Any] = {"metavar": argument.metavar or name.upper()}
    if isinstance(argument.metavar, tuple):
        options["nargs"] = len(argument.metavar)
    return options | ({"type": argument.read} if argument.read else {})
