-- Sections of one shape, so that they are one table in every format: what was
-- spent in all (nothing left out), how well it is attributed, which people,
-- teams and databases cost most, day by day, and what is missing; and, where
-- bills are kept, what AWS billed on the days that they cover, and how much of
-- it the lake explains.
WITH {{template "usage" .}},
paid AS ({{paid}}),
{{- if and .Held (.Wants "days")}}
base_days AS (
    {{.HeldRows}}
),
daily AS (
    SELECT u.*, coalesce(u.own_currency, (SELECT min(own_currency) FROM usage)) AS currency
    FROM (
{{template "weighed" (.Of "base_days")}}
    ) AS u
),
{{- end}}
{{- if .Wants "people"}}
paid_person AS ({{paid "person" "person_kind"}}),
{{- end}}
{{- if .Wants "teams"}}
paid_team AS ({{paid "team"}}),
{{- end}}
{{- if .Wants "databases"}}
paid_database AS ({{paid "database_name"}}),
{{- end}}
all_cost AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
{{- if .Wants "days"}}
days AS (
    SELECT * FROM (VALUES
        {{range $i, $d := .Days}}{{if $i}},
        {{end}}({{$d.Label}}, {{$d.Start}}, {{$d.Stop}}){{end}}
    ) AS d (day, starts, stops)
),
{{- end}}
parts AS (
    SELECT 1 AS part, 'total' AS section, 'everything' AS name, currency,
        {{template "measures" .}}
    FROM paid GROUP BY currency
    {{- if .Wants "attribution"}}
    UNION ALL
    SELECT 2, 'attribution',
        CASE WHEN person_source IN ('role', 'service', 'none') THEN
            CASE person_kind WHEN 'service' THEN 'a service' WHEN 'agent' THEN 'an agent' ELSE 'a role, nobody named' END
        ELSE CASE person_kind WHEN 'human' THEN
            CASE person_source WHEN 'session_name' THEN 'a person, by the session''s name' WHEN 'query_comment' THEN 'a person, by a comment' ELSE 'a person' END
            WHEN 'agent' THEN 'an agent, for a person' WHEN 'service' THEN 'a service, by name' ELSE 'unknown' END END,
        currency,
        {{template "measures" .}}
    FROM paid GROUP BY 3, currency
    {{- end}}
    {{- if .Wants "people"}}
    UNION ALL
    SELECT 3, 'people', person, currency,
        {{template "measures" .}}
    FROM paid_person WHERE ranked GROUP BY person, person_kind, currency
    {{- end}}
    {{- if .Wants "teams"}}
    UNION ALL
    SELECT 4, 'teams', team, currency,
        {{template "measures" .}}
    FROM paid_team WHERE ranked GROUP BY team, currency
    {{- end}}
    {{- if .Wants "databases"}}
    UNION ALL
    SELECT 5, 'databases', database_name, currency,
        {{template "measures" .}}
    FROM paid_database WHERE ranked AND kind = 'sql' GROUP BY database_name, currency
    {{- end}}
    {{- if .Wants "days"}}
    UNION ALL
    SELECT 6, 'days', CAST(d.day AS VARCHAR), currency,
        {{template "measures" .}}
    {{- if .Held}}
    FROM daily AS paid
    {{.Dated "daily" "days" "starts" "stops"}}
    {{- else}}
    FROM paid
    {{.Dated "paid" "days" "starts" "stops"}}
    {{- end}}
    GROUP BY d.day, currency
    {{- end}}
    {{- if .Wants "gaps"}}
    UNION ALL
    SELECT 7, 'gaps', gap, currency,
        {{template "measures" .}}
    FROM paid WHERE gap IS NOT NULL GROUP BY gap, currency
    {{- end}}
    {{- if .Wants "not_priced"}}
    UNION ALL
    SELECT 8, 'not_priced', CASE cost_basis WHEN 'capacity' THEN 'reserved capacity, paid by the hour' WHEN 'unpriced' THEN 'regions without a price' ELSE CASE kind WHEN 'spark' THEN 'sessions that go on or are unknown' ELSE 'bytes unknown' END END, currency,
        {{template "measures" .}}
    FROM paid WHERE cost IS NULL GROUP BY 3, currency
    {{- end}}
    {{- if .Wants "left_out_of_rankings"}}
    UNION ALL
    SELECT 9, 'left_out_of_rankings', CASE WHEN own THEN 'athenatrail itself' ELSE 'probes' END, currency,
        {{template "measures" .}}
    FROM paid WHERE NOT ranked GROUP BY 3, currency
    {{- end}}
),
numbered AS (
    SELECT parts.*,
        row_number() OVER (
            PARTITION BY part
            ORDER BY CASE WHEN part = 6 THEN name END DESC NULLS LAST, cost DESC NULLS LAST, data_scanned_bytes DESC NULLS LAST,
                executions DESC, not_started DESC, sessions DESC, name NULLS LAST, currency NULLS LAST
        ) AS place
    FROM parts
    WHERE executions > 0 OR not_started > 0 OR sessions > 0 OR part = 1
)
{{- if .Billed}},
bill_lines AS (
    SELECT * FROM bill
    WHERE dt >= {{.FirstBilled}} AND dt < {{.EndBilled}}{{.AndWhere}}
),
-- What is compared: the days, accounts and regions of which a bill tells.
bill_places AS (
    SELECT DISTINCT dt AS day, account_id, region_name, currency FROM bill_lines WHERE kind <> 'adjustment'
),
bill_explained AS (
    SELECT p.currency, sum(u.cost) AS cost
    FROM bill_places AS p
    JOIN usage_rollup AS u
        ON CAST(u.slot AS DATE) = p.day AND u.account_id = p.account_id AND u.region_name = p.region_name AND u.currency = p.currency
    WHERE u.dt >= {{.FirstDay}} AND u.dt <= {{.LastDay}}
    GROUP BY p.currency
),
-- Reserved capacity is paid by the hour. Its used part is that of the DPU time.
bill_reserved AS (
    SELECT account_id, region_name, currency, CAST(sum(quantity) AS DOUBLE) AS hours, sum(cost) AS cost
    FROM bill_lines WHERE kind = 'capacity' GROUP BY account_id, region_name, currency
),
bill_dpus AS (
    SELECT e.account_id, e.region_name, sum(e.dpu_count * CAST(e.engine_ms AS DOUBLE)) / 3600000e0 AS hours
    FROM query_executions AS e
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}} AND e.dpu_count IS NOT NULL
        AND CAST(coalesce(e.completion_date_time, e.submission_date_time) AS DATE) IN (SELECT day FROM bill_places)
    GROUP BY e.account_id, e.region_name
),
bill_capacity AS (
    SELECT r.currency, sum(r.cost) AS cost,
        sum(CAST(round(CAST(r.cost AS DOUBLE) * least(1e0, coalesce(d.hours, 0e0) / nullif(r.hours, 0e0)), 9) AS DECIMAL(18,9))) AS used
    FROM bill_reserved AS r
    LEFT JOIN bill_dpus AS d ON d.account_id = r.account_id AND d.region_name = r.region_name
    GROUP BY r.currency
),
bill_rows AS (
    SELECT 1 AS place, 'invoice' AS name, currency, sum(cost) AS cost FROM bill_lines GROUP BY currency
    UNION ALL
    SELECT 2, 'explained by the lake', currency, cost FROM bill_explained
    UNION ALL
    SELECT 3, 'reserved capacity, used', currency, coalesce(used, 0) FROM bill_capacity
    UNION ALL
    SELECT 4, 'reserved capacity, idle', currency, cost - coalesce(used, 0) FROM bill_capacity
    UNION ALL
    SELECT 5, lower(coalesce(line_type, 'other')), currency, sum(cost) FROM bill_lines WHERE kind = 'adjustment' GROUP BY 2, currency
),
bill_total AS (
    SELECT currency, sum(CASE WHEN place = 1 THEN cost END) AS cost, sum(CASE WHEN place = 1 THEN cost ELSE -cost END) AS unattributed
    FROM bill_rows GROUP BY currency
)
{{- end}}
{{- if .Billed}}
SELECT section, name, executions, failed, not_started, sessions, people, data_scanned_bytes, billed_bytes, dpu_ms, cost, currency,
    cost_share_percent, cost_before, cost_change_percent, coverage_percent, unattributed_cost
FROM (
{{- end}}
SELECT n.section, n.name, n.executions, n.failed, n.not_started, n.sessions,
    CASE WHEN n.part <> 3 THEN n.people END AS people,
    n.data_scanned_bytes, n.billed_bytes, n.dpu_ms, n.cost, n.currency,
    {{percent "n.cost" "a.cost"}} AS cost_share_percent,
    CASE WHEN n.part <> 6 THEN n.cost_before END AS cost_before,
    CASE WHEN n.part <> 6 THEN {{change "n.cost" "n.cost_before"}} END AS cost_change_percent,
    {{percent "n.known" "n.executions + n.sessions"}} AS coverage_percent,
    n.unattributed_cost
    {{- if .Billed}}, n.part, n.place{{end}}
FROM numbered AS n
LEFT JOIN all_cost AS a ON a.currency = n.currency
WHERE n.part NOT IN (3, 4, 5, 6) OR n.part IN (3, 4, 5) AND n.place <= {{.Top}} OR n.part = 6 AND n.place <= 14
{{- if .Billed}}
UNION ALL
SELECT 'bill', b.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, b.cost, b.currency, {{percent "b.cost" "t.cost"}}, NULL, NULL, NULL, NULL, 1, 1000000 + b.place
FROM bill_rows AS b
JOIN bill_total AS t ON t.currency = b.currency
WHERE b.cost <> 0 OR b.place = 1
UNION ALL
SELECT 'bill', 'unattributed', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.unattributed, t.currency, {{percent "t.unattributed" "t.cost"}}, NULL, NULL, NULL, NULL, 1, 1000006
FROM bill_total AS t
) AS rows
ORDER BY part, CASE WHEN part = 6 THEN name END NULLS LAST, place, currency, name
{{- else}}
ORDER BY n.part, CASE WHEN n.part = 6 THEN n.name END NULLS LAST, n.place
{{- end}}
