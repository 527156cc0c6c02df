"""Card readers by way of PC/SC: which there are, what lies on them, and how a card is spoken to.

    ReaderWatch     says which readers there are, and which cards come and go       (watch)
    CardWorkers     does the whole work with one card in a thread of its own        (work)
    run_exchange    drives the steps of protocol.chip over a link to a card         (card_link)
    establish       the real service; the only module that knows pyscard            (connection)

Everything but `connection` takes the service as an argument, so it runs without it in tests, and
is importable where pyscard is not installed.
"""
