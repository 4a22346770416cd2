"""Scores from an exported model with NumPy and onnxruntime alone: docs/export.md explains it."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def encoded(columns: list[dict[str, Any]], row: dict[str, str]) -> list[float]:
    """One record's model inputs, as inputs.json says."""
    inputs: list[float] = []
    for column in columns:
        text = row[column["name"]].strip()
        missing = text in column.get("missing", []) or not text
        if column["type"] == "number":
            value = column.get("fill", column["centre"]) if missing else float(text)
            if not missing and not column["minimum"] <= value <= column["maximum"]:
                raise SystemExit(f"{column['name']} is outside of its range, in {column['unit']}")
            inputs.append((value - column["centre"]) / column["scale"])
        else:
            value = column.get("fill") if missing else dict(column.get("synonyms", [])).get(text, text)
            if value is not None and value not in column["values"]:
                raise SystemExit(f"{column['name']} has a value that the model does not know")
            inputs += [float(one == value) for one in column["values"]]
        if column["missing_indicator"]:
            inputs.append(float(missing))
    return inputs


folder, table = Path(sys.argv[1]), Path(sys.argv[2])
inputs = json.loads((folder / "inputs.json").read_text(encoding="utf-8"))
names = json.loads((folder / "model.json").read_text(encoding="utf-8"))["scores"]
with table.open(newline="", encoding="utf-8") as file:
    records = np.array([encoded(inputs["columns"], row) for row in csv.DictReader(file)], dtype=np.float32)

session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
scores, _ = session.run(None, {"records": records})
print(",".join(names))
for row in scores:
    print(",".join(f"{score:.6f}" for score in row))
