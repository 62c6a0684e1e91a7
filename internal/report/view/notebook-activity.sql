-- One row per thing that was done with a notebook, oldest first: the calls that
-- name it, those that name one of its sessions or their calculations, and the
-- ends of sessions that no call ended. Calls that only read are left out, but
-- for those that open a session.
WITH notebook AS (
    SELECT {{.Argument}} AS notebook_id
),
near AS (
    SELECT * FROM activity WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
),
its_sessions AS (
    SELECT account_id, region_name, session_id
    FROM sessions
    WHERE notebook_id = (SELECT notebook_id FROM notebook) AND session_id IS NOT NULL
        AND dt >= {{.FirstSparkDay}} AND dt <= {{.LastDay}}
    UNION
    SELECT account_id, region_name, session_id
    FROM near
    WHERE notebook_id = (SELECT notebook_id FROM notebook) AND session_id IS NOT NULL
),
its_calculations AS (
    SELECT c.account_id, c.region_name, c.calculation_execution_id, c.session_id, c.description, c.state
    FROM calculations AS c
    JOIN its_sessions AS s ON s.account_id = c.account_id AND s.region_name = c.region_name AND s.session_id = c.session_id
    WHERE c.calculation_execution_id IS NOT NULL AND c.dt >= {{.FirstSparkDay}} AND c.dt <= {{.LastSparkDay}}
),
calls AS (
    SELECT a.event_time, a.event_id, a.event_name,
        CASE a.event_name
            WHEN 'CreateNotebook' THEN 'created'
            WHEN 'ImportNotebook' THEN 'imported'
            WHEN 'CreatePresignedNotebookUrl' THEN 'opened'
            WHEN 'GetSessionEndpoint' THEN 'connected'
            WHEN 'StartSession' THEN 'session started'
            WHEN 'StartCalculationExecution' THEN 'cell run'
            WHEN 'StopCalculationExecution' THEN 'cell stopped'
            WHEN 'StartQueryExecution' THEN 'query started'
            WHEN 'StopQueryExecution' THEN 'query stopped'
            WHEN 'UpdateNotebook' THEN 'saved'
            WHEN 'UpdateNotebookMetadata' THEN 'renamed'
            WHEN 'ExportNotebook' THEN 'exported'
            WHEN 'TerminateSession' THEN 'session ended'
            WHEN 'DeleteNotebook' THEN 'deleted'
            ELSE a.event_name
        END AS what,
        CASE
            WHEN a.event_name IN ('CreateNotebook', 'ImportNotebook', 'UpdateNotebookMetadata') THEN {{jsonText "a.request_parameters" "name"}}
            WHEN a.event_name = 'StartSession' THEN {{jsonText "a.request_parameters" "executionRole"}}
            WHEN a.event_name = 'StartQueryExecution' THEN a.query_execution_id
            WHEN c.state IS NOT NULL AND c.description IS NOT NULL THEN c.description || ', ' || c.state
            ELSE coalesce(c.description, c.state)
        END AS detail,
        a.person, a.person_kind, a.person_source, a.team, a.principal_arn, a.source_ip, a.tool, a.user_agent, a.console,
        coalesce(a.session_id, c.session_id) AS session_id, a.calculation_execution_id,
        a.error_code, a.error_message, a.account_id, a.region_name
    FROM near AS a
    LEFT JOIN its_sessions AS s ON s.account_id = a.account_id AND s.region_name = a.region_name AND s.session_id = a.session_id
    LEFT JOIN its_calculations AS c
        ON c.account_id = a.account_id AND c.region_name = a.region_name AND c.calculation_execution_id = a.calculation_execution_id
    WHERE (a.notebook_id = (SELECT notebook_id FROM notebook) OR s.session_id IS NOT NULL OR c.calculation_execution_id IS NOT NULL)
        AND (a.event_name = 'GetSessionEndpoint'
            OR a.event_name NOT LIKE 'Get%' AND a.event_name NOT LIKE 'List%' AND a.event_name NOT LIKE 'BatchGet%')
),
ends AS (
    SELECT ended_at AS event_time, CAST(NULL AS VARCHAR) AS event_id, CAST(NULL AS VARCHAR) AS event_name,
        'session ended' AS what, coalesce(state_change_reason, state) AS detail,
        '(timeout)' AS person, CAST(NULL AS VARCHAR) AS person_kind, CAST(NULL AS VARCHAR) AS person_source, CAST(NULL AS VARCHAR) AS team,
        CAST(NULL AS VARCHAR) AS principal_arn, CAST(NULL AS VARCHAR) AS source_ip, CAST(NULL AS VARCHAR) AS tool,
        CAST(NULL AS VARCHAR) AS user_agent, CAST(NULL AS BOOLEAN) AS console,
        session_id, CAST(NULL AS VARCHAR) AS calculation_execution_id,
        CAST(NULL AS VARCHAR) AS error_code, CAST(NULL AS VARCHAR) AS error_message, account_id, region_name
    FROM sessions
    WHERE notebook_id = (SELECT notebook_id FROM notebook) AND ended_at IS NOT NULL AND ended_by IS NULL
        AND dt >= {{.FirstSparkDay}} AND dt <= {{.LastDay}}
),
timeline AS (
    SELECT * FROM calls
    UNION ALL
    SELECT * FROM ends
)
SELECT event_time, what, detail, person, person_kind, person_source, team, source_ip, tool, user_agent, console,
    session_id, calculation_execution_id, error_code, error_message, principal_arn, account_id, region_name, event_name, event_id
FROM timeline
WHERE event_time >= {{.From}} AND event_time < {{.To}}
    {{- .AndWhere}}
ORDER BY event_time, what, event_id NULLS LAST, session_id NULLS LAST, account_id, region_name
{{.Limit}}
