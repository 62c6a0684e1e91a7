-- One row per table, account, region and currency of its writes that the lake
-- knows, that nobody read in the window, and that was not dropped: those first
-- that cost most to write. All of the lake up to the window's end is looked
-- at, since what was read last is mostly older than the window.
WITH touches AS (
    SELECT t.table_name, e.account_id, e.region_name, e.person, e.person_kind, e.submission_date_time AS moment,
        coalesce(contains(e.tables_written, t.table_name), false) AS written,
        coalesce(e.substatement_type, '') IN ('DROP_TABLE', 'DROP_VIEW') AND e.state = 'SUCCEEDED' AS drops,
        {{.Ranked}} AS ranked, e.state,
        CASE WHEN e.cost_basis IN ('list', 'custom', 'free') THEN e.cost END AS cost, e.currency AS own_currency
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
    WHERE e.dt <= {{.LastDay}} AND e.submission_date_time < {{.To}}
        AND e.gap IS DISTINCT FROM 'not_started'
),
known AS (
    SELECT table_name, account_id, region_name,
        min(moment) AS first_seen,
        max(CASE WHEN NOT written AND ranked THEN moment END) AS last_read,
        max(CASE WHEN written AND NOT drops THEN moment END) AS last_write,
        max(CASE WHEN written AND drops THEN moment END) AS dropped,
        count(DISTINCT CASE WHEN NOT written AND ranked AND person_kind = 'human' AND moment < {{.From}} THEN person END) AS readers_before
    FROM touches
    GROUP BY table_name, account_id, region_name
),
unread AS (
    SELECT known.*
    FROM known
    WHERE (last_read IS NULL OR last_read < {{.From}})
        AND (dropped IS NULL OR last_write > dropped OR last_read > dropped)
        {{- .AndWhere}}
),
usage AS (
    SELECT u.table_name, u.account_id, u.region_name, t.person, t.cost, t.own_currency
    FROM unread AS u
    JOIN touches AS t ON t.table_name = u.table_name AND t.account_id = u.account_id AND t.region_name = u.region_name
    WHERE t.written AND t.moment >= {{.From}}
),
paid AS ({{paid "table_name" "account_id" "region_name"}}),
written AS (
    SELECT table_name, account_id, region_name, currency, count(*) AS writes, count(DISTINCT person) AS writers, sum(cost) AS cost
    FROM paid
    GROUP BY table_name, account_id, region_name, currency
)
SELECT u.table_name, {{databaseOfTable "u.table_name"}} AS database_accessed, u.account_id, u.region_name,
    {{wholeDays (print "coalesce(u.last_read, u.first_seen)") .To}} AS days_unread,
    u.last_read, u.last_write, u.readers_before,
    coalesce(w.writes, 0) AS writes, coalesce(w.writers, 0) AS writers, w.cost AS write_cost, w.currency, u.first_seen
FROM unread AS u
LEFT JOIN written AS w ON w.table_name = u.table_name AND w.account_id = u.account_id AND w.region_name = u.region_name
ORDER BY w.cost DESC NULLS LAST, coalesce(w.writes, 0) DESC, coalesce(u.last_read, u.first_seen), u.table_name, u.account_id, u.region_name, w.currency NULLS LAST
{{.Limit}}
