"""The version that studies declare as `code_version`, and the number of the wire protocol."""

__all__ = ["PROTOCOL", "VERSION"]

VERSION = "0.1.0"
PROTOCOL = 1
