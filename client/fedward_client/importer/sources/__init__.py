"""Reads what hospitals have, one format a file; every one of them is a `Source` of rows."""
