-- Calls by which code is run in a person's session, or by which it is opened,
-- from an address that the person had not called from. What the session's own
-- code calls comes from Athena's addresses and tells nothing. Known addresses
-- are that of the start and those of the person's calls before it, which have
-- to be near: an address of last month is no proof.
WITH its AS (
    SELECT account_id, region_name, session_id, notebook_id, person, team, source_ip, started_at,
        coalesce(ended_at, started_at + INTERVAL '8' DAY) AS until
    FROM sessions
    WHERE dt >= {{.FirstSparkDay}} AND dt <= {{.LastDay}}
        AND session_id IS NOT NULL AND person_kind = 'human' AND {{isAddress "source_ip"}}
),
direct AS (
    SELECT account_id, region_name, session_id, notebook_id, event_id, event_time, person, source_ip
    FROM {{.Calls}}
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND event_name IN ('StartCalculationExecution', 'CreatePresignedNotebookUrl', 'GetSessionEndpoint', 'UpdateNotebook')
        AND error_code IS NULL AND NOT {{isExecutor}} AND {{isAddress "source_ip"}}
),
calls AS (
    SELECT i.*, d.event_id, d.event_time, d.person AS caller, d.source_ip AS other_ip
    FROM its AS i
    JOIN direct AS d ON d.account_id = i.account_id AND d.region_name = i.region_name AND d.session_id = i.session_id
    UNION ALL
    SELECT i.*, d.event_id, d.event_time, d.person, d.source_ip
    FROM its AS i
    JOIN direct AS d ON d.account_id = i.account_id AND d.region_name = i.region_name AND d.session_id IS NULL AND d.notebook_id = i.notebook_id
),
foreign_calls AS (
    SELECT calls.*,
        row_number() OVER (PARTITION BY account_id, region_name, session_id, caller, other_ip ORDER BY event_time, event_id) AS place
    FROM calls
    WHERE event_time >= {{.From}} AND event_time < {{.To}}
        AND event_time >= started_at - INTERVAL '1' MINUTE AND event_time <= until
        AND other_ip <> source_ip
        AND NOT EXISTS (
            SELECT 1 FROM activity AS a
            WHERE a.dt >= {{.DaysBefore 9}} AND a.dt <= {{.LastDay}}
                AND a.person = calls.person AND a.source_ip = calls.other_ip
                AND a.event_time >= calls.started_at - {{.Thresholds.AddressKnown}} AND a.event_time < calls.started_at
                AND NOT {{isExecutor}}
        )
)
SELECT caller AS person, min(team) AS team, min(event_time) AS seen_at,
    'the session ' || session_id || ' of ' || min(person) || ', started from ' || min(source_ip) || ', was used from ' || other_ip || ' by ' || caller AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "event_id") "place"}} AS evidence, account_id, region_name
FROM foreign_calls
GROUP BY account_id, region_name, session_id, caller, other_ip
