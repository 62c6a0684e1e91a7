-- One row per table, account, region and currency of its writes that the
-- catalog or a statement of the lake knows, that nobody read in the window, and
-- that is still there: those first that cost most to write, then the largest.
-- All of the lake up to the window's end is looked at, since what was read last
-- is mostly older than the window.
WITH {{if .Numbered}}touches AS (
    SELECT table_name, account_id, region_name, person, person_kind, first_touch, last_touch, written, drops, {{.Ranked}} AS ranked
    FROM held_touches
    WHERE dt < {{.LastWholeDay}}
    UNION ALL
    SELECT t.table_name, e.account_id, e.region_name, e.person, e.person_kind, e.submission_date_time, e.submission_date_time,
        coalesce(contains(e.tables_written, t.table_name), false),
        coalesce(e.substatement_type, '') IN ('DROP_TABLE', 'DROP_VIEW') AND e.state = 'SUCCEEDED', {{.Ranked}}
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
    WHERE e.dt >= {{.LastWholeDay}} AND e.dt <= {{.LastDay}} AND e.submission_date_time < {{.To}}
        AND e.gap IS DISTINCT FROM 'not_started'
),
{{else}}touches AS (
    SELECT t.table_name, e.account_id, e.region_name, e.person, e.person_kind, e.submission_date_time AS first_touch, e.submission_date_time AS last_touch,
        coalesce(contains(e.tables_written, t.table_name), false) AS written,
        coalesce(e.substatement_type, '') IN ('DROP_TABLE', 'DROP_VIEW') AND e.state = 'SUCCEEDED' AS drops,
        {{.Ranked}} AS ranked
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.tables_accessed) AS t (table_name)
    WHERE e.dt <= {{.LastDay}} AND e.submission_date_time < {{.To}}
        AND e.gap IS DISTINCT FROM 'not_started'
),
{{end -}}
known AS (
    SELECT table_name, account_id, region_name,
        min(first_touch) AS first_seen, max(last_touch) AS last_seen,
        max(CASE WHEN NOT written AND ranked THEN last_touch END) AS last_read,
        max(CASE WHEN written AND NOT drops THEN last_touch END) AS last_write,
        max(CASE WHEN written AND drops THEN last_touch END) AS dropped,
        count(DISTINCT CASE WHEN NOT written AND ranked AND person_kind = 'human' AND first_touch < {{.From}} THEN person END) AS readers_before
    FROM touches
    GROUP BY table_name, account_id, region_name
),
{{template "listed" .}},
named AS (
    SELECT *
    FROM (
        SELECT k.*, c.dt AS answered_on, coalesce(c.gone, false) AS gone, c.table_type, c.table_format, c.table_bytes, c.created_at, c.updated_at,
            CASE WHEN c.table_name IS NULL OR c.gone THEN 'statements' ELSE 'both' END AS known_from,
            row_number() OVER (
                PARTITION BY k.table_name, k.account_id, k.region_name
                ORDER BY CASE WHEN c.account_id = k.account_id THEN 0 ELSE 1 END, CASE WHEN c.region_name = k.region_name THEN 0 ELSE 1 END
            ) AS choice
        FROM known AS k
        LEFT JOIN listed AS c ON c.table_name = k.table_name AND c.account_id IN (k.account_id, 'unknown') AND c.region_name IN (k.region_name, 'unknown')
    ) AS matched
    WHERE choice = 1
),
lake AS (
    SELECT min(first_touch) AS since FROM touches
),
unnamed AS (
    SELECT c.table_name, CASE WHEN c.account_id <> 'unknown' THEN c.account_id END AS account_id, CASE WHEN c.region_name <> 'unknown' THEN c.region_name END AS region_name,
        c.dt AS answered_on, c.table_type, c.table_format, c.table_bytes, c.created_at, c.updated_at,
        CASE WHEN l.since IS NULL OR c.created_at > l.since THEN c.created_at ELSE l.since END AS since
    FROM listed AS c
    CROSS JOIN lake AS l
    LEFT JOIN known AS k ON k.table_name = c.table_name AND c.account_id IN (k.account_id, 'unknown') AND c.region_name IN (k.region_name, 'unknown')
    WHERE k.table_name IS NULL AND NOT c.gone AND (c.created_at IS NULL OR c.created_at < {{.To}})
),
candidates AS (
    SELECT table_name, account_id, region_name, known_from, first_seen, coalesce(last_read, first_seen) AS unread_since, last_read, last_write, readers_before,
        table_type, table_format, table_bytes, created_at, updated_at
    FROM named
    WHERE (last_read IS NULL OR last_read < {{.From}})
        AND (dropped IS NULL OR last_write > dropped OR last_read > dropped OR NOT gone AND answered_on > CAST(dropped AS DATE))
        AND NOT (gone AND answered_on >= CAST(last_seen AS DATE))
    UNION ALL
    SELECT table_name, account_id, region_name, 'catalog', CAST(NULL AS TIMESTAMP), since, CAST(NULL AS TIMESTAMP), CAST(NULL AS TIMESTAMP), CAST(0 AS BIGINT),
        table_type, table_format, table_bytes, created_at, updated_at
    FROM unnamed
),
unread AS (
    SELECT *
    FROM candidates
    WHERE true
        {{- .AndWhere}}
),
usage AS (
    SELECT u.table_name, u.account_id, u.region_name, w.person, w.cost, w.own_currency
    FROM unread AS u
    JOIN (
        SELECT t.table_name, e.account_id, e.region_name, e.person, e.currency AS own_currency,
            CASE WHEN e.cost_basis IN ('list', 'custom', 'free') THEN e.cost END AS cost
        FROM query_executions AS e
        CROSS JOIN UNNEST(e.tables_written) AS t (table_name)
        WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
            AND e.submission_date_time >= {{.From}} AND e.submission_date_time < {{.To}}
            AND e.gap IS DISTINCT FROM 'not_started'
    ) AS w ON w.table_name = u.table_name AND w.account_id = u.account_id AND w.region_name = u.region_name
),
paid AS ({{paid "table_name" "account_id" "region_name"}}),
written AS (
    SELECT table_name, account_id, region_name, currency, count(*) AS writes, count(DISTINCT person) AS writers, sum(cost) AS cost
    FROM paid
    GROUP BY table_name, account_id, region_name, currency
)
SELECT u.table_name, {{databaseOfTable "u.table_name"}} AS database_accessed, u.account_id, u.region_name, u.known_from,
    {{wholeDays "u.unread_since" .To}} AS days_unread,
    u.last_read, u.last_write, u.table_bytes, u.table_format, u.table_type, u.created_at, u.updated_at, u.readers_before,
    coalesce(w.writes, 0) AS writes, coalesce(w.writers, 0) AS writers, w.cost AS write_cost, w.currency, u.first_seen
FROM unread AS u
LEFT JOIN written AS w ON w.table_name = u.table_name AND w.account_id = u.account_id AND w.region_name = u.region_name
ORDER BY w.cost DESC NULLS LAST, coalesce(w.writes, 0) DESC, u.table_bytes DESC NULLS LAST, u.unread_since NULLS LAST,
    u.table_name, u.account_id NULLS LAST, u.region_name NULLS LAST, w.currency NULLS LAST
{{.Limit}}
