"""`[model.options]`, read strictly: a key nobody knows, or a value out of range, is named and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedward_shared.contracts.study import ModelTerms, PretrainedTerms, Scalar
from fedward_shared.errors import UsageError

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one model, with the keys it knows."""

    model: str
    values: Mapping[str, Scalar | tuple[Scalar, ...]]
    table: str = "model.options"

    @classmethod
    def of(cls, terms: ModelTerms, known: tuple[str, ...]) -> Options:
        """The options of `terms`, none of them outside `known`.

        Raises:
            UsageError: a key is unknown.
        """
        _refuse_unknown(terms, known, "model.options", "model")
        return cls(terms.name, terms.options)

    @classmethod
    def of_backbone(cls, terms: PretrainedTerms, known: tuple[str, ...]) -> Options:
        """The options of a backbone, `[model.backbone.options]`, none of them outside `known`.

        Raises:
            UsageError: a key is unknown.
        """
        _refuse_unknown(terms, known, "model.backbone.options", "backbone")
        return cls(terms.name, terms.options, "model.backbone.options")

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
            raise UsageError(f"[{self.table}] {key}: a list of 1 to {most_layers} numbers is needed, not {len(items)}")
        return tuple(self._whole(key, item, 1, most) for item in items)

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of `allowed`.

        Raises:
            UsageError: it is none.
        """
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise UsageError(f"[{self.table}] {key}: one of {', '.join(allowed)} is needed, not {value!r}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false.

        Raises:
            UsageError: it is neither.
        """
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise UsageError(f"[{self.table}] {key}: true or false is needed, not {value!r}")
        return value

    def number(self, key: str, default: float, *, least: float, most: float) -> float:
        """A number in [least, most].

        Raises:
            UsageError: it is none.
        """
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise UsageError(f"[{self.table}] {key}: a number from {least:g} to {most:g} is needed, not {value!r}")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty if not given; a single one stands for a list of one.

        Raises:
            UsageError: one of them is no text.
        """
        value = self.values.get(key, ())
        items = value if isinstance(value, tuple | list) else (value,)
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) != len(items):
            raise UsageError(f"[{self.table}] {key}: a list of texts is needed, not {value!r}")
        return texts

    def without(self, keys: tuple[str, ...], condition: str) -> None:
        """Notices an option that would do nothing: none of `keys` may be given but under `condition`.

        Raises:
            UsageError: one is given.
        """
        for key in keys:
            if key in self.values:
                raise UsageError(f"[{self.table}] {key}: it does nothing without {condition}")

    def _whole(self, key: str, value: object, least: int, most: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(f"[{self.table}] {key}: a whole number from {least} to {most} is needed, not {value!r}")
        return value


def _refuse_unknown(terms: ModelTerms | PretrainedTerms, known: tuple[str, ...], table: str, what: str) -> None:
    for key in terms.options:
        if key not in known:
            listed = f"it knows {', '.join(known)}" if known else "it has none"
            raise UsageError(f"[{table}] {key}: the {what} {terms.name} has no such option; {listed}")
