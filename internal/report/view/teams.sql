-- One row per team and currency, the dearest first. What no rule gives to a
-- team is a row like the others.
WITH {{template "usage" .}},
paid AS ({{paid "team"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
teams AS (
    SELECT team, currency,
        count(DISTINCT CASE WHEN cur AND person_kind <> 'human' THEN person END) AS others,
        {{template "measures" .}}
    FROM paid
    WHERE ranked
    GROUP BY team, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
),
spenders AS (
    SELECT team, currency, person,
        row_number() OVER (
            PARTITION BY team, currency
            ORDER BY sum(cost) DESC NULLS LAST, sum(data_scanned_bytes) DESC, sum(executions) DESC, person NULLS LAST
        ) AS place
    FROM paid
    WHERE ranked AND cur
    GROUP BY team, currency, person
)
SELECT t.team, t.people, t.others,
    {{amounts "t" "total"}},
    t.sessions, t.dpu_ms, t.unattributed_cost, s.person AS top_person, t.last_seen
FROM teams AS t
LEFT JOIN total ON total.currency = t.currency
LEFT JOIN spenders AS s
    ON s.place = 1 AND s.team IS NOT DISTINCT FROM t.team AND s.currency IS NOT DISTINCT FROM t.currency
ORDER BY t.cost DESC NULLS LAST, t.data_scanned_bytes DESC NULLS LAST, t.executions DESC,
    t.team NULLS LAST, t.currency NULLS LAST
{{.Limit}}
