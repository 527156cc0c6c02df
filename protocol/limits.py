"""Every bound of the protocol, with its reason beside it."""

from __future__ import annotations

from typing import Final

FRAME_BYTES_MAX: Final = 256 * 1024
"""A frame of the most transactions of ordinary size, twice over; of the node's answers too."""

FRAMES_PER_MESSAGE_MAX: Final = 256
"""Fragments, pings and pongs before a message is whole: one may come in pieces of 1 KiB."""

REQUEST_BYTES_MAX: Final = 8 * 1024
"""The HTTP request that opens a connection; whoever sends it is not known yet."""

HANDSHAKE_BYTES_MAX: Final = 16 * 1024
"""A message before `ready`: whoever sends it is not known yet. The longest hello has 9 KiB."""

NESTING_MAX: Final = 10
"""Two arrays more than the deepest message has (the items of a part of a group in a dry run)."""

ERROR_TEXT_LENGTH_MAX: Final = 200
"""What an error says for a person; it may quote what was sent."""

TRANSACTIONS_PER_FRAME_MAX: Final = 500
"""Deciding these takes a few milliseconds; other terminals wait no longer than that."""

CREDITS: Final = 2_000
"""Transactions that one terminal may have unanswered: four full frames."""

FRAMES_PER_SECOND_MAX: Final = 1_000
"""Messages of one connection in a second of the clock; a gate makes one tap a second."""

WEBSOCKET_FRAMES_PER_SECOND_MAX: Final = 4_000
"""Frames of the websocket of one connection in a second: its messages in a few pieces, and pings.
They are what a peer can make the node work with beside messages; each takes some 10 us."""

QUERIES_OPEN_MAX: Final = 16
"""Questions of one connection without an answer yet."""

SESSIONS_PER_TERMINAL_MAX: Final = 8
"""Those that a bad line has left behind until they are found idle, and one that works. One key must
not take the places of all others."""

STATEMENT_LINES_MAX: Final = 100
"""Of one answer; a longer statement is asked for in pages."""

SHIFT_COUNTERS_MAX: Final = 20_000
"""Of one question about a shift: a busy gate's day. Each may stand in a block of its own."""

SHIFT_RP_MAX: Final = 1_000_000_000_000
"""What a terminal may say that it has taken in one: its longest, at fifty times a full purse."""

SUBSCRIPTIONS_OPEN_MAX: Final = 4
"""Of one connection: a consumer has one or two; each may hold a whole message back."""

SUBSCRIBE_RETRY_MS: Final = 10_000
"""When to subscribe again where there is no room: consumers stay for days."""

FEED_ENTRIES_MAX: Final = 500
"""Of one `feed`: half a frame of ordinary taps, read and encoded in a few milliseconds."""

FILTER_NAMES_MAX: Final = 32
"""Names in one condition of a filter: more intents, operators and banks than there are."""

HANDSHAKE_S: Final = 10
"""From the connection to `ready`."""

HEARTBEAT_S: Final = 20
"""A terminal with nothing to say says so this often."""

IDLE_S: Final = 60
"""Three heartbeats missed: the connection is closed."""

VERSIONS_MAX: Final = 16
CAPABILITIES_MAX: Final = 32
SHORT_TEXT_LENGTH_MAX: Final = 64
"""What a hello may list; generous for ten years of versions."""

NOTE_LENGTH_MAX: Final = 200
"""What a terminal or an officer adds in words."""

LISTS_MAX: Final = 16
"""Lists in one `holds`; five kinds exist."""

LIST_PART_ENTRIES_MAX: Final = 1_000
"""Entries of one part of a draft: with cards for keys a tenth of a frame."""

LIST_PARTS_MAX: Final = 2_000
"""Parts of a draft: two million cards, every fifth of the city."""

CHUNK_BYTES_MAX: Final = 64 * 1024
"""Bytes of a list file in one `chunk`; a second of a slow mobile line."""

COMMAND_ID_LENGTH_MAX: Final = 129
"""The name of an officer, a stroke, the id of an order."""

JOURNAL_PARTS_MAX: Final = 200
"""Parts of a terminal's journal for one command: 100,000 transactions, a gate's month."""

JOURNAL_PART_BYTES_MAX: Final = 240 * 1024
"""Bytes of one of them: the answer that shows it has a position beside each of its transactions,
and has to fit into a frame as well."""

ROWS_MAX: Final = 100
"""Rows of one answer about the fleet; more are asked for in pages."""

ORDERS_OPEN_MAX: Final = 16
"""Orders of one connection without a receipt yet."""

KEY_MARK_BYTES: Final = 8
"""Of a public key, as people are shown it."""
