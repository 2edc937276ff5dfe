"""Cycles of dependencies, named as Adya does, and with Elle's endings for weaker orders.

Anomaly   The cycle has
--------  --------------------------------------------
G0        only ww edges
G1c       ww and wr edges
G-single  one rw edge, the others ww or wr
G2-item   several rw edges, the others ww or wr

With "-process" the cycle also needs the order of one client's operations. With "-realtime" it also
needs the order of operations that did not overlap. The search looks for these two only among
transactions that have no other cycle. G2 itself needs predicates: phantoms.py finds it.
"""

import networkx

MOST_SEARCHES = 300
LEVELS = (
    ("", frozenset()),
    ("-process", frozenset({"process"})),
    ("-realtime", frozenset({"process", "realtime"})),
)
PATHS = {
    "G0": frozenset({"ww"}),
    "G1c": frozenset({"ww", "wr"}),
    "G-single": frozenset({"ww", "wr"}),
    "G2-item": frozenset({"ww", "wr", "rw"}),
}
CLOSING = {"G0": "ww", "G1c": "wr", "G-single": "rw", "G2-item": "rw"}


def find_cycles(findings, graph):
    """Add the cycles of a graph of dependencies to the findings, with the shortest as witness.

    It tries at most MOST_SEARCHES edges for each strongly connected component and anomaly, so a
    count is a lower bound.
    """
    for members in networkx.strongly_connected_components(graph):
        if len(members) > 1:
            _classify(findings, graph.subgraph(members))


def _classify(findings, component):
    for ending, order in LEVELS:
        found = False
        for anomaly, kinds in PATHS.items():
            cycles = _cycles(component, anomaly, kinds | order)
            for cycle in cycles:
                found = True
                edges = _edges(component, cycle)
                findings.add(anomaly + ending, cycle, _told(cycle, edges), edges=edges)
        if found:
            return


def _cycles(component, anomaly, kinds):
    """Yield the shortest cycle through each edge that can close one of this anomaly."""
    closing = CLOSING[anomaly]
    lighter = kinds - {closing}
    paths = _only(component, kinds)
    lighter_paths = _only(component, lighter)
    edges = [
        (before, after)
        for before, after, found in component.edges(data="kinds")
        if closing in found and not found & lighter
    ]
    for before, after in edges[:MOST_SEARCHES]:
        if anomaly == "G2-item" and _path(lighter_paths, after, before):
            continue
        path = _path(paths, after, before)
        if path:
            yield path


def _only(component, kinds):
    """A graph of the component's edges of these kinds."""
    return networkx.DiGraph(
        (before, after) for before, after, found in component.edges(data="kinds") if found & kinds
    )


def _path(graph, start, end):
    try:
        return networkx.shortest_path(graph, start, end)
    except (networkx.NetworkXNoPath, networkx.NodeNotFound):
        return None


def _edges(component, cycle):
    pairs = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    return [(one, two, sorted(component[one][two]["kinds"])) for one, two in pairs]


def _told(cycle, edges):
    """The cycle's edges in words, its operations numbered by their beginning."""
    ordered = sorted(cycle, key=lambda operation: operation.t0)
    names = {operation: f"T{number}" for number, operation in enumerate(ordered, 1)}
    return ", ".join(
        f"{names[one]} before {names[two]} ({'/'.join(kinds)})" for one, two, kinds in edges
    )
