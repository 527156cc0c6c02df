"""Replaying a file of trips: read strictly, stream as taps, reconcile with the ledger.

`csv_file` reads rows, `damage` tells what a spreadsheet did to a file, `trips` says what a row
means, `survey` asks what the ledger holds of earlier replays, `plan` turns trips into transactions
that post what is new and nothing else, `fleet` streams them from many terminals, `reconcile`
compares the file with the ledger, `report` says it all.
"""
