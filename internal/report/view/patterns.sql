-- One row per fingerprint of the SQL and currency, the dearest first; one
-- without a fingerprint for all executions whose SQL the lake does not hold.
-- The SQL of the newest run is looked up for the rows that are shown.
WITH {{template "usage" .}},
paid AS ({{paid "query_fingerprint"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
placed AS (
    SELECT paid.*,
        row_number() OVER (
            PARTITION BY query_fingerprint, currency, cur, ranked
            ORDER BY CASE WHEN query_execution_id IS NULL THEN 1 ELSE 0 END, cost DESC NULLS LAST, moment DESC, query_execution_id, event_id NULLS LAST
        ) AS dearest,
        row_number() OVER (
            PARTITION BY query_fingerprint, currency, cur, ranked
            ORDER BY CASE WHEN text_dt IS NULL THEN 1 ELSE 0 END, moment DESC, query_execution_id NULLS LAST, event_id NULLS LAST
        ) AS newest
    FROM paid
),
patterns AS (
    SELECT query_fingerprint, currency,
        {{several "tool"}} AS tool, {{several "team"}} AS team,
        sum(CASE WHEN cur AND cost IS NOT NULL THEN executions END) AS priced,
        min(CASE WHEN cur THEN slot END) AS first_seen,
        max(CASE WHEN cur AND dearest = 1 THEN query_execution_id END) AS query_execution_id,
        {{range .TextKey}}max(CASE WHEN cur AND newest = 1 THEN {{.}} END) AS {{.}},
        {{end -}}
        {{template "measures" .}}
        {{- if .Latencies}},
        {{template "latencies" .}}
        {{- end}}
    FROM placed
    WHERE ranked
    GROUP BY query_fingerprint, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
),
shown AS (
    SELECT * FROM patterns
    ORDER BY cost DESC NULLS LAST, data_scanned_bytes DESC NULLS LAST, executions DESC, query_fingerprint NULLS LAST, currency NULLS LAST
    {{.Limit}}
),
texts AS (
    {{template "texts" .}}
)
SELECT p.query_fingerprint, p.people,
    {{.Measures "p" "total"}},
    {{each "p.cost" "p.priced"}} AS cost_per_execution,
    CAST(round(CAST(p.data_scanned_bytes AS DOUBLE) / nullif(CAST(p.known AS DOUBLE), 0e0)) AS BIGINT) AS scanned_per_execution,
    {{percent "p.failed" "p.executions"}} AS failed_percent,
    p.tool, p.team, p.first_seen, p.last_seen, p.query_execution_id,
    CASE WHEN p.query_fingerprint IS NOT NULL THEN x.query_string END AS query_string
FROM shown AS p
LEFT JOIN total ON total.currency = p.currency
LEFT JOIN texts AS x
    ON {{.TextOf "x" "p"}}
ORDER BY p.cost DESC NULLS LAST, p.data_scanned_bytes DESC NULLS LAST, p.executions DESC, p.query_fingerprint NULLS LAST, p.currency NULLS LAST
