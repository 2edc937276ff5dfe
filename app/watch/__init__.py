"""Answers those who operate the site: whether it is well, and what it has done."""
