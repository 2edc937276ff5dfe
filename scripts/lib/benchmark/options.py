"""The options of scripts/benchmark, and which of them go together."""

from pathlib import Path

from scripts.lib.benchmark import growth, memory
from scripts.lib.benchmark.load import ROUTES
from scripts.lib.benchmark.peers import PEERS
from scripts.lib.benchmark.sites import MODES
from scripts.lib.command import command_parser, site_path, whole_number
from scripts.lib.serving.databases import SERVERS

COUNT = whole_number(1, 1000)
# For each kind of run the options that have no effect on it.
APART = {
    "path": ("modes", "peers", "routes", "rows", "kept_rows", "database"),
    "in_process": ("peers", "seconds", "processes", "threads", "connections"),
    "growth": ("peers", "routes"),
    "contention": (
        "modes",
        "peers",
        "routes",
        "rows",
        "kept_rows",
        "rounds",
        "threads",
        "connections",
    ),
    "reload": ("modes", "peers", "routes", "rows", "kept_rows", "rounds", "database"),
    "memory": ("peers", "routes", "rounds", "seconds", "processes", "connections"),
}
KINDS = ("path", "in_process", "open_loop", "growth", "memory", "contention", "reload")
ROWS = 100
# More than the threads of a process keep.
ROWS_TO_READ = 50_000


def parse_options(arguments):
    """The options in the list `arguments`; exits with status 2 and a message if one is wrong."""
    made = parser()
    options = made.parse_args(arguments)
    if options.against and not options.in_process:
        made.error("argument --against: it needs --in-process; add that")
    if options.against and not (options.against / "app" / "transactions").is_dir():
        made.error(
            f"argument --against: {options.against} has no app/transactions; name a checkout"
        )
    kind = _kind(options)
    _check_apart(made, options, kind)
    _fill_in(options, kind)
    _check_modes(made, options, kind)
    if options.writes and not options.memory:
        made.error("argument --writes: it needs --memory; add that")
    if options.memory and options.rows <= options.kept_rows:
        made.error("argument --rows: must be more than --kept-rows")
    return options


def _kind(options):
    return next((kind for kind in KINDS if getattr(options, kind) not in (None, False)), None)


def _check_apart(made, options, kind):
    """End with status 2 and a message if an option has no effect on the kind of run."""
    for name in APART.get(kind, ()):
        if getattr(options, name) not in (made.get_default(name), None):
            told = name.replace("_", "-")
            made.error(
                f"argument --{told}: --{kind.replace('_', '-')} does not use it; leave one out"
            )


def _check_modes(made, options, kind):
    """End with status 2 and a message if a mode lacks what the run measures."""
    without = {"in_process": PEERS, "growth": (*PEERS, "bare"), "memory": (*PEERS, "bare")}
    for mode in options.modes:
        if mode in without.get(kind, ()):
            with_it = kind.replace("_", "-")
            made.error(f"argument --modes: --{with_it} cannot measure {mode}; leave it out")
    if options.modes == ["bare"] and "empty" not in options.routes:
        made.error("argument --routes: the mode bare has only the route empty; name it")


def _fill_in(options, kind):
    """Fill in the defaults of the kind of run for the options that were left out."""
    modes = {"growth": growth.MODES, "memory": memory.MODES}.get(kind, MODES)
    options.modes = list(dict.fromkeys(options.modes or modes))
    if options.peers:
        options.modes += [mode for mode in PEERS if mode not in options.modes]
    options.routes = options.routes or list(ROUTES)
    options.rows = options.rows or (ROWS_TO_READ if kind == "memory" else ROWS)
    if kind == "growth":
        options.growth = options.growth or [growth.axis_values(name) for name in growth.AXES]


def parser():
    """The parser of the script's options."""
    made = command_parser(
        "scripts/benchmark",
        "Compare the bundle's requests per second with those of SQLObject's stock ways.",
    )
    add = made.add_argument
    add("--rounds", type=COUNT, default=5, help="how often each load is run (default 5)")
    add("--seconds", type=COUNT, default=3, help="of each load (default 3)")
    add("--processes", type=COUNT, default=4, help="of each mode's Apache (default 4)")
    add("--threads", type=COUNT, default=4, help="of each process (default 4)")
    add("--connections", type=COUNT, default=16, help="of the load, all at once (default 16)")
    engines = ("sqlite", *SERVERS)
    add("--database", choices=engines, default="sqlite", help="of all modes (default sqlite)")
    add("--routes", nargs="+", choices=ROUTES, help="loads (default all)")
    modes = (*MODES, *PEERS)
    add("--modes", nargs="+", choices=modes, help="sites (default all but the peers)")
    peers_help = "beside the modes, Flask with SQLAlchemy, Django, and a function on the driver"
    add("--peers", action="store_true", help=peers_help)
    many = whole_number(1, 10_000_000)
    add("--rows", type=many, help=f"of the table (default {ROWS}; {ROWS_TO_READ} with --memory)")
    kept = whole_number(0, 10_000_000)
    add("--kept-rows", type=kept, default=10_000, help="of each thread (default 10000)")
    _add_kinds(made)
    writes_help = "with --memory: how many of a hundred requests write (default 0)"
    add("--writes", type=whole_number(0, 100), default=0, metavar="PERCENT", help=writes_help)
    clock_help = "with --in-process: the time, or its processor time, for a busy machine"
    add("--clock", choices=("time", "cpu"), default="time", help=clock_help)
    against_help = (
        "with --in-process: another checkout, whose bundle is measured in turn with ours"
    )
    add("--against", type=Path, metavar="FOLDER", help=against_help)
    return made


def _add_kinds(made):
    """Add the options for runs that measure something else than requests per second."""
    add = made.add_mutually_exclusive_group().add_argument
    path_help = (
        "compare this page of the application of the settings with and without the cache; can be "
        "given again"
    )
    add("--path", type=site_path, action="append", metavar="/PATH", help=path_help)
    in_process_help = "microseconds of one request in one process, without Apache; see --rounds"
    add("--in-process", action="store_true", help=in_process_help)
    open_loop_help = "also the times of requests that come at 25, 50, 75 and 90 %% of each peak"
    add("--open-loop", action="store_true", help=open_loop_help)
    growth_help = (
        f"requests/s and memory over what grows, one at a time: {', '.join(growth.AXES)} (default "
        "all), or such as rows=100,1000"
    )
    add("--growth", nargs="*", type=growth.axis_values, metavar="AXIS", help=growth_help)
    contention_help = "16 and 64 clients write ten rows; status 1 if one is refused or lost"
    add("--contention", action="store_true", help=contention_help)
    reload_help = (
        "three reloads with new code under load, in which some requests take a sixth of "
        "--seconds; status 1 if one is lost"
    )
    add("--reload", action="store_true", help=reload_help)
    memory_help = "the size of a process after this many reads (default 1000000): does it grow?"
    reads = whole_number(1000, 1_000_000_000)
    add("--memory", nargs="?", type=reads, const=1_000_000, metavar="READS", help=memory_help)
