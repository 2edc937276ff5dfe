"""Prints whether the site's settings turn the coherency lab on, in a process of its own.

The status is 2 where a setting is wrong; app/settings.py says which.
"""

from app.settings import settings

print("on" if settings.lab else "off")
