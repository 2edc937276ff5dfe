"""The coherency lab: the same handlers in four modes, to see the faults and that they are gone."""
