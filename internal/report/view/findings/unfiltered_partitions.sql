-- Executions that scanned much of a table and whose SQL names none of the
-- columns by which it is partitioned, as the catalog or the user says, so that
-- it cannot filter on them. What those that name one scan on average is what
-- these could have.
WITH {{template "listed" .}},
partitioned AS (
    SELECT c.table_name, c.account_id, c.region_name, lower(p.column_name) AS column_name
    FROM listed AS c
    CROSS JOIN UNNEST(c.partition_columns) AS p (column_name)
    WHERE NOT c.gone
{{- if .PartitionColumns}}
    UNION ALL
    SELECT p.table_name, 'unknown', 'unknown', p.column_name
    FROM (VALUES
        {{range $i, $c := .PartitionColumns}}{{if $i}},
        {{end}}(lower(CAST({{$.Bind $c.Table}} AS VARCHAR)), lower(CAST({{$.Bind $c.Column}} AS VARCHAR))){{end}}
    ) AS p (table_name, column_name)
{{- end}}
),
texts AS (
    SELECT {{join .TextKey}}, lower(query_string) AS query_string
    FROM (
        {{template "window_texts" .}}
    ) AS t
    WHERE query_string IS NOT NULL
),
reads AS (
    SELECT e.account_id, e.region_name, e.query_execution_id, e.event_id, e.query_fingerprint, e.person, e.team, e.submission_date_time,
        e.data_scanned_bytes, e.cost, e.currency, t.table_name, x.query_string
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
    JOIN texts AS x ON {{.TextOf "x" "e"}}
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
        AND e.submission_date_time >= {{.From}} AND e.submission_date_time < {{.To}}
        AND {{.Ranked}} AND e.statement_type = 'DML' AND e.data_scanned_bytes > 0
        AND NOT coalesce(contains(e.tables_written, t.table_name), false)
),
judged AS (
    SELECT r.account_id, r.region_name, r.table_name, r.query_execution_id, r.event_id, r.query_fingerprint, r.person, r.team, r.submission_date_time,
        r.data_scanned_bytes, r.cost, r.currency,
        max(CASE WHEN strpos(r.query_string, p.column_name) > 0 THEN 1 ELSE 0 END) AS named
    FROM reads AS r
    JOIN partitioned AS p ON p.table_name = r.table_name AND p.account_id IN (r.account_id, 'unknown') AND p.region_name IN (r.region_name, 'unknown')
    GROUP BY r.account_id, r.region_name, r.table_name, r.query_execution_id, r.event_id, r.query_fingerprint, r.person, r.team, r.submission_date_time,
        r.data_scanned_bytes, r.cost, r.currency
),
usual AS (
    SELECT account_id, region_name, table_name, CAST(sum(data_scanned_bytes) AS DOUBLE) / count(*) AS scans
    FROM judged
    WHERE named = 1
    GROUP BY account_id, region_name, table_name
),
unfiltered AS (
    SELECT j.*,
        CASE WHEN u.scans IS NULL THEN NULL WHEN u.scans >= j.data_scanned_bytes THEN CAST(0 AS DECIMAL(18,9))
            ELSE CAST(round(CAST(j.cost AS DOUBLE) * (1e0 - u.scans / CAST(j.data_scanned_bytes AS DOUBLE)), 9) AS DECIMAL(18,9)) END AS saving,
        row_number() OVER (
            PARTITION BY j.account_id, j.region_name, j.table_name, j.person, j.query_fingerprint, j.currency
            ORDER BY j.data_scanned_bytes DESC, j.submission_date_time, j.query_execution_id NULLS LAST, j.event_id NULLS LAST
        ) AS place
    FROM judged AS j
    LEFT JOIN usual AS u ON u.account_id = j.account_id AND u.region_name = j.region_name AND u.table_name = j.table_name
    WHERE j.named = 0 AND j.data_scanned_bytes >= {{.OfQueries.ScanAtLeast}}
)
SELECT person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'read ' || table_name || ' without naming a column that it is partitioned by, up to ' || CAST(CAST(floor(CAST(max(data_scanned_bytes) AS DOUBLE) / 1e9) AS BIGINT) AS VARCHAR) || ' GB at a time' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost, CAST(sum(saving) AS DECIMAL(38,9)) AS saving, currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM unfiltered
GROUP BY account_id, region_name, table_name, person, query_fingerprint, currency
