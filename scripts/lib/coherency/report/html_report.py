"""The report of a run as one HTML file that opens from disk: no network, no script.

Its text goes through web.py's templator, which escapes every value in a template named .html.
"""

import base64
from itertools import groupby
from pathlib import Path

import web

from scripts.lib.coherency.checkers.cycles import PATHS
from scripts.lib.coherency.checkers.result import Outcome
from scripts.lib.coherency.report.anomalies import EDGES, explained
from scripts.lib.coherency.report.diagram import drawn
from scripts.lib.coherency.report.plots import write_plots
from scripts.lib.coherency.report.results import COLUMNS, outcome, verdict, verdicts
from scripts.lib.coherency.report.transcript import told

TEMPLATE = Path(__file__).with_name("report.html")
CYCLES = tuple(PATHS)


def write_report(folder, configuration, rows):
    """Draw the plots of the Rows, whose histories are in the folder, and write report.html."""
    served = configuration.get("served by", "")
    title = ", ".join(filter(None, [configuration.get("database"), served]))
    plots = write_plots(folder, rows, title or configuration.get("site", ""))
    (folder / "report.html").write_text(html(configuration, rows, folder, plots))


def html(configuration, rows, folder, plots):
    """Return the report's text; the files of the `plots` are in `folder`."""
    functions = {"explained": explained, "anchor": _anchor}
    page = web.template.Template(TEMPLATE.read_text(), str(TEMPLATE), globals=functions)
    witnesses = [
        (row, anomaly, told(witness), drawn(witness.operations, witness.edges))
        for row in rows
        for anomaly, witness in row.result.witnesses.items()
    ]
    cyclic = any(anomaly.startswith(CYCLES) for _, anomaly, *_ in witnesses)
    return str(
        page(
            verdict=verdict(rows),
            modes=verdicts(rows),
            statistics=[row for row in rows if row.mode == "bundle"],
            valid=outcome(rows) is Outcome.VALID,
            configuration=configuration,
            columns=COLUMNS,
            groups=[list(group) for _, group in groupby(rows, lambda row: row.workload)],
            plots=[(plot, _embedded(folder / plot.name)) for plot in plots],
            witnesses=witnesses,
            edges=EDGES if cyclic or any(svg for *_, svg in witnesses) else {},
            faults=[(row, fault) for row in rows for fault in row.faults],
        )
    )


def _anchor(row, anomaly):
    """The name of a witness's place in the page."""
    return f"{row.mode}-{row.workload}-{anomaly}".replace(" ", "-")


def _embedded(path):
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
