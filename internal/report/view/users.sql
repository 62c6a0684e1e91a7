-- One row per person, kind of person and currency, the dearest first.
WITH {{template "usage" .}},
paid AS ({{paid "person" "person_kind"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
people AS (
    SELECT person, person_kind, currency,
        {{lowestRung}} AS person_source,
        {{several "team"}} AS team,
        {{template "measures" .}}
        {{- if .Latencies}},
        {{template "latencies" .}}
        {{- end}}
    FROM paid
    WHERE ranked
    GROUP BY person, person_kind, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT p.person, p.person_kind, p.person_source, p.team,
    {{.Measures "p" "total"}},
    p.sessions, p.dpu_ms, p.databases, p.last_seen
FROM people AS p
LEFT JOIN total ON total.currency = p.currency
ORDER BY p.cost DESC NULLS LAST, p.data_scanned_bytes DESC, p.executions DESC,
    p.person NULLS LAST, p.person_kind NULLS LAST, p.currency NULLS LAST
{{.Limit}}
