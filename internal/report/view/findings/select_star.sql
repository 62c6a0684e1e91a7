-- SELECT * FROM a table, again and again, that scans much. How wide the table
-- is and which columns are needed the lake does not know, so that no saving is
-- told.
WITH texts AS (
    SELECT {{join .TextKey}},
        lower(trim(replace(replace(replace(query_string, chr(10), ' '), chr(13), ' '), '  ', ' '))) AS query_string
    FROM (
        {{template "window_texts" .}}
    ) AS t
),
stars AS (
    SELECT e.account_id, e.region_name, e.query_fingerprint, e.query_execution_id, e.person, e.team, e.submission_date_time, e.data_scanned_bytes, e.cost, e.currency,
        e.tables_accessed,
        row_number() OVER (
            PARTITION BY e.account_id, e.region_name, e.query_fingerprint, e.currency
            ORDER BY e.data_scanned_bytes DESC, e.submission_date_time, e.query_execution_id
        ) AS place
    FROM query_executions AS e
    JOIN texts AS x ON {{.TextOf "x" "e"}}
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
        AND e.submission_date_time >= {{.From}} AND e.submission_date_time < {{.To}}
        AND {{.Ranked}} AND e.state = 'SUCCEEDED' AND NOT coalesce(e.reused_result, false)
        AND e.query_fingerprint IS NOT NULL AND e.query_execution_id IS NOT NULL AND e.data_scanned_bytes IS NOT NULL
        AND x.query_string LIKE 'select * from %' AND x.query_string NOT LIKE 'select * from (%'
)
SELECT {{severalOf "person"}} AS person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'SELECT * FROM ' || coalesce(min({{listFirst "tables_accessed"}}), 'a table') || ' ran ' || CAST(count(*) AS VARCHAR) || ' times and scanned '
        || CAST(CAST(round(CAST(sum(data_scanned_bytes) AS DOUBLE) / count(*) / 1e9) AS BIGINT) AS VARCHAR) || ' GB each' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM stars
GROUP BY account_id, region_name, query_fingerprint, currency
HAVING count(*) >= {{.OfQueries.StarRuns}} AND sum(data_scanned_bytes) >= count(*) * {{.OfQueries.StarAtLeast}}
