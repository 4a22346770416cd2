"""`[model.options]`, read strictly: a key nobody knows, or a value out of range, is named and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.errors import UsageError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one model, with the keys it knows."""

    model: str
    values: Mapping[str, Scalar | tuple[Scalar, ...]]

    @classmethod
    def of(cls, terms: ModelTerms, known: tuple[str, ...]) -> Options:
        """The options of `terms`, none of them outside `known`.

        Raises:
            UsageError: a key is unknown.
        """
        for key in terms.options:
            if key not in known:
                listed = f"it knows {', '.join(known)}" if known else "it has none"
                raise UsageError(f"[model.options] {key}: the model {terms.name} has no such option; {listed}")
        return cls(terms.name, terms.options)

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """A whole number in [least, most].

        Raises:
            UsageError: it is none.
        """
        return self._whole(key, self.values.get(key, default), least, most)

    def widths(self, key: str, default: tuple[int, ...], *, most_layers: int, most: int) -> tuple[int, ...]:
        """A list of 1 to `most_layers` whole numbers from 1 to `most`; a single number stands for a list of one.

        Raises:
            UsageError: it is none.
        """
        value = self.values.get(key, default)
        items = value if isinstance(value, tuple | list) else (value,)
        if not 1 <= len(items) <= most_layers:
            raise UsageError(f"[model.options] {key}: a list of 1 to {most_layers} numbers is needed, not {len(items)}")
        return tuple(self._whole(key, item, 1, most) for item in items)

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of `allowed`.

        Raises:
            UsageError: it is none.
        """
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise UsageError(f"[model.options] {key}: one of {', '.join(allowed)} is needed, not {value!r}")
        return value

    def _whole(self, key: str, value: object, least: int, most: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(f"[model.options] {key}: a whole number from {least} to {most} is needed, not {value!r}")
        return value
