-- Stretches of hours in which a work group cost more on demand than a
-- reservation would have. How many DPUs its queries need is not known: a
-- reservation is taken to be as large as Athena's guide says for so many
-- queries at a time as ran at most, and never smaller than the least.
{{- if .CapacityPrices}}
WITH prices AS (
    SELECT * FROM (VALUES
        {{range $i, $p := .CapacityPrices}}{{if $i}},
        {{end}}(CAST({{$.Bind $p.Region}} AS VARCHAR), CAST({{$.Bind $p.From}} AS DATE), {{$p.Rank}}, CAST({{$.Bind $p.PerDPUHour}} AS DOUBLE), CAST({{$.Bind $p.Currency}} AS VARCHAR)){{end}}
    ) AS p (region_name, starts, preference, per_dpu_hour, currency)
),
runs AS (
    SELECT account_id, region_name, coalesce(work_group_name, '') AS work_group_name, currency, query_execution_id, person, team,
        submission_date_time AS starts, coalesce(completion_date_time, submission_date_time) AS ends,
        date_trunc('hour', submission_date_time) AS hour, cost
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND cost_basis IN ('list', 'custom') AND cost > 0 AND query_execution_id IS NOT NULL
),
hours AS (
    SELECT account_id, region_name, work_group_name, currency, hour, CAST(sum(cost) AS DOUBLE) AS spent
    FROM runs
    GROUP BY account_id, region_name, work_group_name, currency, hour
),
priced AS (
    SELECT h.*, p.per_dpu_hour,
        row_number() OVER (
            PARTITION BY h.account_id, h.region_name, h.work_group_name, h.currency, h.hour ORDER BY p.preference, p.starts DESC
        ) AS choice
    FROM hours AS h
    JOIN prices AS p ON p.region_name IN (h.region_name, '*') AND p.currency = h.currency AND p.starts <= CAST(h.hour AS DATE)
),
dear AS (
    SELECT account_id, region_name, work_group_name, currency, hour, spent, per_dpu_hour,
        lag(hour) OVER (PARTITION BY account_id, region_name, work_group_name, currency ORDER BY hour) AS hour_before
    FROM priced
    WHERE choice = 1 AND spent > per_dpu_hour * {{.OfQueries.LeastDPUs}}
),
numbered AS (
    SELECT dear.*,
        sum(CASE WHEN hour_before = hour - INTERVAL '1' HOUR THEN 0 ELSE 1 END) OVER (
            PARTITION BY account_id, region_name, work_group_name, currency ORDER BY hour ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
    FROM dear
),
members AS (
    SELECT r.*, n.stretch
    FROM runs AS r
    JOIN numbered AS n
        ON n.account_id = r.account_id AND n.region_name = r.region_name AND n.work_group_name = r.work_group_name AND n.currency = r.currency AND n.hour = r.hour
),
moments AS (
    SELECT account_id, region_name, work_group_name, currency, stretch, starts AS moment, 1 AS more FROM members
    UNION ALL
    SELECT account_id, region_name, work_group_name, currency, stretch, ends, -1 FROM members
),
peaks AS (
    SELECT account_id, region_name, work_group_name, currency, stretch, max(together) AS peak
    FROM (
        SELECT moments.*,
            sum(more) OVER (
                PARTITION BY account_id, region_name, work_group_name, currency, stretch ORDER BY moment, more ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS together
        FROM moments
    ) AS counted
    GROUP BY account_id, region_name, work_group_name, currency, stretch
),
sized AS (
    SELECT n.account_id, n.region_name, n.work_group_name, n.currency, n.stretch, count(*) AS hours, sum(n.spent) AS spent, min(p.peak) AS peak,
        sum(n.per_dpu_hour) AS per_dpu, min({{dpusFor "p.peak"}}) AS dpus
    FROM numbered AS n
    JOIN peaks AS p
        ON p.account_id = n.account_id AND p.region_name = n.region_name AND p.work_group_name = n.work_group_name AND p.currency = n.currency AND p.stretch = n.stretch
    GROUP BY n.account_id, n.region_name, n.work_group_name, n.currency, n.stretch
),
paying AS (
    SELECT sized.*, per_dpu * dpus AS reserved
    FROM sized
    WHERE spent >= per_dpu * dpus * {{.OfQueries.CapacityRatio}}e0 AND spent - per_dpu * dpus >= {{.OfQueries.CapacitySaving}}
),
totals AS (
    SELECT account_id, region_name, work_group_name, currency, count(*) AS stretches, CAST(sum(hours) AS BIGINT) AS hours, sum(spent) AS spent, sum(reserved) AS reserved,
        CAST(max(dpus) AS BIGINT) AS dpus, CAST(max(peak) AS BIGINT) AS peak
    FROM paying
    GROUP BY account_id, region_name, work_group_name, currency
),
evidence AS (
    SELECT m.*,
        row_number() OVER (PARTITION BY m.account_id, m.region_name, m.work_group_name, m.currency ORDER BY m.cost DESC, m.starts, m.query_execution_id) AS place
    FROM members AS m
    JOIN paying AS p
        ON p.account_id = m.account_id AND p.region_name = m.region_name AND p.work_group_name = m.work_group_name AND p.currency = m.currency AND p.stretch = m.stretch
)
SELECT {{severalOf "e.person"}} AS person, {{severalOf "e.team"}} AS team, min(e.starts) AS seen_at,
    'the work group ' || e.work_group_name || ' cost ' || CAST(CAST(min(t.spent) AS DECIMAL(18,2)) AS VARCHAR) || ' on demand in ' || CAST(min(t.hours) AS VARCHAR)
        || CASE WHEN min(t.hours) = 1 THEN ' hour' ELSE ' hours' END || ', up to ' || CAST(min(t.peak) AS VARCHAR) || ' at a time; ' || CAST(min(t.dpus) AS VARCHAR)
        || ' DPUs reserved for these hours would have cost ' || CAST(CAST(min(t.reserved) AS DECIMAL(18,2)) AS VARCHAR) AS what,
    count(*) AS times,
    CAST(sum(e.cost) AS DECIMAL(38,9)) AS cost, CAST(round(min(t.spent) - min(t.reserved), 9) AS DECIMAL(38,9)) AS saving, e.currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, e.account_id, e.region_name
FROM evidence AS e
JOIN totals AS t ON t.account_id = e.account_id AND t.region_name = e.region_name AND t.work_group_name = e.work_group_name AND t.currency = e.currency
GROUP BY e.account_id, e.region_name, e.work_group_name, e.currency
{{- else}}
{{template "nothing_found" .}}
{{- end}}
