"""What those who operate the site ask of it: whether it is well, and what it has done."""
