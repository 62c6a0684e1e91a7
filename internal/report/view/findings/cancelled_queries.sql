-- What people's cancelled executions cost together: Athena charges for what was
-- scanned until then.
WITH cancelled AS (
    SELECT account_id, region_name, person, team, query_execution_id, submission_date_time, cost, currency,
        row_number() OVER (PARTITION BY account_id, region_name, person, currency ORDER BY cost DESC, submission_date_time, query_execution_id) AS place
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND state = 'CANCELLED' AND cost > 0 AND query_execution_id IS NOT NULL
)
SELECT person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    CAST(count(*) AS VARCHAR) || CASE WHEN count(*) = 1 THEN ' execution of ' || person || ' was' ELSE ' executions of ' || person || ' were' END || ' cancelled, and charged for what had been scanned' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost, CAST(sum(cost) AS DECIMAL(38,9)) AS saving, currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM cancelled
GROUP BY account_id, region_name, person, currency
HAVING sum(cost) >= {{.OfQueries.CancelledCost}}
