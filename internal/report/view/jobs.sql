-- One row per job of a tool (a dbt node, a dashboard's query) and currency, the
-- dearest first: all its executions together, since one run of a job may be
-- many. Nothing is left out: a job's probes are part of what it costs. The
-- detail of a driver or an SDK is the application that uses it, which is no job.
WITH {{template "usage" .}},
paid AS ({{paid "tool" "tool_detail"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
days AS (
    SELECT * FROM (VALUES
        {{range $i, $d := .Days}}{{if $i}},
        {{end}}({{$d.Label}}, {{$d.Start}}, {{$d.Stop}}){{end}}
    ) AS d (day, starts, stops)
),
dated AS (
    SELECT paid.*, d.day,
        row_number() OVER (
            PARTITION BY paid.tool, paid.tool_detail, paid.currency, paid.cur
            ORDER BY CASE WHEN paid.query_execution_id IS NULL THEN 1 ELSE 0 END, paid.cost DESC NULLS LAST,
                paid.moment DESC, paid.query_execution_id, paid.event_id NULLS LAST
        ) AS place
    FROM paid
    LEFT JOIN days AS d ON paid.moment >= d.starts AND paid.moment < d.stops
    WHERE paid.tool_detail IS NOT NULL AND paid.tool NOT LIKE 'sdk-%'
        AND paid.tool NOT IN ('jdbc', 'odbc', 'boto3', 'pyathena', 'awswrangler', 'aws-cli', 'ai-agent', 'aws-service', 'unknown')
),
jobs AS (
    SELECT tool, tool_detail, currency,
        {{several "team"}} AS team,
        count(DISTINCT CASE WHEN executions > 0 THEN day END) AS days,
        sum(CASE WHEN cur AND cost IS NOT NULL THEN executions END) AS priced,
        max(CASE WHEN cur AND place = 1 THEN query_execution_id END) AS query_execution_id,
        {{template "measures" .}}
    FROM dated
    GROUP BY tool, tool_detail, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT j.tool, j.tool_detail, j.team, j.people, j.days,
    {{amounts "j" "total"}},
    {{each "j.cost" "j.priced"}} AS cost_per_execution,
    {{each "j.cost" "j.days"}} AS cost_per_day,
    j.last_seen, j.query_execution_id
FROM jobs AS j
LEFT JOIN total ON total.currency = j.currency
ORDER BY j.cost DESC NULLS LAST, j.data_scanned_bytes DESC NULLS LAST, j.executions DESC,
    j.tool NULLS LAST, j.tool_detail, j.currency NULLS LAST
{{.Limit}}
