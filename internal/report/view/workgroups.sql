-- One row per work group (of an account and region) and currency.
WITH {{template "usage" .}},
paid AS ({{paid "account_id" "region_name" "work_group_name"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
used AS (
    SELECT account_id, region_name, work_group_name, currency,
        {{template "measures" .}}
        {{- if .Latencies}},
        {{template "latencies" .}}
        {{- end}}
    FROM paid
    WHERE ranked
    GROUP BY account_id, region_name, work_group_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT w.work_group_name, w.account_id, w.region_name,
    g.bytes_scanned_cutoff, g.settings_enforced, g.engine_effective, g.work_group_state, w.people, w.databases,
    {{.Measures "w" "total"}},
    w.sessions, w.dpu_ms,
    w.last_seen
FROM used AS w
LEFT JOIN total ON total.currency = w.currency
LEFT JOIN work_groups AS g
    ON g.account_id = w.account_id AND g.region_name = w.region_name AND g.work_group_name = w.work_group_name
ORDER BY w.cost DESC NULLS LAST, w.data_scanned_bytes DESC, w.executions DESC,
    w.account_id NULLS LAST, w.region_name NULLS LAST, w.work_group_name NULLS LAST, w.currency NULLS LAST
{{.Limit}}
