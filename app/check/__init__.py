"""Looks at the application before it is served: what would be served wrongly, and the cure.

`scripts/check` runs it as the daemons' user and in their environment. Nothing is changed by it.
"""
