-- Imported notebooks that soon ran in a role that neither the importer's other
-- sessions had nor, where there are none, those of the work group. Which role
-- is usual is what the lake holds of the time before the import; where that is
-- nothing, nothing is said.
WITH imports AS (
    SELECT account_id, region_name, notebook_id, event_id, event_time, person
    FROM {{.Calls}}
    WHERE dt >= {{.DaysBefore .Thresholds.ImportDays}} AND dt <= {{.LastDay}}
        AND event_name = 'ImportNotebook' AND error_code IS NULL AND notebook_id IS NOT NULL
),
roles AS (
    SELECT account_id, region_name, session_id, event_id, notebook_id, work_group_name, person, team, started_at, execution_role
    FROM sessions
    WHERE dt >= {{.DaysBefore .Thresholds.RoleDays}} AND dt <= {{.LastDay}}
        AND execution_role IS NOT NULL AND session_id IS NOT NULL
),
runs AS (
    SELECT r.*, i.event_id AS import_id, i.event_time AS imported_at, i.person AS importer
    FROM imports AS i
    JOIN roles AS r
        ON r.account_id = i.account_id AND r.region_name = i.region_name AND r.notebook_id = i.notebook_id
        AND r.started_at >= i.event_time AND r.started_at <= i.event_time + INTERVAL '{{.Thresholds.ImportDays}}' DAY
    WHERE r.started_at >= {{.From}} AND r.started_at < {{.To}}
),
before AS (
    SELECT runs.import_id, runs.session_id,
        u.execution_role,
        CASE WHEN u.person = runs.importer THEN 1 ELSE 0 END AS own
    FROM runs
    JOIN roles AS u
        ON u.account_id = runs.account_id AND u.region_name = runs.region_name
        AND (u.person = runs.importer OR u.work_group_name = runs.work_group_name)
        AND (u.notebook_id IS NULL OR u.notebook_id <> runs.notebook_id)
        AND u.started_at < runs.imported_at AND u.started_at >= runs.imported_at - INTERVAL '{{.Thresholds.RoleDays}}' DAY
),
known AS (
    SELECT import_id, session_id, max(own) AS own FROM before GROUP BY import_id, session_id
),
usual AS (
    SELECT b.import_id, b.session_id, b.execution_role
    FROM before AS b
    JOIN known AS k ON k.import_id = b.import_id AND k.session_id = b.session_id AND k.own = b.own
    GROUP BY b.import_id, b.session_id, b.execution_role
)
SELECT runs.person, runs.team, runs.started_at AS seen_at,
    'notebook ' || runs.notebook_id || ', imported by ' || runs.importer || ', ran in the role ' || runs.execution_role
        || CASE WHEN k.own = 1 THEN ', which no session of ' || runs.importer || ' had before' ELSE ', which no session of the work group ' || runs.work_group_name || ' had before' END AS what,
    CAST(1 AS BIGINT) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    runs.import_id || ', ' || runs.session_id AS evidence, runs.account_id, runs.region_name
FROM runs
JOIN known AS k ON k.import_id = runs.import_id AND k.session_id = runs.session_id
LEFT JOIN usual AS u ON u.import_id = runs.import_id AND u.session_id = runs.session_id AND u.execution_role = runs.execution_role
WHERE u.execution_role IS NULL
