"""A report page: one HTML file that loads nothing from anywhere, and says so to the browser."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

__all__ = ["Drawn", "Page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } h3 { font-size: 1rem; margin-bottom: .2rem }
table { border-collapse: collapse; margin: .8rem 0 } caption { text-align: left; font-weight: 600 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } .note { color: #555 } svg { max-width: 100%; height: auto }
.box { border: 2px solid #555; padding: .6rem 1rem; font-weight: 600 } .advice { margin: .1rem 0 .9rem 1.2rem }
.figures td { white-space: pre } .figures td:first-child { min-width: 9rem; white-space: normal }
.prose td, .prose th { text-align: left; vertical-align: top }
figure { margin: .8rem 0 } figcaption { color: #444; font-size: .92em; max-width: 46rem } .row { display: flex;
flex-wrap: wrap; gap: .4rem 1.6rem } .row figure { flex: 0 1 430px } .wide { overflow-x: auto } li { margin: .2rem 0 }
@media print { body { max-width: none; margin: 0; font-size: 10.5pt } h2, h3 { break-after: avoid }
figure, tr, .box { break-inside: avoid } .wide { overflow: visible }
th, td { padding: .15rem .4rem } }
"""


class Drawn(str):
    """A plot as an <svg> element of our own making; whatever else is text."""

    __slots__ = ()


class Page:
    """Collects sections and renders them in order. All text is escaped; `svg` takes what our plots return."""

    def __init__(self, title: str, subtitle: str) -> None:
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>", f'<p class="note">{escape(subtitle)}</p>']

    def heading(self, text: str) -> None:
        """Starts a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def box(self, text: str) -> None:
        """A paragraph that nobody should miss."""
        self._parts.append(f'<p class="box">{escape(text)}</p>')

    def point(self, heading: str, text: str, advice: str) -> None:
        """One finding: what it is about, what was found, what to do."""
        self._parts.append(f"<h3>{escape(heading)}</h3><p>{escape(text)}</p>")
        self._parts.append(f'<p class="advice">→ {escape(advice)}</p>')

    def subheading(self, text: str) -> None:
        """Starts a part of a section."""
        self._parts.append(f"<h3>{escape(text)}</h3>")

    def points(self, texts: Sequence[str]) -> None:
        """A list."""
        self._parts.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>")

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        caption: str = "",
        kind: Literal["", "figures", "prose"] = "",
    ) -> None:
        """A table whose first column names the rows; a cell is text, or a plot.

        Cells of `figures` keep their line breaks; those of `prose` start at the left.
        """
        named = f' class="{kind}"' if kind else ""
        columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
        head = f"<thead><tr>{columns}</tr></thead>" if any(header) else ""
        body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        told = f"<caption>{escape(caption)}</caption>" if caption else ""
        self._parts.append(f'<div class="wide"><table{named}>{told}{head}<tbody>{body}</tbody></table></div>')

    def svg(self, drawing: str, caption: str = "") -> None:
        """A plot, and under it how to read it."""
        self._parts.append(_figure(drawing, caption))

    def row(self, drawings: Sequence[tuple[str, str]]) -> None:
        """Plots beside each other where there is room, each with its caption."""
        self._parts.append('<div class="row">' + "".join(_figure(*each) for each in drawings) + "</div>")

    def render(self) -> str:
        """The whole document."""
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
            + "\n".join(self._parts)
            + "\n</main></body></html>\n"
        )


def _figure(drawing: str, caption: str) -> str:
    told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{drawing}{told}</figure>"


def _cell(cell: str) -> str:
    return str(cell) if isinstance(cell, Drawn) else escape(cell)
