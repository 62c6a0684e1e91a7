-- Addresses that open a notebook without signing in, made by somebody whose
-- session it is not: what is run there runs as the session's starter. Where the
-- lake does not know whose session it is, whoever has no session of their own
-- of that notebook, or of any if the notebook is unknown, in the day before.
WITH urls AS (
    SELECT account_id, region_name, session_id, event_id, event_time, person, team
    FROM {{.Calls}}
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND event_time >= {{.From}} AND event_time < {{.To}}
        AND event_name = 'CreatePresignedNotebookUrl' AND error_code IS NULL AND NOT {{isExecutor}}
),
its AS (
    SELECT account_id, region_name, session_id, notebook_id, started_at,
        CASE WHEN person_source <> 'none' THEN person END AS person
    FROM sessions
    WHERE dt >= {{.FirstSparkDay}} AND dt <= {{.LastDay}} AND session_id IS NOT NULL
),
whose AS (
    SELECT u.*, i.person AS starter, i.notebook_id
    FROM urls AS u
    LEFT JOIN its AS i ON i.account_id = u.account_id AND i.region_name = u.region_name AND i.session_id = u.session_id
),
foreign_urls AS (
    SELECT whose.*,
        row_number() OVER (PARTITION BY account_id, region_name, session_id, person ORDER BY event_time, event_id) AS place
    FROM whose
    WHERE starter <> person
        OR starter IS NULL AND NOT EXISTS (
            SELECT 1 FROM its AS own
            WHERE own.account_id = whose.account_id AND own.person = whose.person
                AND (whose.notebook_id IS NULL OR own.notebook_id = whose.notebook_id)
                AND own.started_at <= whose.event_time AND own.started_at >= whose.event_time - {{.Thresholds.URLWithin}}
        )
)
SELECT person, min(team) AS team, min(event_time) AS seen_at,
    person || ' made a URL that opens the session ' || coalesce(session_id, '(unknown)')
        || CASE WHEN min(starter) IS NULL THEN ', and has no session of its notebook' ELSE ' of ' || min(starter) END AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "event_id") "place"}} AS evidence, account_id, region_name
FROM foreign_urls
GROUP BY account_id, region_name, session_id, person
