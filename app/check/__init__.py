"""Looks at the application before it is served: names what would go wrong, and the cure.

`scripts/check` runs it as the daemons' user and in their environment. It changes nothing.
"""
