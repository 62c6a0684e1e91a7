-- One row per database of the query's context and currency.
WITH {{template "usage" .}},
paid AS ({{paid "database_name"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
used AS (
    SELECT database_name, currency,
        {{template "measures" .}}
        {{- if .Latencies}},
        {{template "latencies" .}}
        {{- end}}
    FROM paid
    WHERE ranked
    GROUP BY database_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT d.database_name, d.people,
    {{.Measures "d" "total"}},
    d.last_seen
FROM used AS d
LEFT JOIN total ON total.currency = d.currency
ORDER BY d.cost DESC NULLS LAST, d.data_scanned_bytes DESC, d.executions DESC,
    d.database_name NULLS LAST, d.currency NULLS LAST
{{.Limit}}
