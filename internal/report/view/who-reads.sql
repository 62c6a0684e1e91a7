-- One row per person, team, tool, account, region and currency that read or
-- changed one table, the dearest first. An execution counts whole, also where
-- it touched other tables.
WITH named AS (
    SELECT {{.Argument}} AS table_name
),
its AS (
    SELECT e.*, 'sql' AS kind, coalesce(contains(e.tables_written, n.table_name), false) AS written
    FROM query_executions AS e
    CROSS JOIN named AS n
    WHERE contains(e.tables_accessed, n.table_name)
),
usage AS (
    SELECT account_id, region_name, person, person_kind, person_source, team, tool, submission_date_time, query_execution_id, event_id, written, state,
        data_scanned_bytes, currency AS own_currency,
        CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END AS cost,
        CAST(1 AS BIGINT) AS executions,
        CASE WHEN data_scanned_bytes IS NULL THEN 0 ELSE 1 END AS known,
        CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END AS failed
    FROM its
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND gap IS DISTINCT FROM 'not_started' AND {{.Ranked}}
        {{- .AndWhere}}
),
paid AS ({{paid "person" "person_kind" "person_source" "team" "tool" "account_id" "region_name"}}),
placed AS (
    SELECT paid.*,
        row_number() OVER (
            PARTITION BY person, person_kind, person_source, team, tool, account_id, region_name, currency
            ORDER BY submission_date_time DESC, query_execution_id NULLS LAST, event_id NULLS LAST
        ) AS place
    FROM paid
),
readers AS (
    SELECT person, person_kind, person_source, team, tool, account_id, region_name,
        CAST(sum(executions) AS BIGINT) AS executions,
        {{unlessUnknown "failed" "true"}} AS failed,
        count(CASE WHEN NOT written THEN 1 END) AS reads, count(CASE WHEN written THEN 1 END) AS writes,
        {{unlessUnknown "data_scanned_bytes" "true"}} AS data_scanned_bytes,
        sum(cost) AS cost, currency,
        min(submission_date_time) AS first_seen, max(submission_date_time) AS last_run,
        max(CASE WHEN place = 1 THEN query_execution_id END) AS query_execution_id
    FROM placed
    GROUP BY person, person_kind, person_source, team, tool, account_id, region_name, currency
)
SELECT person, person_kind, person_source, team, tool, account_id, region_name, executions, failed, reads, writes,
    data_scanned_bytes, cost, currency, first_seen, last_run, query_execution_id
FROM readers
ORDER BY cost DESC NULLS LAST, data_scanned_bytes DESC NULLS LAST, executions DESC,
    person NULLS LAST, person_kind NULLS LAST, person_source NULLS LAST, team NULLS LAST, tool NULLS LAST, account_id, region_name, currency NULLS LAST
{{.Limit}}
