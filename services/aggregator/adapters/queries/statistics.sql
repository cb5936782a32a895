-- Everything that the learner keeps, from the log: rows of (tenant, task, field, value), counters under an empty task.
-- It repeats the arithmetic of libs/routing/credit.py and of the aggregator's domain in integers, so that equality is exact.
-- {applied_requests} and {applied_feedback} say which rows the learner has applied.
WITH
hops AS (
    SELECT tenant, session_id, request_id, task, model, intDiv(created_at_ms, 86400000) AS day, session_inferred AS inferred
    FROM requests FINAL
    WHERE counts = 1 AND ({applied_requests})
    ORDER BY tenant, session_id, request_id
    LIMIT {max_hops} BY tenant, session_id
),
first_ratings AS (
    SELECT tenant, session_id, source, request_id, argMin(score_micro, (received_at_ms, event_id)) AS score
    FROM feedback FINAL
    WHERE {applied_feedback}
    GROUP BY tenant, session_id, source, request_id
),
ratings AS (
    SELECT * FROM first_ratings
    ORDER BY tenant, session_id, source, request_id
    LIMIT {max_ratings} BY tenant, session_id, source
),
-- A hop's own rating goes before that of its session, which never reaches an inferred one.
reached AS (
    SELECT tenant, session_id, source, request_id, any(task) AS task, any(model) AS model, any(day) AS day,
        argMax(score, own) AS x
    FROM (
        SELECT h.tenant AS tenant, h.session_id AS session_id, r.source AS source, h.request_id AS request_id,
            h.task AS task, h.model AS model, h.day AS day, r.score AS score, r.request_id != '' AS own
        FROM hops AS h
        INNER JOIN ratings AS r ON h.tenant = r.tenant AND h.session_id = r.session_id
        WHERE r.request_id = h.request_id OR (r.request_id = '' AND h.inferred = 0)
    )
    GROUP BY tenant, session_id, source, request_id
),
weighted AS (
    SELECT tenant, task, model, source, day, toInt64(x) AS score,
        intDiv(1000000, hops_rated) + if(rank < modulo(1000000, hops_rated), 1, 0) AS weight
    FROM (
        SELECT *,
            toInt64(count() OVER (PARTITION BY tenant, session_id, source)) AS hops_rated,
            toInt64(row_number() OVER (PARTITION BY tenant, session_id, source ORDER BY request_id)) - 1 AS rank
        FROM reached
    )
),
observed AS (
    SELECT * FROM requests FINAL WHERE {applied_requests}
)

SELECT tenant, task, concat('s:', source, ':', toString(day), ':', sums.1, ':', model) AS field, sums.2 AS value
FROM (
    SELECT tenant, task, model, source, day, arrayJoin([
        ('n', toInt64(sum(weight))),
        ('sum_x', toInt64(sum(intDiv(weight * score, 1000000)))),
        ('sum_xx', toInt64(sum(intDiv(weight * score * score, 1000000000000))))
    ]) AS sums
    FROM weighted
    GROUP BY tenant, task, model, source, day
)

UNION ALL

SELECT tenant, task, concat('o:', toString(day), ':', sums.1, ':', model) AS field, sums.2 AS value
FROM (
    SELECT tenant, task, model, intDiv(created_at_ms, 86400000) AS day, arrayJoin([
        ('requests', toInt64(count())),
        ('fresh_input', toInt64(sum(fresh_input))),
        ('cache_read', toInt64(sum(cache_read))),
        ('cache_write', toInt64(sum(cache_write))),
        ('output', toInt64(sum(output))),
        ('reasoning', toInt64(sum(reasoning))),
        ('cost_micro_usd', toInt64(sum(cost_micro_usd))),
        ('latency_ms', toInt64(sum(latency_ms)))
    ]) AS sums
    FROM observed
    WHERE counts = 1
    GROUP BY tenant, task, model, day
)

UNION ALL

SELECT tenant, task, concat('o:', toString(day), ':errors:', failed) AS field, toInt64(count()) AS value
FROM (
    SELECT tenant, task, intDiv(created_at_ms, 86400000) AS day, arrayJoin(failed_models) AS failed
    FROM observed
    WHERE decided = 1
)
GROUP BY tenant, task, day, failed

UNION ALL

SELECT tenant, '' AS task, 'requests' AS field, toInt64(count()) AS value
FROM observed
WHERE status IN ('ok', 'cache_hit')
GROUP BY tenant

UNION ALL

SELECT h.tenant AS tenant, '' AS task, 'rated_sessions' AS field, toInt64(uniqExact(h.session_id)) AS value
FROM hops AS h
INNER JOIN ratings AS r ON h.tenant = r.tenant AND h.session_id = r.session_id
WHERE h.inferred = 0 AND r.source = 'session' AND r.request_id = ''
GROUP BY h.tenant
