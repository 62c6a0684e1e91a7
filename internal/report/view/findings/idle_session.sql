-- Sessions that nothing ran in for long before they ended, or that go on so.
-- What no calculation used is what could have been saved, at most: a notebook
-- that is read and written between its cells is idle too.
WITH {{template "lived" .}}
SELECT person, team, last_work AS seen_at,
    'session ' || session_id || ' did nothing for ' || {{duration "idle_end_ms"}}
        || CASE WHEN ended_at IS NULL THEN ' and goes on' WHEN ended_by IS NULL THEN ' until Athena ended it' ELSE ' until ' || ended_by || ' ended it' END AS what,
    CAST(1 AS BIGINT) AS times,
    CAST(cost AS DECIMAL(38,9)) AS cost, CAST(idle_cost AS DECIMAL(38,9)) AS saving, currency,
    session_id AS evidence, account_id, region_name
FROM lived
WHERE session_id IS NOT NULL AND idle_end_ms >= {{.Thresholds.IdleMillis}}
