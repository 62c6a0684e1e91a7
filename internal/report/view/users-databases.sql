-- One row per person, database of the query's context and currency.
WITH {{template "usage" .}},
paid AS ({{paid "person" "person_kind" "database_name"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
pairs AS (
    SELECT person, person_kind, database_name, currency,
        {{template "measures" .}}
    FROM paid
    WHERE ranked
    GROUP BY person, person_kind, database_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT p.person, p.person_kind, p.database_name,
    p.executions, p.failed, p.not_started, p.data_scanned_bytes,
    round(CAST(p.data_scanned_bytes AS DOUBLE) / CAST(nullif(p.known, 0) AS DOUBLE) / 1e6, 3) AS avg_scanned_mb,
    p.billed_bytes, p.cost, p.currency,
    {{percent "p.cost" "total.cost"}} AS cost_share_percent,
    p.cost_before,
    {{change "p.cost" "p.cost_before"}} AS cost_change_percent,
    {{percent "p.known" "p.executions"}} AS coverage_percent,
    p.last_seen
FROM pairs AS p
LEFT JOIN total ON total.currency = p.currency
ORDER BY p.cost DESC NULLS LAST, p.data_scanned_bytes DESC, p.executions DESC,
    p.person NULLS LAST, p.person_kind NULLS LAST, p.database_name NULLS LAST, p.currency NULLS LAST
{{.Limit}}
