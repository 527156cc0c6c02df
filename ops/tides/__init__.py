"""Fare transactions as open data: the TIDES table in Parquet files."""
