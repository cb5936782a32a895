-- Sessions of a route with a choice that was recorded and not served; {route} is the condition on the rule.
SELECT uniqExact(session_id)
FROM requests
WHERE tenant = %(tenant)s AND created_at_ms >= %(since_ms)s AND strategy IN %(strategies)s AND {route}
    AND JSONExtractString(event, 'decision', 'stage') = 'shadow'
    AND JSONExtractString(event, 'decision', 'shadowed') != ''
