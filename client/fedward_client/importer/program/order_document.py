"""An import's order and what was written, as the plain JSON that travels between the importer and its worker."""

from __future__ import annotations

import base64
from collections.abc import Mapping as Table
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fedward_client.imported import data_file
from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.mapping import Answer, Mapping, Option, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.report import ImportReport, Written
from fedward_shared.errors import ImporterError

__all__ = ["mapping_from", "mapping_to", "order_from", "order_to", "written_from", "written_to"]

_MOST_ENTRIES = 1_000_000
_LONGEST_NAME = 1000


def order_to(order: ImportOrder) -> dict[str, Any]:
    """As it travels."""
    return {
        "manifest": base64.b64encode(order.manifest).decode(),
        "mapping": mapping_to(order.mapping),
        "folder": str(order.folder),
        "data_set": order.data_set,
        "limits": asdict(order.limits),
        "dry_run": order.dry_run,
    }


def order_from(document: dict[str, Any]) -> ImportOrder:
    """As `order_to` wrote it; only the parent's own words are ever read here."""
    return ImportOrder(
        manifest=base64.b64decode(document["manifest"]),
        mapping=mapping_from(document["mapping"]),
        folder=Path(document["folder"]),
        data_set=document["data_set"],
        limits=Limits(**document["limits"]),
        dry_run=document["dry_run"],
    )


def mapping_to(mapping: Mapping) -> dict[str, Any]:
    """A mapping as it travels."""
    return {
        "source": _terms_to(mapping.source),
        "events": _terms_to(mapping.events),
        "files": None if mapping.files is None else str(mapping.files),
        "decimal": mapping.decimal,
        "columns": {
            name: {
                "source": answer.source,
                "unit": answer.unit,
                "missing": list(answer.missing),
                "values": dict(answer.values),
                "form": answer.form,
            }
            for name, answer in mapping.columns.items()
        },
    }


def mapping_from(document: dict[str, Any]) -> Mapping:
    """As `mapping_to` wrote it."""
    return Mapping(
        source=_terms_from(document["source"]),
        events=_terms_from(document["events"]),
        files=None if document["files"] is None else Path(document["files"]),
        decimal=document["decimal"],
        columns={
            name: Answer(answer["source"], answer["unit"], tuple(answer["missing"]), answer["values"], answer["form"])
            for name, answer in document["columns"].items()
        },
    )


def written_to(written: Written) -> dict[str, Any]:
    """What was written, as it travels."""
    report = written.report
    return {
        "files": list(written.files),
        "source_name": written.source_name,
        "numbers": [report.accepted, report.rejected, report.straddling, report.excluded, report.duplicates],
        "reasons": [[*key, count, list(report.examples.get(key, ()))] for key, count in report.reasons.items()],
        "counts": {name: list(asdict(counts).values()) for name, counts in report.counts.items()},
        "lost_events": [[*key, count] for key, count in report.lost_events.items()],
    }


def written_from(document: Table[str, Any]) -> Written:
    """What a worker says that it wrote. It may have been taken over by what it read, so nothing is believed.

    Raises:
        ImporterError: it is not of this form.
    """
    try:
        accepted, rejected, straddling, excluded, duplicates = map(_count, document["numbers"])
        reasons = _entries(document["reasons"])
        report = ImportReport(
            accepted=accepted,
            rejected=rejected,
            straddling=straddling,
            excluded=excluded,
            duplicates=duplicates,
            reasons={(_name(column), _name(reason)): _count(count) for column, reason, count, _ in reasons},
            examples={
                (_name(column), _name(reason)): tuple(map(_count, _entries(rows)))
                for column, reason, _, rows in reasons
            },
            counts={_name(name): Counts(*map(_count, each)) for name, each in dict(document["counts"]).items()},
            lost_events={
                (_name(column), _name(reason)): _count(count)
                for column, reason, count in _entries(document["lost_events"])
            },
        )
        files = tuple(map(_data_file, _entries(document["files"])))
        source_name = _name(document["source_name"])
    except (KeyError, TypeError, ValueError) as error:
        raise ImporterError("the importer's worker answered in a form that nobody expects") from error
    if len(set(files)) != len(files):
        raise ImporterError("the importer's worker names a file twice")
    return Written(files, report, source_name)


def _terms_to(terms: SourceTerms | None) -> dict[str, Any] | None:
    if terms is None:
        return None
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in terms.options.items()}
    return {"type": terms.type, "path": None if terms.path is None else str(terms.path), "options": options}


def _terms_from(document: dict[str, Any] | None) -> SourceTerms | None:
    if document is None:
        return None
    options: dict[str, Option] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document["options"].items()
    }
    path = document["path"]
    return SourceTerms(document["type"], None if path is None else Path(path), options)


def _entries(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise TypeError
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def _name(value: object) -> str:
    """A column's or file's name: printable, so that no terminal obeys it."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise TypeError
    return "".join(sign if sign.isprintable() else "?" for sign in value)


def _data_file(value: object) -> str:
    name = _name(value)
    if not data_file(name):
        raise ValueError
    return name
