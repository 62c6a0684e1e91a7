{{- /*
Parts that views share. A view's file is a Go template of one SELECT:
times and dates are literals that the program writes, what a user typed is a
bound parameter.

usage: one row per row of usage_rollup, or per execution and per Spark session
where the roll-up cannot answer, with the same columns. Its column cur tells the
window from the one before it. Of executions it also has the columns that the
view names as extra.

A session adds its cost, its DPU time and itself, and nothing to what is counted
of SQL: it is no execution. Sessions that were refused never were, so they are
left out, and views of SQL alone leave out all of them.
*/ -}}
{{define "usage" -}}
base AS (
{{- if .Gathered}}
    SELECT * FROM gathered
    {{- if .SQLOnly}}
    WHERE kind = 'sql'
    {{- end}}
{{- else if .Held}}
    {{.HeldRows}}
{{- else if .Rollup}}
    SELECT slot AS moment, slot, {{if .Daily}}dt, {{end}}{{join .Keys}},
        executions, known, failed, reused, data_scanned_bytes, billed_bytes, cost, dpu_ms
        {{- if .Latencies}},
        {{range .Buckets}}latency_{{printf "%02d" .K}}{{if not .Last}}, {{end}}{{end}}
        {{- end}}
    FROM usage_rollup
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND slot >= {{.Since}} AND slot < {{.To}}
        {{- if .SQLOnly}}
        AND kind = 'sql'
        {{- end}}
        {{- .AndWhere}}
{{- else}}
    SELECT moment, slot, {{join .Keys}}, {{range .Extra}}{{.}}, {{end}}
        CAST(1 AS BIGINT) AS executions,
        CAST(CASE WHEN CASE WHEN kind = 'spark' THEN dpu_ms ELSE data_scanned_bytes END IS NULL THEN 0 ELSE 1 END AS BIGINT) AS known,
        CAST(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END AS BIGINT) AS failed,
        CAST(CASE WHEN reused_result THEN 1 ELSE 0 END AS BIGINT) AS reused,
        coalesce(data_scanned_bytes, 0) AS data_scanned_bytes,
        coalesce(billed_bytes, 0) AS billed_bytes,
        coalesce(cost, CAST(0 AS DECIMAL(18,9))) AS cost,
        coalesce(dpu_ms, 0) AS dpu_ms
        {{- if .Latencies}},
        {{range .Buckets}}
        CAST(CASE WHEN {{if .First}}total_ms <= {{.Edge}}{{else if .Last}}total_ms > {{.Below}}{{else}}total_ms > {{.Below}} AND total_ms <= {{.Edge}}{{end}} THEN 1 ELSE 0 END AS BIGINT) AS latency_{{printf "%02d" .K}}{{if not .Last}},{{end}}
        {{- end}}
        {{- end}}
    FROM (
        SELECT *,
            {{template "quarter_hour"}} AS slot
        FROM (
            {{.Ran}}
        ) AS ran
    ) AS e
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND moment >= {{.Since}} AND moment < {{.To}}
        {{- .AndWhere}}
{{- end}}
),
usage AS (
{{template "weighed" (.Of "base")}}
)
{{- end}}

{{- /*
texts: the SQL of the window's executions, with the columns that TextOf joins by.
*/ -}}
{{define "texts" -}}
{{if .Numbered -}}
SELECT text_id, query_string
    FROM held_texts
    WHERE true
{{- else -}}
SELECT account_id, region_name, CAST(dt AS VARCHAR) AS text_dt, text_hash, query_string
    FROM query_texts
    WHERE dt >= {{.FirstTextDay}} AND dt <= {{.LastTextDay}}
{{- end}}
{{- end}}

{{- /*
window_texts: texts, and where they are held those alone that ran in the window.
*/ -}}
{{define "window_texts" -}}
{{template "texts" .}}
{{- if .Numbered}}
        AND text_id IN (SELECT text_id FROM query_executions WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}})
{{- end}}
{{- end}}

{{- /*
weighed: the rows of base as usage counts them.
*/ -}}
{{define "weighed" -}}
    SELECT moment, slot, {{if .Daily}}dt, {{end}}{{join .KeysButCurrency}}, {{range .Extra}}{{.}}, {{end}}currency AS own_currency,
        {{.Cur}} AS cur,
        {{.Ranked}} AS ranked,
        CASE WHEN gap = 'not_started' OR kind = 'spark' THEN 0 ELSE executions END AS executions,
        CASE WHEN gap = 'not_started' THEN executions ELSE 0 END AS not_started,
        CASE WHEN gap = 'not_started' OR kind = 'spark' THEN 0 ELSE failed END AS failed,
        CASE WHEN kind = 'spark' THEN executions ELSE 0 END AS sessions,
        CASE WHEN kind = 'spark' THEN 0 ELSE known END AS known,
        CASE WHEN kind = 'spark' THEN known ELSE 0 END AS known_sessions,
        reused, data_scanned_bytes, billed_bytes, dpu_ms,
        CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END AS cost
        {{- if .Latencies}},
        {{range .Buckets}}latency_{{printf "%02d" .K}}{{if not .Last}}, {{end}}{{end}}
        {{- end}}
    FROM {{.Relation}}
    WHERE kind <> 'spark' OR gap IS DISTINCT FROM 'not_started'
{{- end}}

{{- /*
measures: the sums of one group, of the window unless they say before.
*/ -}}
{{define "measures" -}}
coalesce(CAST(sum(CASE WHEN cur THEN executions END) AS BIGINT), 0) AS executions,
        coalesce(CAST(sum(CASE WHEN cur THEN not_started END) AS BIGINT), 0) AS not_started,
        {{unlessUnknown "failed" "cur"}} AS failed,
        coalesce(CAST(sum(CASE WHEN cur THEN sessions END) AS BIGINT), 0) AS sessions,
        coalesce(CAST(sum(CASE WHEN cur THEN known + known_sessions END) AS BIGINT), 0) AS known,
        CAST(sum(CASE WHEN cur AND known_sessions > 0 THEN dpu_ms END) AS BIGINT) AS dpu_ms,
        coalesce(CAST(sum(CASE WHEN cur THEN reused END) AS BIGINT), 0) AS reused,
        {{unlessUnknown "data_scanned_bytes" "cur"}} AS data_scanned_bytes,
        {{unlessUnknown "billed_bytes" "cur"}} AS billed_bytes,
        sum(CASE WHEN cur THEN cost END) AS cost,
        sum(CASE WHEN NOT cur THEN cost END) AS cost_before,
        sum(CASE WHEN cur AND person_source IN ('role', 'service', 'none') THEN cost END) AS unattributed_cost,
        count(DISTINCT CASE WHEN cur AND person_kind = 'human' THEN person END) AS people,
        count(DISTINCT CASE WHEN cur THEN database_name END) AS databases,
        max(CASE WHEN cur THEN slot END) AS last_seen
{{- end}}

{{- /*
latencies: how many executions of one group took how long, a count for each
bucket; percentiles are made of it where the rows are read.
*/ -}}
{{define "latencies" -}}
ARRAY[{{range .Buckets}}coalesce(CAST(sum(CASE WHEN cur THEN latency_{{printf "%02d" .K}} END) AS BIGINT), 0){{if not .Last}},
            {{end}}{{end}}] AS latencies
{{- end}}

{{- /*
is_denied: whether a call was. Services spell it AccessDenied,
AccessDeniedException, UnauthorizedOperation or NotAuthorized.
*/ -}}
{{define "is_denied" -}}
(lower(error_code) LIKE '%accessdenied%' OR lower(error_code) LIKE '%unauthorized%' OR lower(error_code) LIKE '%notauthorized%')
{{- end}}

{{- /*
quarter_hour: the start of the roll-up's slot that holds the column moment.
*/ -}}
{{define "quarter_hour" -}}
date_trunc('hour', moment)
                + CASE WHEN extract(MINUTE FROM moment) < 15 THEN INTERVAL '0' MINUTE
                       WHEN extract(MINUTE FROM moment) < 30 THEN INTERVAL '15' MINUTE
                       WHEN extract(MINUTE FROM moment) < 45 THEN INTERVAL '30' MINUTE
                       ELSE INTERVAL '45' MINUTE END
{{- end}}
