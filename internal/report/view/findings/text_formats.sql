-- Tables of text files that were scanned often. Only executions that read one
-- table are looked at, because the bytes of others cannot be divided. The
-- saving is what a third of the bytes would not have cost, and not told of
-- files that are compressed already.
WITH {{template "listed" .}},
texts AS (
    SELECT table_name, account_id, region_name, table_format, coalesce(compression, '') AS compression
    FROM listed
    WHERE NOT gone AND table_format IN ('csv', 'tsv', 'json', 'text')
),
reads AS (
    SELECT e.account_id, e.region_name, e.query_execution_id, e.person, e.team, e.submission_date_time, e.data_scanned_bytes, e.cost, e.currency, t.table_name
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
        AND e.submission_date_time >= {{.From}} AND e.submission_date_time < {{.To}}
        AND {{.Ranked}} AND e.statement_type = 'DML' AND e.cost > 0 AND e.query_execution_id IS NOT NULL
        AND {{listLength "e.tables_accessed"}} - coalesce({{listLength "e.tables_written"}}, 0) = 1
        AND NOT coalesce(contains(e.tables_written, t.table_name), false)
),
matched AS (
    SELECT r.*, x.table_format, x.compression,
        row_number() OVER (
            PARTITION BY r.query_execution_id, r.account_id, r.region_name
            ORDER BY CASE WHEN x.account_id = r.account_id THEN 0 ELSE 1 END, CASE WHEN x.region_name = r.region_name THEN 0 ELSE 1 END
        ) AS choice
    FROM reads AS r
    JOIN texts AS x ON x.table_name = r.table_name AND x.account_id IN (r.account_id, 'unknown') AND x.region_name IN (r.region_name, 'unknown')
),
numbered AS (
    SELECT matched.*,
        row_number() OVER (PARTITION BY account_id, region_name, table_name, currency ORDER BY cost DESC, submission_date_time, query_execution_id) AS place
    FROM matched
    WHERE choice = 1
)
SELECT {{severalOf "person"}} AS person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'read ' || table_name || ', which is ' || upper(min(table_format)) || CASE WHEN min(compression) IN ('', 'none') THEN '' ELSE ' in ' || min(compression) END
        || ', and scanned ' || CAST(CAST(round(CAST(sum(data_scanned_bytes) AS DOUBLE) / 1e9) AS BIGINT) AS VARCHAR) || ' GB: as Parquet it would be less, and read by column' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost,
    CASE WHEN min(compression) IN ('', 'none') THEN CAST(round(CAST(sum(cost) AS DOUBLE) * (1e0 - 1e0 / {{.OfQueries.ParquetRatio}}e0), 9) AS DECIMAL(38,9)) END AS saving,
    currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM numbered
GROUP BY account_id, region_name, table_name, currency
HAVING count(*) >= {{.OfQueries.TextRuns}} AND sum(cost) >= {{.OfQueries.TextCost}}
