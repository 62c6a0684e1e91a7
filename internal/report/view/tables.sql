{{- /*
touched: one row per row of table_rollup, or per execution and table (or
database) where the roll-up cannot answer, as usage is of executions. An
execution counts whole for each. Calls that were refused touched nothing.
*/ -}}
{{define "touched" -}}
base AS (
{{- if .Rollup}}
    SELECT table_name, written, slot AS moment, slot, account_id, region_name, person, person_kind, team, gap, cost_basis, currency, probe, own,
        executions, known, failed, data_scanned_bytes, cost
    FROM table_rollup
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND slot >= {{.Since}} AND slot < {{.To}}
        {{- .AndWhere}}
{{- else}}
    SELECT {{.Touch.Name}}, written, moment, {{template "quarter_hour"}} AS slot,
        account_id, region_name, person, person_kind, team, gap, cost_basis, currency, probe, own,
        CAST(1 AS BIGINT) AS executions,
        CAST(CASE WHEN data_scanned_bytes IS NULL THEN 0 ELSE 1 END AS BIGINT) AS known,
        CAST(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END AS BIGINT) AS failed,
        coalesce(data_scanned_bytes, 0) AS data_scanned_bytes,
        coalesce(cost, CAST(0 AS DECIMAL(18,9))) AS cost
    FROM (
        SELECT e.*, 'sql' AS kind, e.submission_date_time AS moment, t.{{.Touch.Name}},
            coalesce(contains(e.tables_written, t.{{.Touch.Name}}), false) AS written
        FROM query_executions AS e
        CROSS JOIN UNNEST(e.{{.Touch.List}}) AS t ({{.Touch.Name}})
    ) AS e
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND moment >= {{.Since}} AND moment < {{.To}}
        {{- .AndWhere}}
{{- end}}
),
usage AS (
    SELECT {{.Touch.Name}}, written, moment, slot, account_id, region_name, person, person_kind, team, currency AS own_currency,
        moment >= {{.From}} AS cur,
        {{.Ranked}} AS ranked,
        executions, known, failed, data_scanned_bytes,
        CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END AS cost
    FROM base
    WHERE gap IS DISTINCT FROM 'not_started'
)
{{- end -}}

-- One row per table, account, region and currency, the dearest first. An
-- execution counts whole for each table that it touched.
WITH {{template "touched" .}},
paid AS ({{paid "table_name" "account_id" "region_name"}}),
days AS (
    SELECT * FROM (VALUES
        {{range $i, $d := .Days}}{{if $i}},
        {{end}}({{$d.Label}}, {{$d.Start}}, {{$d.Stop}}){{end}}
    ) AS d (day, starts, stops)
),
daily AS (
    SELECT p.table_name, p.account_id, p.region_name, p.currency, d.day, count(DISTINCT p.person) AS readers
    FROM paid AS p
    JOIN days AS d ON p.moment >= d.starts AND p.moment < d.stops
    WHERE p.ranked AND p.cur AND NOT p.written AND p.person_kind = 'human'
    GROUP BY p.table_name, p.account_id, p.region_name, p.currency, d.day
),
monthly AS (
    SELECT table_name, account_id, region_name, count(DISTINCT person) AS readers
    FROM (
{{- if .Rollup}}
        SELECT *
        FROM table_rollup
        WHERE dt >= {{.DayOfEnd 30}} AND dt <= {{.LastDay}} AND NOT written
            AND slot >= {{.DaysToEnd 30}} AND slot < {{.To}}
{{- else}}
        SELECT e.*, 'sql' AS kind, t.table_name
        FROM query_executions AS e
        CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
        WHERE e.dt >= {{.DayOfEnd 30}} AND e.dt <= {{.LastDay}} AND NOT coalesce(contains(e.tables_written, t.table_name), false)
            AND e.submission_date_time >= {{.DaysToEnd 30}} AND e.submission_date_time < {{.To}}
{{- end}}
    ) AS month
    WHERE gap IS DISTINCT FROM 'not_started' AND person_kind = 'human' AND {{.Ranked}}
        {{- .AndWhere}}
    GROUP BY table_name, account_id, region_name
),
readers AS (
    SELECT table_name, account_id, region_name, currency, CAST(sum(readers) AS BIGINT) AS person_days, max(readers) AS most
    FROM daily
    GROUP BY table_name, account_id, region_name, currency
),
teams AS (
    SELECT table_name, account_id, region_name, currency, team,
        row_number() OVER (
            PARTITION BY table_name, account_id, region_name, currency
            ORDER BY sum(executions) DESC, sum(cost) DESC NULLS LAST, team NULLS LAST
        ) AS place
    FROM paid
    WHERE ranked AND cur AND NOT written
    GROUP BY table_name, account_id, region_name, currency, team
),
touched AS (
    SELECT table_name, account_id, region_name, currency,
        count(DISTINCT CASE WHEN cur AND NOT written AND person_kind = 'human' THEN person END) AS readers,
        coalesce(CAST(sum(CASE WHEN cur THEN executions END) AS BIGINT), 0) AS executions,
        {{unlessUnknown "failed" "cur"}} AS failed,
        coalesce(CAST(sum(CASE WHEN cur AND NOT written THEN executions END) AS BIGINT), 0) AS reads,
        coalesce(CAST(sum(CASE WHEN cur AND written THEN executions END) AS BIGINT), 0) AS writes,
        count(DISTINCT CASE WHEN cur AND written THEN person END) AS writers,
        coalesce(CAST(sum(CASE WHEN cur THEN known END) AS BIGINT), 0) AS known,
        {{unlessUnknown "data_scanned_bytes" "cur"}} AS data_scanned_bytes,
        sum(CASE WHEN cur THEN cost END) AS cost,
        sum(CASE WHEN NOT cur THEN cost END) AS cost_before,
        max(CASE WHEN cur AND NOT written THEN slot END) AS last_read,
        max(CASE WHEN cur AND written THEN slot END) AS last_write
    FROM paid
    WHERE ranked
    GROUP BY table_name, account_id, region_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT t.table_name, {{databaseOfTable "t.table_name"}} AS database_accessed, t.account_id, t.region_name,
    t.readers, round(CAST(coalesce(r.person_days, 0) AS DOUBLE) / {{len .Days}}e0, 2) AS readers_per_day, coalesce(r.most, 0) AS readers_most,
    coalesce(o.readers, 0) AS readers_30_days,
    t.executions, t.failed, t.reads, t.writes, t.writers,
    t.data_scanned_bytes, t.cost, t.currency, t.cost_before,
    {{change "t.cost" "t.cost_before"}} AS cost_change_percent,
    {{percent "t.known" "t.executions"}} AS coverage_percent,
    t.last_read, t.last_write, m.team AS top_team
FROM touched AS t
LEFT JOIN readers AS r
    ON r.table_name = t.table_name AND r.account_id = t.account_id AND r.region_name = t.region_name AND r.currency IS NOT DISTINCT FROM t.currency
LEFT JOIN monthly AS o ON o.table_name = t.table_name AND o.account_id = t.account_id AND o.region_name = t.region_name
LEFT JOIN teams AS m
    ON m.place = 1 AND m.table_name = t.table_name AND m.account_id = t.account_id AND m.region_name = t.region_name AND m.currency IS NOT DISTINCT FROM t.currency
ORDER BY t.cost DESC NULLS LAST, t.data_scanned_bytes DESC NULLS LAST, t.executions DESC,
    t.table_name, t.account_id, t.region_name, t.currency NULLS LAST
{{.Limit}}
