"""The log of `relay run`: a line an entry on standard error, JSON unless a person reads it."""

import logging
import sys

if "rich" not in sys.modules:
    # structlog imports it where it is installed, for tracebacks with local variables, among which secrets may be: the log
    # shows none, and the start would take a tenth longer.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog


def to_stderr() -> None:
    """Write what is logged from now on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
