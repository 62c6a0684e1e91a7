{{- /*
Parts that views share. A view's file is a Go template of one SELECT:
times and dates are literals that the program writes, what a user typed is a
bound parameter.

usage: one row per row of usage_rollup, or per execution where the roll-up
cannot answer, with the same columns. Its column cur tells the window from the
one before it.
*/ -}}
{{define "usage" -}}
base AS (
{{- if .Rollup}}
    SELECT slot AS moment, slot, {{join .Keys}},
        executions, known, failed, reused, data_scanned_bytes, billed_bytes, cost, total_ms,
        {{range .Buckets}}latency_{{printf "%02d" .K}}{{if not .Last}}, {{end}}{{end}}
    FROM usage_rollup
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND slot >= {{.Since}} AND slot < {{.To}}
        {{- .AndWhere}}
{{- else}}
    SELECT moment, slot, {{join .Keys}},
        CAST(1 AS BIGINT) AS executions,
        CAST(CASE WHEN data_scanned_bytes IS NULL THEN 0 ELSE 1 END AS BIGINT) AS known,
        CAST(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END AS BIGINT) AS failed,
        CAST(CASE WHEN reused_result THEN 1 ELSE 0 END AS BIGINT) AS reused,
        coalesce(data_scanned_bytes, 0) AS data_scanned_bytes,
        coalesce(billed_bytes, 0) AS billed_bytes,
        coalesce(cost, CAST(0 AS DECIMAL(18,9))) AS cost,
        coalesce(total_ms, 0) AS total_ms,
        {{range .Buckets}}
        CAST(CASE WHEN {{if .First}}total_ms <= {{.Edge}}{{else if .Last}}total_ms > {{.Below}}{{else}}total_ms > {{.Below}} AND total_ms <= {{.Edge}}{{end}} THEN 1 ELSE 0 END AS BIGINT) AS latency_{{printf "%02d" .K}}{{if not .Last}},{{end}}
        {{- end}}
    FROM (
        SELECT *, 'sql' AS kind, submission_date_time AS moment,
            date_trunc('hour', submission_date_time)
                + CASE WHEN extract(MINUTE FROM submission_date_time) < 15 THEN INTERVAL '0' MINUTE
                       WHEN extract(MINUTE FROM submission_date_time) < 30 THEN INTERVAL '15' MINUTE
                       WHEN extract(MINUTE FROM submission_date_time) < 45 THEN INTERVAL '30' MINUTE
                       ELSE INTERVAL '45' MINUTE END AS slot
        FROM query_executions
    ) AS e
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND moment >= {{.Since}} AND moment < {{.To}}
        {{- .AndWhere}}
{{- end}}
),
usage AS (
    SELECT moment, slot, {{join .KeysButCurrency}}, currency AS own_currency,
        moment >= {{.From}} AS cur,
        {{.Ranked}} AS ranked,
        CASE WHEN gap = 'not_started' THEN 0 ELSE executions END AS executions,
        CASE WHEN gap = 'not_started' THEN executions ELSE 0 END AS not_started,
        CASE WHEN gap = 'not_started' THEN 0 ELSE failed END AS failed,
        known, reused, data_scanned_bytes, billed_bytes,
        CASE WHEN cost_basis IN ('list', 'custom', 'free') THEN cost END AS cost,
        {{range .Buckets}}latency_{{printf "%02d" .K}}{{if not .Last}}, {{end}}{{end}}
    FROM base
)
{{- end}}

{{- /*
measures: the sums of one group, of the window unless they say before.
*/ -}}
{{define "measures" -}}
coalesce(CAST(sum(executions) FILTER (WHERE cur) AS BIGINT), 0) AS executions,
        coalesce(CAST(sum(not_started) FILTER (WHERE cur) AS BIGINT), 0) AS not_started,
        {{unlessUnknown "failed"}} AS failed,
        coalesce(CAST(sum(known) FILTER (WHERE cur) AS BIGINT), 0) AS known,
        coalesce(CAST(sum(reused) FILTER (WHERE cur) AS BIGINT), 0) AS reused,
        {{unlessUnknown "data_scanned_bytes"}} AS data_scanned_bytes,
        {{unlessUnknown "billed_bytes"}} AS billed_bytes,
        sum(cost) FILTER (WHERE cur) AS cost,
        sum(cost) FILTER (WHERE NOT cur) AS cost_before,
        sum(cost) FILTER (WHERE cur AND person_source IN ('role', 'service', 'none')) AS unattributed_cost,
        count(DISTINCT CASE WHEN cur AND person_kind = 'human' THEN person END) AS people,
        count(DISTINCT CASE WHEN cur THEN database_name END) AS databases,
        max(CASE WHEN cur THEN slot END) AS last_seen
{{- end}}

{{define "latencies" -}}
{{range .Buckets}}coalesce(CAST(sum(latency_{{printf "%02d" .K}}) FILTER (WHERE cur) AS BIGINT), 0) AS latency_{{printf "%02d" .K}}{{if not .Last}},
        {{end}}{{end}}
{{- end}}
