"""Every bound of the actors, with its reason beside it."""

from __future__ import annotations

from typing import Final

OPEN_ENTRIES_MAX: Final = 8_192
"""Entries that may wait for the next block: a tenth of a second at full speed."""

QUERY_LOAD_SHARE: Final = 0.5
"""Queries are turned away when the open block is fuller than this; taps go on."""

BUSY_RETRY_MS: Final = 200
"""When a terminal that was turned away should come again: a few blocks later."""

FULL_DISK_RETRY_MS: Final = 2_000
"""When to come again after a full disk: somebody has to make room first."""

FULL_DISK_POLL_S: Final = 0.5
"""How often a block that found no room is tried again."""

GAPS_RETRY_MS: Final = 5_000
"""A terminal with too many gaps: it has to deliver some of what it left out first."""

OLD_ENTRIES_MAX: Final = 16_384
"""Entries of old blocks that are read for late repeats and returns in `OLD_ENTRIES_S`, all
terminals together: some ten milliseconds, in which no tap is decided. Past it they are `busy`."""

OLD_ENTRIES_S: Final = 0.1
"""How long that has to last: nine tenths of the time are for taps."""

OLD_BLOCK_ENTRIES: Final = 16
"""Looking for a block costs as much as decoding so many entries of it."""

RESTART_RETRY_MS: Final = 2_000
"""When to come again while the shard is opened anew; most will have to reconnect for it."""

KEYS_RETRY_MS: Final = 5_000
"""While the keys of the cards cannot be used, advices wait with their terminals."""

SUSPENDED_RETRY_MS: Final = 600_000
"""A terminal with too many advices that are not proved waits for an officer, or the next day."""

PROOF_TIME_SLACK_S: Final = 300
"""How far the time that a terminal tells may be from the one that it wrote on the chip: it may have
learnt the node's clock in between. As much as it may be ahead of that."""

CHIP_KEYS_KEPT: Final = 100_000
"""Keys of cards kept for their next proof, some 300 bytes each: the cards of a busy hour."""

QUARANTINE_RETRY_MS: Final = 60_000
"""A card whose handler failed waits for an engineer."""

QUARANTINED_CARDS_MAX: Final = 1_000
"""More failing cards than this are a failing program: the shard stops."""

CHECKPOINT_INTERVAL_S: Final = 5.0
"""Time between two checkpoints of a busy shard."""

CHECKPOINT_ENTRIES: Final = 200_000
"""Entries after which a checkpoint does not wait for its time: a second of replay."""

UNSAVED_ENTRIES_MAX: Final = 1_000_000
"""Entries that memory may hold for views without room; then transactions are turned away."""

CHECKPOINT_POLL_S: Final = 0.25
"""How often the checkpointer looks at how much has changed."""

RECOVERY_S_MAX: Final = 3_600.0
"""An ordinary start takes seconds; rebuilding all views of a year may take this long."""

SHARD_STOP_S: Final = 60.0
"""What a stop allows for the last block and the last checkpoint."""

OUTPUT_BYTES_MAX: Final = 1024 * 1024
"""Answers that may wait for a terminal that does not read; past it the line is cut."""

SEND_BUFFER_BYTES: Final = 128 * 1024
"""What the kernel is asked to keep for a terminal, and doubles; left alone it keeps megabytes for
one that does not read."""

RECEIVE_BYTES: Final = 64 * 1024
"""Read from a socket at once: twenty frames of fifty taps."""

TLS_PIECE_BYTES: Final = 16 * 1024
"""Given to TLS at once, in either direction: the longest record. Its buffers never shrink, and with
larger pieces every connection would keep what its busiest moment took."""

TLS_HANDSHAKE_BYTES_MAX: Final = 32 * 1024
"""Taken of a handshake that is not done: a greeting of 2 KiB and a chain of three certificates with
the longest signatures. OpenSSL alone would keep 128 KiB for anybody who connects."""

CERTIFICATE_LOOK_S: Final = 1.0
"""How often the files of a certificate are looked at. A change is taken up once it has stood still
from one look to the next: who writes them writes two files, one after the other."""

QUERIES_WAITING_MAX: Final = 256
"""Questions of all terminals together that may wait."""

QUERY_WORKERS: Final = 2
"""Questions worked on at the same time, each in a thread of its own."""

SESSIONS_MAX: Final = 20_000
"""Connections of one node: the terminals of the city."""

TURN_S: Final = 0.001
"""How long one terminal is served before others get a turn: fifty taps take half of it."""

TAKEN_AT_ONCE_BYTES: Final = 2 * 1024
"""After so many bytes of a terminal the clock is looked at: short frames hold a lot of work."""

HANDSHAKE_WORK_S: Final = 0.0015
HANDSHAKE_PERIOD_S: Final = 0.005
"""What the requests, hellos and proofs of all that are not `ready` may take of the node's time
together: three tenths, a thousand handshakes a second. Taps have the rest, whoever knocks."""

HANDSHAKES_MAX: Final = 2_000
"""Connections that are not `ready`; for the next one the oldest of them is cut. At the rate at
which they are accepted it has had more than two seconds, and an honest one needs less than one."""

ACCEPTED_AT_ONCE: Final = 8
ACCEPT_PAUSE_S: Final = 0.01
"""Connections taken before others get a turn, and until the next ones are taken: eight hundred a
second, a third of the node's time. Ten thousand are back in a quarter of a minute; what comes
faster waits in the kernel."""

LEAVING_AT_ONCE: Final = 8
"""Connections that end before others get a turn: two milliseconds. Where a line to thousands of
terminals breaks, or their proxy, taps of the others come in between."""

SWEEP_S: Final = 1.0
"""How often silent connections are looked for."""

KEYS_LOOK_S: Final = 0.25
"""How often it is looked whether keys were revoked or have expired: their sessions end within a
second, with enough of it left for looking up all keys and for a loop that is busy."""

KEYS_AT_ONCE: Final = 250
"""Keys of open sessions looked for before others get a turn: a millisecond."""

CLOCK_BEHIND_MS_MAX: Final = 2_000
"""A clock that is put right by more than this, backwards, is told of."""

DRAIN_S: Final = 5.0
"""What a stop allows for answers on their way."""

LINGER_S: Final = 2.0
"""How long a terminal has to read our last words and hang up."""

LINGER_READS_MAX: Final = 16
"""What is read and thrown away meanwhile; who goes on sending is cut off."""

LISTEN_BACKLOG: Final = 1_024
"""Connections that the kernel keeps while the node is busy accepting."""

TERMINALS_KNOWN_MAX: Final = 100_000
"""Terminals that the registry remembers: five cities of the size of Jakarta."""

SILENT_S: Final = 300.0
"""A terminal that was not heard of for so long is silent: fifteen heartbeats."""

CLOCK_OFF_MS: Final = 30_000
"""A terminal's clock that is off by more is told to the operator: it dates its taps wrongly."""

FLEET_WATCH_S: Final = 5.0
"""How often silent terminals and commands whose time is over are looked for."""

FLEET_SAVE_S: Final = 10.0
"""How often the registry is written: so much of the signs of life is lost by a crash."""

ORDERS_WAITING_MAX: Final = 256
"""Orders and parts of journals of all connections that may wait to be written."""

REPORTS_WAITING_MAX: Final = 50_000
"""Reports that may wait to be written: of every terminal of the city, twice over."""

COMMANDS_OPEN_MAX: Final = 1_000
"""Commands that one terminal may have before it: whoever orders more has made a mistake."""

RESEND_S: Final = 60.0
"""A command that a terminal says nothing of is sent again, at its next heartbeat."""

DRAFTS_MAX: Final = 16
"""Drafts of lists at the same time."""

DRAFT_KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""A draft that was begun and not published is kept for a week, or until there are new ones."""

PARTS_AT_ONCE: Final = 16
"""Parts of drafts that are written together: as many as one officer may have on the way."""

LIST_BYTES_PER_S: Final = 100 * 1024 * 1024
"""List files to all terminals together: a tenth of a fast network, a tenth of a core."""

PUMP_TICK_S: Final = 0.01
"""How often some of that is sent: a tick takes a millisecond of the taps' time."""

PUMP_UNSENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of list files on their way to terminals that read slowly: past it they take turns."""

LIST_FILES_BYTES_MAX: Final = 256 * 1024 * 1024
"""List files kept in memory: whole lists of two million cards, and changes of many versions."""

TOLD_AT_ONCE: Final = 100
"""Terminals told of a new list or command before others get a turn: a millisecond."""
FEEDS_MAX: Final = 64
"""Subscriptions of all connections together: each step of one takes a turn from the others."""

FEED_LOOKED_MAX: Final = 1_000
"""Entries looked at in one step of a subscription: two milliseconds, in which taps may have to wait
for the interpreter."""

FEED_REST_S: Final = 0.002
"""Between two steps of all subscriptions together: taps have the interpreter for half of the time,
however much history is wanted, and it is still read faster than consumers take it."""

FEED_LOAD_SHARE: Final = 0.02
"""Feeds are slowed down when the open block is fuller than this: 160 taps wait then."""

FEED_PAUSE_S: Final = 0.02
"""Between two steps then: they go on, and taps have nine tenths of the time."""

FEED_GATHER_S: Final = 0.05
"""What becomes durable within this time goes to a consumer together: blocks are far smaller."""

FEED_NEWS_S: Final = 2.0
"""How old news of the position may get for a consumer that wants nothing of what passes."""

OUTPUT_LOW_BYTES: Final = 64 * 1024
"""A feed goes on when no more than this waits to be sent on its connection. With one message more
that is a third of `OUTPUT_BYTES_MAX`, past which the line is cut."""
