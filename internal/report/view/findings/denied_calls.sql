-- People, or roles, with many denied calls of Athena within a short time: SQL
-- and notebooks alike. Calls belong to one burst as long as the next comes
-- within that time; it is dated when there were enough.
WITH denied AS (
    SELECT account_id, region_name, person, team, event_name, event_id, event_time,
        lag(event_time) OVER (PARTITION BY account_id, person ORDER BY event_time, event_id) AS last_time,
        lag(event_time, {{.Thresholds.DeniedBefore}}) OVER (PARTITION BY account_id, person ORDER BY event_time, event_id) AS fifth_time
    FROM {{.Calls}}
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}} AND {{template "is_denied"}}
),
bursts AS (
    SELECT denied.*,
        sum(CASE WHEN last_time >= event_time - {{.Thresholds.DeniedWithin}} THEN 0 ELSE 1 END)
            OVER (PARTITION BY account_id, person ORDER BY event_time, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS burst
    FROM denied
),
numbered AS (
    SELECT bursts.*,
        row_number() OVER (PARTITION BY account_id, person, burst ORDER BY event_time, event_id) AS place
    FROM bursts
)
SELECT person, {{severalOf "team"}} AS team,
    min(CASE WHEN fifth_time >= event_time - {{.Thresholds.DeniedWithin}} THEN event_time END) AS seen_at,
    person || ' was denied ' || CAST(count(*) AS VARCHAR) || ' calls within ' || {{duration "(date_diff('millisecond', min(event_time), max(event_time)) + 59999)"}}
        || ', of ' || CAST(count(DISTINCT event_name) AS VARCHAR) || ' kinds, ' || min(event_name) || ' among them' AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "event_id") "place"}} AS evidence, account_id, {{severalOf "region_name"}} AS region_name
FROM numbered
GROUP BY account_id, person, burst
HAVING count(CASE WHEN fifth_time >= event_time - {{.Thresholds.DeniedWithin}} THEN 1 END) > 0
