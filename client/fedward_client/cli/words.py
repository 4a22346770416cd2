"""How values look to people, and how they look as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isinf
from typing import Any

from fedward_shared.console import say

__all__ = ["epsilon", "say_json", "size", "when"]

_THOUSAND = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def epsilon(value: float) -> str:
    """An ε with three digits, or ∞."""
    return "∞" if isinf(value) else f"{value:.3f}"


def size(count: int) -> str:
    """A number of bytes."""
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    return f"{count / _THOUSAND**power:.3g} {_UNITS[power]}" if power else f"{count} bytes"


def when(seconds: float) -> str:
    """A time, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def say_json(value: Any) -> None:
    """Prints JSON of one line; an infinite number becomes null, since JSON has none."""
    say(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    match value:
        case float() if isinf(value):
            return None
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value
