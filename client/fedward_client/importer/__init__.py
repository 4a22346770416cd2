"""Reads source files and writes checked data for the vault."""
