-- One row per day, {{range $i, $k := .DailyKeys}}{{if $i}}{{$k}}, {{end}}{{end}}and currency.
WITH {{template "usage" .}},
paid AS ({{paidBy .DailyKeys}}),
days AS (
    SELECT {{join .DailyKeys}}, currency,
        {{template "measures" .}}
    FROM paid
    WHERE ranked
    GROUP BY {{join .DailyKeys}}, currency
)
SELECT {{join .DailyKeys}}, executions, failed, not_started, sessions, people, databases,
    data_scanned_bytes, billed_bytes, dpu_ms, cost, currency, unattributed_cost,
    {{percent "known" "executions + sessions"}} AS coverage_percent, last_seen
FROM days
