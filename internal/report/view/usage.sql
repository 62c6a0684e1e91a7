-- One row per value of the columns asked for, and currency. A calendar's rows
-- come in its order, the others the dearest first.
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
        {{template "measures" .}},
        {{template "latencies" .}}
    FROM paid
{{- if .Calendar}}
    {{.Dated "paid" "calendar" "starts" "stops"}}
{{- end}}
    WHERE ranked
    GROUP BY {{join .View.By}}, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT {{range .View.By}}u.{{.}}, {{end}}u.people, u.databases,
    {{measures "u" "total"}},
    u.sessions, u.dpu_ms, u.last_seen
FROM used AS u
LEFT JOIN total ON total.currency = u.currency
ORDER BY {{if .Calendar}}u.{{.Calendar}}, {{end}}u.cost DESC NULLS LAST, u.data_scanned_bytes DESC, u.executions DESC
    {{- range .View.By}}, u.{{.}} NULLS LAST{{end}}, u.currency NULLS LAST
{{.Limit}}
