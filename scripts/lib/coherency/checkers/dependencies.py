"""Which transaction must come before which, as a graph whose edges name their reasons."""

from collections import defaultdict

import networkx


def dependencies(history, orders):
    """Return a DiGraph of operations; an edge's "kinds" is the set of the reasons for it.

    history: operations in the order of their beginning. orders: {key: the tuple of its values in
    their order}. Kinds: "ww" wrote the value before, "wr" wrote what the other read, "rw" read
    what the other then overwrote, "process" the same client before, "realtime" ended before the
    other began. An append that has happened and that no read shows follows the longest value
    read: a read that misses it came before it.
    """
    graph = networkx.DiGraph()
    graph.add_nodes_from(operation for operation in history if operation.ok)
    places = {
        key: {value: place for place, value in enumerate(order)} for key, order in orders.items()
    }
    writers, unread = _appends(history, places)
    for key, order in orders.items():
        _order_writers(graph, [writers.get((key, value)) for value in order], unread[key])
    for operation in history:
        if operation.ok:
            _order_reads(graph, operation, orders, places, writers, unread)
    _order_clients(graph, history)
    _order_in_time(graph, history)
    return graph


def _appends(history, places):
    """{(key, value): writer} of the appends that reads show, {key: [writer]} of the others."""
    appends = [
        (key, value, operation)
        for operation in history
        if not operation.aborted
        for key, value in operation.steps("append")
    ]
    writers = {
        (key, value): operation
        for key, value, operation in appends
        if value in places.get(key, ())
    }
    # If a read shows a part of a transaction, all of it has happened, whatever was answered.
    seen = set(writers.values())
    unread = defaultdict(list)
    for key, value, operation in appends:
        if (key, value) not in writers and (operation.ok or operation in seen):
            unread[key].append(operation)
    return writers, unread


def _add(graph, before, after, kind):
    if before is None or after is None or before is after:
        return
    if graph.has_edge(before, after):
        graph[before][after]["kinds"].add(kind)
    else:
        graph.add_edge(before, after, kinds={kind})


def _order_writers(graph, ordered, unread):
    for before, after in zip(ordered, ordered[1:], strict=False):
        _add(graph, before, after, "ww")
    for writer in unread:
        _add(graph, ordered[-1] if ordered else None, writer, "ww")


def _order_reads(graph, operation, orders, places, writers, unread):
    for key, seen in operation.steps("read"):
        place = -1
        if seen:
            _add(graph, writers.get((key, seen[-1])), operation, "wr")
            place = places[key].get(seen[-1])
            if place is None:
                continue
        if place + 1 < len(orders[key]):
            _add(graph, operation, writers.get((key, orders[key][place + 1])), "rw")
        else:
            for writer in unread[key]:
                _add(graph, operation, writer, "rw")


def _order_clients(graph, history):
    latest = {}
    for operation in history:
        if operation in graph:
            _add(graph, latest.get(operation.client), operation, "process")
            latest[operation.client] = operation


def _order_in_time(graph, history):
    """Add edges from the latest ended operations only: the others follow from these."""
    nodes = [operation for operation in history if operation in graph]
    events = [(operation.t0, 0, number) for number, operation in enumerate(nodes)]
    events += [(operation.t1, 1, number) for number, operation in enumerate(nodes) if operation.ok]
    frontier = set()
    before = {}
    for _, ended, number in sorted(events):
        if ended:
            frontier -= before[number]
            frontier.add(number)
        else:
            before[number] = set(frontier)
            for earlier in frontier:
                _add(graph, nodes[earlier], nodes[number], "realtime")
