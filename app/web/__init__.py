"""Helpers for any web.py site."""
