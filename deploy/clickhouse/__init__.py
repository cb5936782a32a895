"""The ClickHouse schema: numbered SQL files, applied in order and once by `python -m services.aggregator migrate`."""
