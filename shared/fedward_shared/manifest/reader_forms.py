"""From the values of `[data.image]`, `[data.volume]`, `[data.signal]`, `[data.series]` or `[data.text]` to a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedward_shared.contracts.arrays import (
    ArrayForm,
    Channel,
    Fit,
    Image,
    Pick,
    Series,
    Signal,
    Text,
    TextForm,
    Volume,
)
from fedward_shared.manifest import schema_data as schema
from fedward_shared.manifest.checks_columns import check_channel, column_name
from fedward_shared.manifest.findings import Findings
from fedward_shared.manifest.tables import Tables, Values

__all__ = ["FormReader", "named", "pair"]

_MOST = 10_000


def pair(values: list[float]) -> tuple[float, float]:
    """The two numbers of a window or range."""
    return values[0], values[1]


def named(tables: Tables, path: tuple[str, ...], what: str) -> Values | None:
    """The table of a column or channel, if its name can be one."""
    values = tables.at(path)
    if values is not None and not column_name(path[-1]):
        tables.findings.add(path, None, f"a {what}'s name has 1 to 200 characters, none of them invisible")
        return None
    return values


@dataclass(frozen=True, slots=True)
class FormReader:
    """Reads the table that says how an array is made."""

    tables: Tables

    @property
    def _findings(self) -> Findings:
        return self.tables.findings

    def form(self) -> ArrayForm | None:
        """The first form that could be read; `check_contract` tells where there are several."""
        read = [self._one_form(name) for name in schema.FORMS if self.tables.holds("data", name)]
        return next((form for form in read if form is not None), None)

    def _one_form(self, name: str) -> ArrayForm | None:
        readers: Mapping[str, Callable[[], ArrayForm | None]] = {
            "image": self._image,
            "volume": self._volume,
            "signal": self._signal,
            "series": self._series,
            "text": self._text,
        }
        return readers[name]()

    def _image(self) -> Image | None:
        table = self.tables.read(schema.ImageTable, ("data", "image"))
        if table is None:
            return None
        window = pair(table.window) if table.window else None
        return Image(**{**table.model_dump(), "fit": Fit(table.fit), "window": window})

    def _volume(self) -> Volume | None:
        table = self.tables.read(schema.VolumeTable, ("data", "volume"))
        if table is None:
            return None
        return Volume(**{**table.model_dump(), "spacing": tuple(table.spacing), "window": pair(table.window)})

    def _signal(self) -> Signal | None:
        table = self.tables.read(schema.SignalTable, ("data", "signal"))
        return Signal(**{**table.model_dump(), "leads": tuple(table.leads)}) if table else None

    def _text(self) -> Text | None:
        path = ("data", "text")
        table = self.tables.read(schema.TextTable, path)
        if table is None:
            return None
        key, form = ("length", "tokens") if table.form == "bag" else ("ngrams", "bag")
        if key in table.model_fields_set:
            self._findings.add(path, key, f'is only for form = "{form}"; leave it out')
        return Text(**{**table.model_dump(), "form": TextForm(table.form)})

    def _series(self) -> Series | None:
        path = ("data", "series")
        table = self.tables.read(schema.SeriesTable, path, "channels")
        values = self.tables.at((*path, "channels"), "a table [data.series.channels.NAME] for each measured quantity")
        if values is None:
            return None
        if not 1 <= len(values) <= _MOST:
            self._findings.add((*path, "channels"), None, f"has {len(values)} channels; must have 1 to {_MOST}")
            return None
        channels = [self._channel(name) for name in values]
        read = tuple(channel for channel in channels if channel is not None)
        if table is None or len(read) != len(values):
            return None
        return Series(pair(table.window), table.step, read, table.masks, table.deltas, table.hold)

    def _channel(self, name: str) -> Channel | None:
        path = ("data", "series", "channels", name)
        if named(self.tables, path, "channel") is None:
            return None
        table = self.tables.read(schema.ChannelTable, path)
        if table is None:
            return None
        channel = Channel(
            name=name,
            unit=table.unit,
            minimum=table.range[0],
            maximum=table.range[1],
            centre=table.centre,
            scale=table.scale,
            codes=tuple(table.codes or ()),
            substance=table.substance or "",
            pick=Pick(table.pick),
        )
        check_channel(channel, self._findings)
        return channel
