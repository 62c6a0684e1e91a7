-- One row per day, table, account, region and currency. An execution counts
-- whole for each of its tables, so that rows of several must not be added up.
WITH usage AS (
    SELECT dt, table_name, account_id, region_name, written, person, person_kind, executions, known, failed, data_scanned_bytes,
        CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END AS cost, currency AS own_currency, slot
    FROM table_rollup
    WHERE gap IS DISTINCT FROM 'not_started' AND {{.Ranked}}
),
paid AS ({{paid "dt" "table_name" "account_id" "region_name"}})
SELECT dt, table_name, account_id, region_name,
    count(DISTINCT CASE WHEN NOT written AND person_kind = 'human' THEN person END) AS readers,
    CAST(sum(executions) AS BIGINT) AS executions,
    {{unlessUnknown "failed" "true"}} AS failed,
    CAST(sum(CASE WHEN written THEN 0 ELSE executions END) AS BIGINT) AS reads,
    CAST(sum(CASE WHEN written THEN executions ELSE 0 END) AS BIGINT) AS writes,
    {{unlessUnknown "data_scanned_bytes" "true"}} AS data_scanned_bytes,
    sum(cost) AS cost, currency, max(slot) AS last_seen
FROM paid
GROUP BY dt, table_name, account_id, region_name, currency
