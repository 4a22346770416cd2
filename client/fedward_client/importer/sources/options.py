"""The options of `[source]` and `[events]` in mapping.toml: which a source knows, and of which type each is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_shared.errors import UsageError

__all__ = ["Options", "check_options", "flag", "number", "only", "text", "texts", "whole"]

Options = Mapping[str, type[str] | type[int] | type[float] | type[bool] | type[tuple[str, ...]]]
"""Option names and their types: str, int, float (a whole number will do), bool, or tuple (a list of texts)."""

_SPOKEN = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list of texts"}


def check_options(terms: SourceTerms, known: Options) -> None:
    """Whether every option is known and of its type.

    Raises:
        UsageError: one is not.
    """
    for name, value in terms.options.items():
        if name == "decimal":
            raise UsageError(
                "decimal is said of all numbers, and is no option of a source",
                hint='It stands at the top of the mapping, above [source]: decimal = ","',
            )
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            offered = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"a source of type {terms.type!r} has no option {name!r}",
                hint=f"Did you mean {near[0]!r}?" if near else f"Its options: {offered}.",
            )
        if not _fits(value, known[name]):
            raise UsageError(f"the option {name!r} of a source of type {terms.type!r} must be {_SPOKEN[known[name]]}")


def _fits(value: Option, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, (int, float) if kind is float else kind)


def only(terms: SourceTerms, known: Options, *, without: bool = False) -> SourceTerms:
    """The same terms with only the options in `known`, or with all but these: for a source built on another."""
    kept = {name: value for name, value in terms.options.items() if (name in known) is not without}
    return replace(terms, options=MappingProxyType(kept))


def text(terms: SourceTerms, name: str, default: str = "") -> str:
    """An option that is a text."""
    value = terms.options.get(name, default)
    return value if isinstance(value, str) else default


def texts(terms: SourceTerms, name: str) -> tuple[str, ...]:
    """An option that is a list of texts; an empty one where it is not given."""
    value = terms.options.get(name, ())
    return value if isinstance(value, tuple) else ()


def flag(terms: SourceTerms, name: str, *, default: bool) -> bool:
    """An option that is true or false."""
    value = terms.options.get(name, default)
    return value if isinstance(value, bool) else default


def whole(terms: SourceTerms, name: str, default: int) -> int:
    """An option that is a whole number."""
    value = terms.options.get(name, default)
    return value if isinstance(value, int) else default


def number(terms: SourceTerms, name: str, default: float) -> float:
    """An option that is a number."""
    value = terms.options.get(name, default)
    return float(value) if isinstance(value, int | float) else default
