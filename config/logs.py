"""One line of JSON per log record, for machines to read."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Time, level, logger and message; a traceback when there is one.

    JSON escapes line breaks and control characters, so nobody's name can forge a second line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
