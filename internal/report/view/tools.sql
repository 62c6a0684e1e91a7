-- One row per tool and currency, the dearest first; of what nothing tells the
-- tool of, one without a name.
WITH {{template "usage" .}},
paid AS ({{paid "tool"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
tools AS (
    SELECT tool, currency,
        {{template "measures" .}}
    FROM paid
    WHERE ranked
    GROUP BY tool, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT t.tool, t.people,
    {{amounts "t" "total"}},
    t.sessions, t.dpu_ms,
    {{percent "t.failed" "t.executions"}} AS failed_percent,
    {{percent "t.reused" "t.executions"}} AS reused_percent,
    t.last_seen
FROM tools AS t
LEFT JOIN total ON total.currency = t.currency
ORDER BY t.cost DESC NULLS LAST, t.data_scanned_bytes DESC NULLS LAST, t.executions DESC,
    t.tool NULLS LAST, t.currency NULLS LAST
{{.Limit}}
