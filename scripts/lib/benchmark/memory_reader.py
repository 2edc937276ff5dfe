"""A process of scripts/benchmark --memory: reads rows of its site and tells how large it is.

Its arguments are the mode, the database's URI, the numbers of reads and of threads, and how
many of a hundred reads are writes. It prints a JSON list of {"reads", "rss", "pss"}, in bytes.
"""

import json
import sys
import threading

from scripts.lib.benchmark.process_size import process_size
from scripts.lib.benchmark.timed import ask

SAMPLES = 40


def main(mode, uri, reads, threads, writes):
    """Do what the module's docstring says; raises BrokenBarrierError if a thread has failed."""
    from benchmark_site import make_app

    application = make_app(mode, uri).wsgifunc()
    ask(application, "GET", "/any")
    each = [
        ("POST", "/write") if number * int(writes) % 100 < int(writes) else ("GET", "/any")
        for number in range(max(1, int(reads) // SAMPLES // int(threads)))
    ]
    # Each thread stops here twice for a sample: when it has read, and until the sample is taken.
    barrier = threading.Barrier(int(threads) + 1)
    readers = [
        threading.Thread(target=_read, args=(application, each, barrier), daemon=True)
        for _ in range(int(threads))
    ]
    sizes = [{"reads": 0} | process_size()]
    for reader in readers:
        reader.start()
    for number in range(1, SAMPLES + 1):
        barrier.wait()
        sizes.append({"reads": number * len(each) * len(readers)} | process_size())
        barrier.wait()
    print(json.dumps(sizes))


def _read(application, each, barrier):
    try:
        for _ in range(SAMPLES):
            for method, path in each:
                ask(application, method, path)
            barrier.wait()
            barrier.wait()
    except BaseException:
        barrier.abort()
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
