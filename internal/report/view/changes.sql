-- One row per dimension, value of it and currency, what moved most first. Each
-- dimension tells of the same executions and sessions, so each adds up to the
-- same change. Where nothing ran the cost is 0; where something ran and no cost is known it
-- is NULL, and so is the difference. Such a row still has its place among the
-- others, by what is known.
WITH {{template "usage" .}},
moved AS (
{{- range $i, $by := .View.By}}
    {{- if $i}}
    UNION ALL
    {{- end}}
    SELECT {{$i}} AS place, '{{$by}}' AS dimension, {{$by}} AS name,
        {{if eq $by "work_group_name"}}account_id, region_name{{else}}CAST(NULL AS VARCHAR) AS account_id, CAST(NULL AS VARCHAR) AS region_name{{end}}, currency,
        coalesce(CAST(sum(CASE WHEN cur THEN executions END) AS BIGINT), 0) AS executions,
        coalesce(CAST(sum(CASE WHEN NOT cur THEN executions END) AS BIGINT), 0) AS executions_before,
        coalesce(CAST(sum(CASE WHEN cur THEN sessions END) AS BIGINT), 0) AS sessions,
        coalesce(CAST(sum(CASE WHEN NOT cur THEN sessions END) AS BIGINT), 0) AS sessions_before,
        {{unlessUnknown "data_scanned_bytes" "cur"}} AS data_scanned_bytes,
        {{unlessUnknown "data_scanned_bytes" "NOT cur"}} AS data_scanned_bytes_before,
        sum(CASE WHEN cur THEN cost END) AS known_cost,
        sum(CASE WHEN NOT cur THEN cost END) AS known_before
    FROM ({{if eq $by "work_group_name"}}{{paid "account_id" "region_name" "work_group_name"}}{{else}}{{paid $by}}{{end}}    ) AS paid
    WHERE ranked
    GROUP BY 3, 4, 5, 6
    HAVING sum(executions + sessions) > 0
{{- end}}
),
priced AS (
    SELECT moved.*,
        CASE WHEN executions + sessions = 0 THEN CAST(0 AS DECIMAL(38,9)) ELSE known_cost END AS cost,
        CASE WHEN executions_before + sessions_before = 0 THEN CAST(0 AS DECIMAL(38,9)) ELSE known_before END AS cost_before
    FROM moved
)
SELECT dimension, name, account_id, region_name,
    cost, cost_before, cost - cost_before AS cost_difference,
    {{change "cost" "cost_before"}} AS cost_change_percent,
    CASE WHEN executions_before + sessions_before = 0 THEN 'new' WHEN executions + sessions = 0 THEN 'gone' END AS status, currency,
    data_scanned_bytes, data_scanned_bytes_before, executions, executions_before, sessions, sessions_before
FROM priced
ORDER BY abs(coalesce(cost, CAST(0 AS DECIMAL(38,9))) - coalesce(cost_before, CAST(0 AS DECIMAL(38,9)))) DESC,
    abs(coalesce(data_scanned_bytes, 0) - coalesce(data_scanned_bytes_before, 0)) DESC,
    place, name NULLS LAST, account_id NULLS LAST, region_name NULLS LAST, currency NULLS LAST
{{.Limit}}
