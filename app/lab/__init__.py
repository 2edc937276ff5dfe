"""The coherency lab: the same handlers in four modes show the faults, and that they are cured."""
