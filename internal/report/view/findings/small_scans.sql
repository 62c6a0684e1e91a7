-- One query, many times a day, each charged for ten megabytes that it did not
-- scan. The saving is what is charged beyond what was scanned.
WITH small AS (
    SELECT account_id, region_name, query_fingerprint, query_execution_id, person, team, submission_date_time, cost, currency,
        CAST(submission_date_time AS DATE) AS day,
        CAST(round(CAST(cost AS DOUBLE) * (1e0 - CAST(data_scanned_bytes AS DOUBLE) / CAST(billed_bytes AS DOUBLE)), 9) AS DECIMAL(18,9)) AS saving
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND cost > 0 AND query_fingerprint IS NOT NULL AND query_execution_id IS NOT NULL
        AND data_scanned_bytes < {{.OfQueries.SmallScan}} AND billed_bytes >= {{.OfQueries.SmallScan}}
),
days AS (
    SELECT account_id, region_name, query_fingerprint, currency, day
    FROM small
    GROUP BY account_id, region_name, query_fingerprint, currency, day
    HAVING count(*) >= {{.OfQueries.SmallPerDay}}
),
numbered AS (
    SELECT s.*,
        row_number() OVER (
            PARTITION BY s.account_id, s.region_name, s.query_fingerprint, s.currency ORDER BY s.submission_date_time, s.query_execution_id
        ) AS place
    FROM small AS s
    JOIN days AS d
        ON d.account_id = s.account_id AND d.region_name = s.region_name AND d.query_fingerprint = s.query_fingerprint
        AND d.currency IS NOT DISTINCT FROM s.currency AND d.day = s.day
)
SELECT {{severalOf "person"}} AS person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'one query ran ' || CAST(count(*) AS VARCHAR) || ' times on ' || CAST(count(DISTINCT day) AS VARCHAR) || CASE WHEN count(DISTINCT day) = 1 THEN ' day' ELSE ' days' END || ', each charged for 10 MB that it did not scan' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost, CAST(sum(saving) AS DECIMAL(38,9)) AS saving, currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM numbered
GROUP BY account_id, region_name, query_fingerprint, currency
