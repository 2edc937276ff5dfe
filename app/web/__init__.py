"""Helpers for any web.py site: they know nothing of the example."""

from app.web.adoption import adopt

__all__ = ["adopt"]
