-- One query of one person that failed again and again on one day of UTC.
WITH failed AS (
    SELECT account_id, region_name, person, team, query_fingerprint, query_execution_id, submission_date_time, total_ms,
        state_change_reason, error_message,
        CAST(submission_date_time AS DATE) AS day,
        row_number() OVER (
            PARTITION BY account_id, region_name, person, query_fingerprint, CAST(submission_date_time AS DATE) ORDER BY submission_date_time, query_execution_id
        ) AS place
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND state = 'FAILED' AND query_fingerprint IS NOT NULL AND query_execution_id IS NOT NULL
)
SELECT person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'one query failed ' || CAST(count(*) AS VARCHAR) || ' times in a day, after ' || {{duration "(coalesce(CAST(sum(total_ms) AS BIGINT), 0) + 59999)"}} || ' in all: '
        || coalesce(substr(min(coalesce(error_message, state_change_reason)), 1, 100), 'no reason is known') AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM failed
GROUP BY account_id, region_name, person, query_fingerprint, day
HAVING count(*) >= {{.OfQueries.FailuresPerDay}}
