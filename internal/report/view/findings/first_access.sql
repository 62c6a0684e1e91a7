-- The first time that a person read or wrote in a database, where the lake has
-- known both for long enough to tell: somebody new, or a new database, is no
-- finding. All of the lake before the window's end is looked at.
{{- if .Numbered}}
WITH known AS (
    SELECT person, min(since) AS since
    FROM held_people
    GROUP BY person
),
used AS (
    SELECT account_id, region_name, database_accessed, min(since) AS since
    FROM held_accesses
    GROUP BY account_id, region_name, database_accessed
),
firsts AS (
    SELECT account_id, region_name, database_accessed, person, team, since AS submission_date_time, query_execution_id,
        row_number() OVER (PARTITION BY account_id, region_name, database_accessed, person ORDER BY since, query_execution_id) AS place
    FROM held_accesses
    WHERE person_kind = 'human' AND {{.Ranked}} AND state = 'SUCCEEDED' AND since < {{.To}}
)
{{- else}}
WITH known AS (
    SELECT person, min(submission_date_time) AS since
    FROM query_executions
    WHERE dt <= {{.LastDay}} AND person_kind = 'human' AND gap IS DISTINCT FROM 'not_started'
    GROUP BY person
),
accesses AS (
    SELECT e.account_id, e.region_name, t.database_accessed, e.person, e.person_kind, e.team, e.submission_date_time, e.query_execution_id, e.state,
        {{.Ranked}} AS ranked
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.databases_accessed) AS t (database_accessed)
    WHERE e.dt <= {{.LastDay}} AND e.submission_date_time < {{.To}}
        AND e.statement_type = 'DML' AND e.query_execution_id IS NOT NULL
),
used AS (
    SELECT account_id, region_name, database_accessed, min(submission_date_time) AS since
    FROM accesses
    GROUP BY account_id, region_name, database_accessed
),
firsts AS (
    SELECT accesses.*,
        row_number() OVER (PARTITION BY account_id, region_name, database_accessed, person ORDER BY submission_date_time, query_execution_id) AS place
    FROM accesses
    WHERE person_kind = 'human' AND ranked AND state = 'SUCCEEDED'
)
{{- end}}
SELECT f.person, f.team, f.submission_date_time AS seen_at,
    f.person || ' used the database ' || f.database_accessed || ' for the first time in the '
        || CAST({{wholeDays "k.since" "f.submission_date_time"}} AS VARCHAR) || ' days that the lake knows them' AS what,
    CAST(1 AS BIGINT) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    f.query_execution_id AS evidence, f.account_id, f.region_name
FROM firsts AS f
JOIN known AS k ON k.person = f.person
JOIN used AS u ON u.account_id = f.account_id AND u.region_name = f.region_name AND u.database_accessed = f.database_accessed
WHERE f.place = 1
    AND f.submission_date_time >= {{.From}}
    AND k.since <= f.submission_date_time - INTERVAL '{{.OfQueries.AccessHistory}}' DAY
    AND u.since <= f.submission_date_time - INTERVAL '{{.OfQueries.AccessHistory}}' DAY
