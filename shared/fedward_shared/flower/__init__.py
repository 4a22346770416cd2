"""The only door to flwr's types.

Importing this package switches off Flower's telemetry and update check before flwr itself is imported.
"""

import os

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

__all__: list[str] = []
