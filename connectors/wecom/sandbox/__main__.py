"""``python -m connectors.wecom.sandbox --bind 127.0.0.1:8001``: a sandbox on its own."""

import argparse
import logging
import os
import signal
import sys
import threading

from connectors.wecom.sandbox.serve import running_sandbox
from connectors.wecom.sandbox.settings import SandboxSettings


def main() -> int:
    """Serve until Ctrl-C or SIGTERM; 2 when the settings or the address are of no use."""
    parser = argparse.ArgumentParser(prog="python -m connectors.wecom.sandbox", description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:8001", metavar="HOST:PORT")
    host, _, port = parser.parse_args().bind.rpartition(":")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        settings = SandboxSettings.from_environment(os.environ)
        with running_sandbox(settings, host=host, port=int(port)) as running:
            logging.getLogger(__name__).info("WeCom sandbox at %s/sandbox/", running.base_url)
            stop.wait()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"The sandbox cannot start: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
