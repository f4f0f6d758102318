"""`python -m app`: the app, with its numbers and its model from the start of the process.

Belongs here: what begins before anybody comes. Does not belong here: options of the server
(`tip_assets/runtime/local_servers.py` gives them), or the pages (`main.py`).
"""

import sys
from pathlib import Path

from streamlit.web import cli

from app.predictions import predictions
from app.sources import give_up_soon
from tip_assets.runtime.signals import end_on_signal

MAIN = Path(__file__).with_name("main.py")


def main() -> None:
    """Run Streamlit in this process; the arguments are options of `streamlit run`.

    Streamlit runs the script of the pages when somebody comes, which may be days after a restart.
    """
    end_on_signal()  # Streamlit replaces the handlers of SIGINT and SIGTERM when it serves
    give_up_soon()
    predictions()  # opens the port of the numbers, and begins to load the champion
    cli.main(["run", str(MAIN), *sys.argv[1:]], prog_name="streamlit")


if __name__ == "__main__":
    main()
