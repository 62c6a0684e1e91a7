-- One row per role and currency, the dearest first; callers without a role are
-- one without a name. How a person is known is only in the rows: the roll-up
-- has the rung, and a chain of roles is trusted as far as its origin.
WITH {{template "usage" .}},
paid AS ({{paid "role_name"}}),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
known AS (
    SELECT paid.*,
        CASE WHEN person_source IN ('role', 'service', 'none') THEN 'unnamed' ELSE coalesce(person_trust, 'unnamed') END AS known_by
    FROM paid
),
roles AS (
    SELECT role_name, currency,
        {{several "account_id"}} AS account_id,
        count(DISTINCT CASE WHEN cur THEN account_id END) AS accounts,
        {{several "team"}} AS team,
        sum(CASE WHEN cur AND known_by = 'vouched' THEN executions + sessions END) AS vouched,
        sum(CASE WHEN cur AND known_by = 'session' THEN executions + sessions END) AS session,
        sum(CASE WHEN cur AND known_by = 'asserted' THEN executions + sessions END) AS asserted,
        sum(CASE WHEN cur AND known_by = 'unnamed' THEN executions + sessions END) AS unnamed,
        {{template "measures" .}}
    FROM known
    WHERE ranked
    GROUP BY role_name, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT r.role_name, r.account_id, r.accounts, r.people,
    {{percent "coalesce(r.vouched, 0)" "r.executions + r.sessions"}} AS vouched_percent,
    {{percent "coalesce(r.session, 0)" "r.executions + r.sessions"}} AS session_percent,
    {{percent "coalesce(r.asserted, 0)" "r.executions + r.sessions"}} AS asserted_percent,
    {{percent "coalesce(r.unnamed, 0)" "r.executions + r.sessions"}} AS unnamed_percent,
    r.team,
    {{amounts "r" "total"}},
    r.sessions, r.dpu_ms, r.unattributed_cost, r.last_seen
FROM roles AS r
LEFT JOIN total ON total.currency = r.currency
ORDER BY r.cost DESC NULLS LAST, r.data_scanned_bytes DESC NULLS LAST, r.executions DESC,
    r.role_name NULLS LAST, r.currency NULLS LAST
{{.Limit}}
