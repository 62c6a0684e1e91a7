-- One row per account and currency, or per organizational unit where that alone
-- is asked for, the dearest first. Names and units are those of today, so that
-- an account that moved has one row. An account of which no unit is known has
-- none, and together these are a row like the others.
{{- $key := "ou"}}
{{- range .View.By}}{{if eq . "account_id"}}{{$key = "account_id"}}{{end}}{{end}}
WITH {{template "usage" .}},
placed AS (
    SELECT usage.*, a.account_name, a.ou, a.account_state
    FROM usage
    LEFT JOIN accounts AS a ON a.account_id = usage.account_id
),
paid AS (
    SELECT placed.*, coalesce(own_currency, min(own_currency) OVER (PARTITION BY {{$key}})) AS currency
    FROM placed
),
total AS (
    SELECT currency, sum(cost) AS cost FROM paid WHERE cur GROUP BY currency
),
spent AS (
    SELECT {{if eq $key "ou"}}CAST(NULL AS VARCHAR) AS account_id, CAST(NULL AS VARCHAR) AS account_name, ou, CAST(NULL AS VARCHAR) AS account_state
        {{- else}}account_id, min(account_name) AS account_name, min(ou) AS ou, min(account_state) AS account_state{{end}},
        currency,
        count(DISTINCT CASE WHEN cur THEN placed_in END) AS accounts,
        coalesce(CAST(sum(CASE WHEN cur AND gap IS NOT NULL THEN executions END) AS BIGINT), 0) AS incomplete,
        coalesce(CAST(sum(CASE WHEN cur AND gap IN ('no_detail', 'pending') THEN executions END) AS BIGINT), 0) AS waiting,
        coalesce(CAST(sum(CASE WHEN cur AND gap = 'no_access' THEN executions END) AS BIGINT), 0) AS no_access,
        coalesce(CAST(sum(CASE WHEN cur AND gap = 'expired' THEN executions END) AS BIGINT), 0) AS expired,
        coalesce(CAST(sum(CASE WHEN cur AND gap = 'no_event' THEN executions END) AS BIGINT), 0) AS no_event,
        {{template "measures" .}}
    FROM (SELECT paid.*, account_id AS placed_in FROM paid) AS paid
    WHERE ranked
    GROUP BY paid.{{$key}}, currency
    HAVING count(CASE WHEN cur THEN 1 END) > 0
)
SELECT s.account_id, s.account_name, s.ou, s.account_state, s.accounts, s.people,
    {{amounts "s" "total"}},
    s.sessions, s.dpu_ms,
    s.incomplete, s.waiting, s.no_access, s.expired, s.no_event, s.last_seen
FROM spent AS s
LEFT JOIN total ON total.currency = s.currency
ORDER BY s.cost DESC NULLS LAST, s.data_scanned_bytes DESC NULLS LAST, s.executions DESC,
    s.account_id NULLS LAST, s.ou NULLS LAST, s.currency NULLS LAST
{{.Limit}}
