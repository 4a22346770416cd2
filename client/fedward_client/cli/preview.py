"""A study as its approver reads it: who asks, what is trained, what leaves, what it costs. In plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import exp, isinf
from typing import Any

from fedward_client.cli.words import epsilon as shown
from fedward_client.cli.words import size, when

__all__ = ["describe", "percent"]

_WIDE = 16
_MOST_ROWS = 40


def describe(view: Mapping[str, Any], site: str) -> Iterator[str]:
    """The lines of a preview. `view` is a `StudyView` as JSON gives it; `site` is this hospital."""
    yield f"{view['title']}"
    yield f"{view['name']}, {view['study'][:_WIDE]}, {_state(view)}"
    for heading, lines in (
        ("WHO ASKS", _who(view, site)),
        ("WHAT IS TRAINED, ON WHAT", _what(view)),
        ("WHAT LEAVES THIS HOSPITAL", _leaves(view)),
        ("WHAT IT COSTS", _costs(view)),
        ("WHAT STANDS IN THE WAY", (f"- {problem}" for problem in view["problems"])),
    ):
        found = list(lines)
        if found:
            yield ""
            yield heading
            yield from (f"  {line}" for line in found)


def percent(rate: float) -> str:
    """A probability for people."""
    return f"{100 * rate:.3g} %"


def _state(view: Mapping[str, Any]) -> str:
    if not view["decided_by"]:
        return "not decided yet"
    on = f" on {view['data_set']}" if view["data_set"] else ""
    return f"{view['state']}{on} by {view['decided_by']}, {when(view['decided_at'])}"


def _who(view: Mapping[str, Any], site: str) -> Iterator[str]:
    yield f"The consortium whose study key is {view['study_key']} (its signature was checked here)"
    yield f"Contact  {view['contact']}"
    yield f"Purpose  {' '.join(view['purpose'].split())}"  # in one line: more could look like a section of ours
    for heading, text in view.get("uses", ()):
        yield f"{heading:<8} {' '.join(text.split())}"
    others = [name for name in view["sites"] if name != site]
    yield f"With     {', '.join(others) or 'nobody else'}"


def _what(view: Mapping[str, Any]) -> Iterator[str]:
    options = "".join(f", {name} {value}" for name, value in view["model_options"])
    aim = f"tells {' from '.join(view['classes'])} (column {view['label']})"
    if view.get("follow_up"):
        aim = f"predicts the time until: {view['classes'][1]} (column {view['label']}; up to {view['follow_up']})"
    yield f"A model ({view['model']}{options}) that {aim}"
    columns = view["columns"]
    yield f"from {len(columns)} columns:" if columns else f"from arrays of shape {tuple(view['shape'])}"
    name_width = max((len(column["name"]) for column in columns), default=0)
    for column in columns[:_MOST_ROWS]:
        unit = f" {column['unit']}" if column["unit"] else ""
        yield f"  {column['name']:<{name_width}}  {column['values']}{unit}"
    if len(columns) > _MOST_ROWS:
        yield f"  and {len(columns) - _MOST_ROWS} more (--json lists them all)"
    yield from _made_elsewhere(view)
    also = view.get("also_read", ())
    if also:
        yield "It also reads, besides the inputs:"
        width = max(len(name) for name, _ in also)
        yield from (f"  {name:<{width}}  {why}" for name, why in also[:_MOST_ROWS])
        if len(also) > _MOST_ROWS:
            yield f"  and {len(also) - _MOST_ROWS} more (--json lists them all)"
    rules = view.get("rules", ())
    yield from rules[:_MOST_ROWS]
    if len(rules) > _MOST_ROWS:
        yield f"and {len(rules) - _MOST_ROWS} more rules (--json lists them all)"
    if view["patient_column"]:
        yield f"Column {view['patient_column']} tells which records are one patient's; it never leaves."
    else:
        yield "No patient column is declared: the unit of privacy is the RECORD. Somebody with several adds them up."
    if view["split_column"]:
        yield f"Column {view['split_column']} sets test rows aside; the model never trains on them."
    rounds, steps, rate = view["rounds"], view["local_steps"], percent(view["sampling_rate"])
    yield f"In {rounds} rounds of {steps} steps; a patient takes part in a step with probability {rate}."


def _made_elsewhere(view: Mapping[str, Any]) -> Iterator[str]:
    if view.get("backbone"):
        yield "The model sees what a frozen network makes of each record, here; that network neither learns nor leaves:"
        yield f"  {view['backbone']}"
    if view.get("start"):
        yield "It does not start from nothing: the first round sends weights that were trained elsewhere,"
        yield f"  {view['start']}"


def _leaves(view: Mapping[str, Any]) -> Iterator[str]:
    numbers = sum(tensor["bytes"] for tensor in view["tensors"]) // 4
    spare = view["spare_attempts"]
    repeats = f" (and in up to {spare} repeated ones)" if spare else ""
    yield f"In each of {view['rounds']} rounds{repeats}: how {numbers} numbers of the model changed, always exactly"
    yield f"{size(view['bytes_out_per_round'])} ({view['bytes_out_per_round']} bytes), whatever the data are:"
    width = max(len(tensor["name"]) for tensor in view["tensors"])
    for tensor in view["tensors"][:_MOST_ROWS]:
        shape = " × ".join(map(str, tensor["shape"])) or "1"
        yield f"  {tensor['name']:<{width}}  {shape:>14}  {tensor['bytes']} bytes"
    if view["unsafe_no_privacy"]:
        yield "WITHOUT NOISE: patients' records can be reconstructed from what leaves."
    else:
        unit, clip, noise = view["unit"], view["clip_norm"], view["noise_multiplier"]
        yield f"Each {unit}'s influence on a step is limited to norm {clip:g}, and random noise of {noise:.3g} times"
        yield "that (standard deviation) is added before anything is stored or sent."
    yield "No row, count, identifier, loss, accuracy or timing leaves. All message types: door.proto."


def _costs(view: Mapping[str, Any]) -> Iterator[str]:
    epsilon = view["epsilon"]
    if isinf(epsilon):
        yield "ε is infinite: the study adds no noise. The ledger will say so for ever."
    else:
        unit, delta = view["unit"], f"{view['delta']:g}"
        yield f"At most ε = {epsilon:.3f} at δ = {delta} for each {unit}, computed here. Whoever sees all that leaves"
        yield f"can change the odds of a guess about one {unit} by a factor of at most {exp(epsilon):.3g} (except with"
        yield f"probability {delta}). Somebody treated at two sites adds both up."
    for choice in view["data_sets"]:
        verdict = "fits" if choice["covered"] else "DOES NOT FIT"
        yield (
            f"{choice['data_set']}: ε {shown(choice['spent'])} spent so far, {shown(choice['after'])} once this and "
            f"every other approved study has ended, {shown(choice['max_epsilon'])} allowed: {verdict}"
        )
