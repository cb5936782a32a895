"""Joins decisions with feedback and turns them into weights; writes every event to ClickHouse."""
