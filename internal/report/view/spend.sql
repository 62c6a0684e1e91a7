-- One row per day and currency, also of days on which nothing was spent. It
-- leaves nothing out: the days add up to the bill.
WITH {{template "usage" .}},
paid AS ({{paid}}),
days AS (
    SELECT * FROM (VALUES
        {{range $i, $d := .Days}}{{if $i}},
        {{end}}({{$d.Label}}, {{$d.Start}}, {{$d.Stop}}, {{$d.WeekStart}}, {{$d.WeekStop}}){{end}}
    ) AS d (day, starts, stops, week_starts, week_stops)
),
currencies AS (
    SELECT DISTINCT currency FROM paid
),
spent AS (
    SELECT d.day, paid.currency,
        {{template "measures" .}}
    FROM paid
    {{.Dated "paid" "days" "starts" "stops"}}
    GROUP BY d.day, paid.currency
),
week AS (
    SELECT d.day, paid.currency, sum(paid.cost) AS cost
    FROM paid
    {{.Dated "paid" "days" "week_starts" "week_stops"}}
    GROUP BY d.day, paid.currency
),
filled AS (
    SELECT d.day, c.currency,
        coalesce(s.executions, 0) AS executions,
        CASE WHEN s.day IS NULL THEN CAST(0 AS BIGINT) ELSE s.failed END AS failed,
        coalesce(s.not_started, 0) AS not_started,
        coalesce(s.sessions, 0) AS sessions,
        coalesce(s.known, 0) AS known,
        coalesce(s.people, 0) AS people,
        CASE WHEN s.day IS NULL THEN CAST(0 AS BIGINT) ELSE s.data_scanned_bytes END AS data_scanned_bytes,
        CASE WHEN s.day IS NULL THEN CAST(0 AS BIGINT) ELSE s.billed_bytes END AS billed_bytes,
        s.dpu_ms,
        CASE WHEN s.day IS NULL THEN CAST(0 AS DECIMAL(38,9)) ELSE s.cost END AS cost,
        CASE WHEN s.day IS NULL THEN CAST(0 AS DECIMAL(38,9)) ELSE s.unattributed_cost END AS unattributed_cost,
        w.cost AS cost_week_before
    FROM days AS d
    LEFT JOIN currencies AS c ON true
    LEFT JOIN spent AS s ON s.day = d.day AND s.currency IS NOT DISTINCT FROM c.currency
    LEFT JOIN week AS w ON w.day = d.day AND w.currency IS NOT DISTINCT FROM c.currency
)
SELECT day, executions, failed, not_started, sessions, people, data_scanned_bytes, billed_bytes, dpu_ms,
    cost, currency, unattributed_cost, cost_week_before,
    {{change "cost" "cost_week_before"}} AS cost_change_percent,
    {{percent "known" "executions + sessions"}} AS coverage_percent
FROM filled
ORDER BY day, currency NULLS LAST
{{.Limit}}
