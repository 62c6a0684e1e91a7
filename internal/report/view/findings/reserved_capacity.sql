-- Work groups on reserved capacity whose queries would have cost less on
-- demand, by their bytes. What was reserved is not known: it is taken to be the
-- most DPUs in use at a time in an hour, for the hours in which something ran,
-- which is the least that it can have been where it was held by the hour.
{{- if and .CapacityPrices .SQLPrices}}
WITH prices AS (
    SELECT * FROM (VALUES
        {{range $i, $p := .CapacityPrices}}{{if $i}},
        {{end}}(CAST({{$.Bind $p.Region}} AS VARCHAR), CAST({{$.Bind $p.From}} AS DATE), {{$p.Rank}}, CAST({{$.Bind $p.PerDPUHour}} AS DOUBLE), CAST({{$.Bind $p.Currency}} AS VARCHAR)){{end}}
    ) AS p (region_name, starts, preference, per_dpu_hour, currency)
),
rates AS (
    SELECT * FROM (VALUES
        {{range $i, $p := .SQLPrices}}{{if $i}},
        {{end}}(CAST({{$.Bind $p.Region}} AS VARCHAR), CAST({{$.Bind $p.From}} AS DATE), {{$p.Rank}}, CAST({{$.Bind $p.PerTB}} AS DOUBLE) / {{$p.MegabytesPerTB}}e0, {{$p.Megabyte}}e0, CAST({{$.Bind $p.Currency}} AS VARCHAR)){{end}}
    ) AS p (region_name, starts, preference, per_megabyte, megabyte, currency)
),
runs AS (
    SELECT account_id, region_name, coalesce(work_group_name, '') AS work_group_name, query_execution_id, person, team,
        submission_date_time AS starts, coalesce(completion_date_time, submission_date_time) AS ends,
        date_trunc('hour', submission_date_time) AS hour, CAST(submission_date_time AS DATE) AS day, dpu_count,
        CASE WHEN state = 'FAILED' OR coalesce(reused_result, false) OR coalesce(statement_type, 'DML') <> 'DML' THEN CAST(0 AS DOUBLE) ELSE CAST(data_scanned_bytes AS DOUBLE) END AS charged,
        state = 'FAILED' OR coalesce(reused_result, false) OR coalesce(statement_type, 'DML') <> 'DML' AS free
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND cost_basis = 'capacity' AND dpu_count > 0 AND query_execution_id IS NOT NULL
),
rated AS (
    SELECT r.*, p.currency,
        CASE WHEN free THEN CAST(0 AS DOUBLE) WHEN charged < 10e0 * p.megabyte THEN 10e0 * p.per_megabyte ELSE ceil(charged / p.megabyte) * p.per_megabyte END AS on_demand,
        row_number() OVER (PARTITION BY r.account_id, r.region_name, r.query_execution_id ORDER BY p.preference, p.starts DESC) AS choice
    FROM runs AS r
    JOIN rates AS p ON p.region_name IN (r.region_name, '*') AND p.starts <= r.day
),
known AS (
    SELECT * FROM rated WHERE choice = 1
),
moments AS (
    SELECT account_id, region_name, work_group_name, currency, hour, starts AS moment, dpu_count AS more FROM known
    UNION ALL
    SELECT account_id, region_name, work_group_name, currency, hour, ends, -dpu_count FROM known
),
peaks AS (
    SELECT account_id, region_name, work_group_name, currency, hour, max(together) AS dpus
    FROM (
        SELECT moments.*,
            sum(more) OVER (
                PARTITION BY account_id, region_name, work_group_name, currency, hour ORDER BY moment, more ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS together
        FROM moments
    ) AS counted
    GROUP BY account_id, region_name, work_group_name, currency, hour
),
hours AS (
    SELECT k.*, p.per_dpu_hour,
        row_number() OVER (PARTITION BY k.account_id, k.region_name, k.work_group_name, k.currency, k.hour ORDER BY p.preference, p.starts DESC) AS choice
    FROM peaks AS k
    JOIN prices AS p ON p.region_name IN (k.region_name, '*') AND p.currency = k.currency AND p.starts <= CAST(k.hour AS DATE)
),
reserved AS (
    SELECT account_id, region_name, work_group_name, currency, count(*) AS hours, sum(dpus * per_dpu_hour) AS reserved
    FROM hours
    WHERE choice = 1
    GROUP BY account_id, region_name, work_group_name, currency
),
placed AS (
    SELECT known.*,
        row_number() OVER (PARTITION BY account_id, region_name, work_group_name, currency ORDER BY starts, query_execution_id) AS place
    FROM known
)
SELECT {{severalOf "k.person"}} AS person, {{severalOf "k.team"}} AS team, min(k.starts) AS seen_at,
    'the work group ' || k.work_group_name || ' ran on reserved capacity in ' || CAST(min(r.hours) AS VARCHAR) || CASE WHEN min(r.hours) = 1 THEN ' hour' ELSE ' hours' END
        || ', which cost ' || CAST(CAST(min(r.reserved) AS DECIMAL(18,2)) AS VARCHAR) || ' at least; on demand the same queries cost '
        || CAST(CAST(sum(k.on_demand) AS DECIMAL(18,2)) AS VARCHAR) AS what,
    count(*) AS times,
    CAST(round(min(r.reserved), 9) AS DECIMAL(38,9)) AS cost, CAST(round(min(r.reserved) - sum(k.on_demand), 9) AS DECIMAL(38,9)) AS saving, k.currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, k.account_id, k.region_name
FROM placed AS k
JOIN reserved AS r ON r.account_id = k.account_id AND r.region_name = k.region_name AND r.work_group_name = k.work_group_name AND r.currency = k.currency
GROUP BY k.account_id, k.region_name, k.work_group_name, k.currency
HAVING count(CASE WHEN k.on_demand IS NULL THEN 1 END) = 0
    AND min(r.reserved) >= sum(k.on_demand) * {{.OfQueries.CapacityRatio}}e0 AND min(r.reserved) - sum(k.on_demand) >= {{.OfQueries.CapacitySaving}}
{{- else}}
{{template "nothing_found" .}}
{{- end}}
