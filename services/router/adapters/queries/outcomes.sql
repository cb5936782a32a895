-- Rated sessions of a route by task and side: those that routing led away from the baseline at least once, and the others.
-- The first rating of a session counts, as in learning; {route} is the condition on the rule.
SELECT
    task, routed, count(), sum(score), sum(score * score), sum(toFloat64(cost)), sum(toFloat64(cost) * toFloat64(cost))
FROM (
    SELECT
        session_id,
        argMin(task, (created_at_ms, request_id)) AS task,
        max(model != baseline) AS routed,
        sum(cost_micro_usd) AS cost
    FROM (
        SELECT session_id, task, created_at_ms, request_id, model, baseline, cost_micro_usd
        FROM requests
        WHERE tenant = %(tenant)s AND created_at_ms >= %(since_ms)s AND strategy IN %(strategies)s AND {route}
            AND counts = 1 AND session_inferred = 0 AND baseline != ''
        LIMIT 1 BY request_id
    )
    GROUP BY session_id
) AS served
INNER JOIN (
    SELECT session_id, argMin(score, (received_at_ms, event_id)) AS score
    FROM feedback FINAL
    WHERE tenant = %(tenant)s AND source = 'session' AND request_id = '' AND received_at_ms >= %(since_ms)s
    GROUP BY session_id
) AS rated USING session_id
GROUP BY task, routed
ORDER BY task, routed
