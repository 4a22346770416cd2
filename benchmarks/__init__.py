"""Speed claims, one runnable file each: `python -m benchmarks.NAME`."""
