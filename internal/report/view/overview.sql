-- Sections of one shape, so that they are one table in every format: what was
-- spent in all (nothing left out), how well it is attributed, which people,
-- teams and databases cost most, day by day, and what is missing.
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
SELECT n.section, n.name, n.executions, n.failed, n.not_started, n.sessions,
    CASE WHEN n.part <> 3 THEN n.people END AS people,
    n.data_scanned_bytes, n.billed_bytes, n.dpu_ms, n.cost, n.currency,
    {{percent "n.cost" "a.cost"}} AS cost_share_percent,
    CASE WHEN n.part <> 6 THEN n.cost_before END AS cost_before,
    CASE WHEN n.part <> 6 THEN {{change "n.cost" "n.cost_before"}} END AS cost_change_percent,
    {{percent "n.known" "n.executions + n.sessions"}} AS coverage_percent,
    n.unattributed_cost
FROM numbered AS n
LEFT JOIN all_cost AS a ON a.currency = n.currency
WHERE n.part NOT IN (3, 4, 5, 6) OR n.part IN (3, 4, 5) AND n.place <= {{.Top}} OR n.part = 6 AND n.place <= 14
ORDER BY n.part, CASE WHEN n.part = 6 THEN n.name END NULLS LAST, n.place
