-- One row per database whose tables were touched, account, region and
-- currency, the dearest first. An execution counts whole for each database.
WITH {{template "touched" .}},
paid AS ({{paid "database_accessed" "account_id" "region_name"}}),
teams AS (
    SELECT database_accessed, account_id, region_name, currency, team,
        row_number() OVER (
            PARTITION BY database_accessed, account_id, region_name, currency
            ORDER BY sum(executions) DESC, sum(cost) DESC NULLS LAST, team NULLS LAST
        ) AS place
    FROM paid
    WHERE ranked AND cur
    GROUP BY database_accessed, account_id, region_name, currency, team
),
touched AS (
    SELECT database_accessed, account_id, region_name, currency,
        count(DISTINCT CASE WHEN cur AND person_kind = 'human' THEN person END) AS people,
        coalesce(CAST(sum(CASE WHEN cur THEN executions END) AS BIGINT), 0) AS executions,
        {{unlessUnknown "failed" "cur"}} AS failed,
        coalesce(CAST(sum(CASE WHEN cur THEN known END) AS BIGINT), 0) AS known,
        {{unlessUnknown "data_scanned_bytes" "cur"}} AS data_scanned_bytes,
        sum(CASE WHEN cur THEN cost END) AS cost,
        sum(CASE WHEN NOT cur THEN cost END) AS cost_before,
        max(CASE WHEN cur THEN slot END) AS last_seen
    FROM paid
    WHERE ranked
    GROUP BY database_accessed, account_id, region_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT d.database_accessed, d.account_id, d.region_name, d.people, d.executions, d.failed,
    d.data_scanned_bytes, d.cost, d.currency, d.cost_before,
    {{change "d.cost" "d.cost_before"}} AS cost_change_percent,
    {{percent "d.known" "d.executions"}} AS coverage_percent,
    d.last_seen, m.team AS top_team
FROM touched AS d
LEFT JOIN teams AS m
    ON m.place = 1 AND m.database_accessed = d.database_accessed AND m.account_id = d.account_id AND m.region_name = d.region_name AND m.currency IS NOT DISTINCT FROM d.currency
ORDER BY d.cost DESC NULLS LAST, d.data_scanned_bytes DESC NULLS LAST, d.executions DESC,
    d.database_accessed, d.account_id, d.region_name, d.currency NULLS LAST
{{.Limit}}
