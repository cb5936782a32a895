-- One table per topic. Every row is one event, kept whole as JSON in `event`; what queries filter or sum is flattened beside it.
-- A redelivered event is the same row again: ReplacingMergeTree drops it, and readers use FINAL.
-- `log_*` say where the event stood in Kafka; all times are Unix milliseconds, money is micro-dollars.

CREATE TABLE IF NOT EXISTS requests (
    request_id String,
    tenant String,
    session_id String,
    session_inferred UInt8,
    created_at_ms Int64,
    created_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(created_at_ms, 'UTC'),
    completion_id String,
    key_id String,
    user_id String,
    project_id String,
    endpoint String,
    status String,
    http_status UInt16,
    error_code String,
    requested_model String,
    provider String,
    model String,
    task String,
    strategy String,
    phase String,
    rule_id String,
    winner String,
    baseline String,
    propensity Float64,
    confidence Float64,
    snapshot_version UInt64,
    explored UInt8,
    pinned UInt8,
    pool_used UInt8,
    decided UInt8,
    counts UInt8,
    failed_models Array(String),
    cache String,
    firewall_action String,
    firewall_score Float64,
    fresh_input UInt64,
    cache_read UInt64,
    cache_write UInt64,
    output UInt64,
    reasoning UInt64,
    cost_micro_usd Int64,
    latency_ms Int64,
    overhead_us UInt64,
    event String CODEC(ZSTD(3)),
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64,
    INDEX by_request request_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_completion completion_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_session session_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(created_at_ms, 'UTC'))
ORDER BY (tenant, created_at_ms, request_id);

-- The time is part of the identity: two ratings of one subject that raced past the front door are both kept, and the first counts.
CREATE TABLE IF NOT EXISTS feedback (
    event_id String,
    tenant String,
    session_id String,
    request_id String,
    source String,
    score Float64,
    score_micro UInt32,
    nps Nullable(UInt8),
    useful Nullable(UInt8),
    rater String,
    received_at_ms Int64,
    received_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(received_at_ms, 'UTC'),
    event String CODEC(ZSTD(3)),
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64,
    INDEX by_request request_id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(received_at_ms, 'UTC'))
ORDER BY (tenant, session_id, event_id, received_at_ms);

CREATE TABLE IF NOT EXISTS transcripts (
    request_id String,
    tenant String,
    session_id String,
    created_at_ms Int64,
    created_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(created_at_ms, 'UTC'),
    expires_at_ms Int64,
    provider String,
    model String,
    task String,
    request String CODEC(ZSTD(3)),
    response String CODEC(ZSTD(3)),
    event_id String,
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(created_at_ms, 'UTC'))
ORDER BY (tenant, session_id, created_at_ms, event_id)
TTL toDateTime(intDiv(expires_at_ms, 1000), 'UTC');

CREATE TABLE IF NOT EXISTS verdicts (
    event_id String,
    tenant String,
    session_id String,
    request_id String,
    action String,
    score Float64,
    category String,
    origin String,
    reached_at_ms Int64,
    reached_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(reached_at_ms, 'UTC'),
    event String CODEC(ZSTD(3)),
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(reached_at_ms, 'UTC'))
ORDER BY (tenant, session_id, request_id, event_id);

CREATE TABLE IF NOT EXISTS control (
    event_id String,
    tenant String,
    kind String,
    entity_id String,
    changed_at_ms Int64,
    changed_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(changed_at_ms, 'UTC'),
    actor String,
    deleted UInt8,
    before_sha256 String,
    after_sha256 String,
    reason String,
    event String CODEC(ZSTD(3)),
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64
) ENGINE = ReplacingMergeTree
ORDER BY (tenant, kind, entity_id, changed_at_ms, event_id);

CREATE TABLE IF NOT EXISTS weights (
    event_id String,
    scope String,
    version UInt64,
    published_at_ms Int64,
    published_at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(published_at_ms, 'UTC'),
    phase String,
    requests UInt64,
    rated_sessions UInt64,
    event String CODEC(ZSTD(3)),
    log_partition UInt16,
    log_offset UInt64,
    log_timestamp_ms Int64,
    ingested_at_ms Int64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(published_at_ms, 'UTC'))
ORDER BY (scope, version, event_id);
