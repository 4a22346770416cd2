"""Four hospitals on one machine: nine real processes, everything through the real commands."""
