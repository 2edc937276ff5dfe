"""The site's database as one file: written while the site serves, and read back into it."""
