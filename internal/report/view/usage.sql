-- One row per value of the columns asked for, and currency. A calendar's rows
-- come in its order, the others the dearest first.
{{if .Chart}}{{template "chart" .}}{{else -}}
WITH {{template "usage" .}},
{{- if .Calendar}}
calendar AS (
    SELECT * FROM (VALUES
        {{range $i, $d := .Days}}{{if $i}},
        {{end}}({{$d.Label}}, {{$d.Start}}, {{$d.Stop}}){{end}}
    ) AS c ({{.Calendar}}, starts, stops)
),
{{- end}}
paid AS ({{paidBy .Plain}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
used AS (
    SELECT {{join .View.By}}, currency,
        {{template "measures" .}}
        {{- if .Latencies}},
        {{template "latencies" .}}
        {{- end}}
    FROM paid
{{- if .Calendar}}
    {{.Dated "paid" "calendar" "starts" "stops"}}
{{- end}}
    WHERE ranked
    GROUP BY {{join .View.By}}, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT {{range .View.By}}u.{{.}}, {{end}}u.people, u.databases,
    {{.Measures "u" "total"}},
    u.sessions, u.dpu_ms, u.last_seen
FROM used AS u
LEFT JOIN total ON total.currency = u.currency
ORDER BY {{if .Calendar}}u.{{.Calendar}}, {{end}}u.cost DESC NULLS LAST, u.data_scanned_bytes DESC, u.executions DESC
    {{- range .View.By}}, u.{{.}} NULLS LAST{{end}}, u.currency NULLS LAST
{{.Limit}}
{{- end}}

{{- /*
chart: the same with few sums and of held roll-ups. What is gathered says which
keys there are and in which currency each counts; of the many sums by day or hour
only what is asked for is read. They are added up before their moments find the
units that these lie in.
*/ -}}
{{define "chart" -}}
WITH {{template "usage" .}},
paid AS ({{paidBy .Plain}}),
kept AS (
    SELECT key_id, {{join .KeysButCurrency}}, currency FROM paid WHERE cur AND ranked
),
base_units AS (
    SELECT h.*, {{range .KeysButCurrency}}k.{{.}}, {{end}}k.currency
    FROM (
        {{.HeldUnits}}
    ) AS h
    JOIN kept AS k ON k.key_id = h.key_id
),
dated AS (
{{template "weighed" (.Of "base_units")}}
),
sums AS (
    SELECT moment, {{range .Plain}}{{.}}, {{end}}own_currency AS currency,
        sum(executions) AS executions, sum(known) AS known, sum(failed) AS failed,
        sum(data_scanned_bytes) AS data_scanned_bytes, sum(cost) AS cost
    FROM dated
    GROUP BY moment, {{range .Plain}}{{.}}, {{end}}own_currency
),
used AS (
    SELECT u.label AS {{.Calendar}}, {{range .Plain}}s.{{.}}, {{end}}
        coalesce(CAST(sum(executions) AS BIGINT), 0) AS executions,
        {{unlessUnknown "failed" "true"}} AS failed,
        {{unlessUnknown "data_scanned_bytes" "true"}} AS data_scanned_bytes,
        sum(cost) AS cost, s.currency
    FROM sums AS s
    ASOF JOIN units_{{.Calendar}} AS u ON s.moment >= u.starts
    GROUP BY u.label, {{range .Plain}}s.{{.}}, {{end}}s.currency
)
SELECT {{join .ChartColumns}}
FROM used
ORDER BY {{.Calendar}}, cost DESC NULLS LAST, data_scanned_bytes DESC, executions DESC
    {{- range .View.By}}, {{.}} NULLS LAST{{end}}, currency NULLS LAST
{{.Limit}}
{{- end}}
