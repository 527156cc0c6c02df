"""Every bound of the conformance kit, with its reason beside it."""

from __future__ import annotations

from typing import Final

PATIENCE_S: Final = 10.0
"""For what has to come at once: a busy machine is no defect of what is tried."""

QUIET_S: Final = 0.3
"""How long nothing is waited for, where nothing must come."""

LATE_S: Final = 3.0
"""What a deadline of the node may be late: it looks about once a second."""

RECEIVE_BYTES: Final = 64 * 1024
"""Read from a connection at once."""

HTTP_BYTES_MAX: Final = 16 * 1024
"""A request or an answer that opens a connection."""

TOLD_MAX: Final = 300
"""Characters of what is told of one fault."""

RULE_S_MAX: Final = 120.0
"""For one rule, the slow ones as well: a minute of silence, and some more."""

REVOKED_S_MAX: Final = 4.0
"""The second within which the sessions of a key end that may do nothing any more, and some for a
busy machine."""
