-- Calls signed with the credentials that Athena took for a session's code and
-- not made by Athena: with a program that people use, or from an address where
-- all of the sessions' own cells come from within AWS. The address alone tells
-- nothing where cells have addresses too: Athena's differ from node to node.
WITH executors AS (
    SELECT account_id, region_name, session_id, event_id, event_time, event_name, person, team, source_ip, user_agent, console
    FROM {{.Calls}}
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}} AND {{isExecutor}}
),
usual AS (
    SELECT account_id, region_name, max(CASE WHEN {{isAddress "source_ip"}} THEN 1 ELSE 0 END) AS addresses
    FROM executors
    WHERE event_name IN ('StartCalculationExecution', 'UpdateNotebook') AND NOT {{isDesktop}}
    GROUP BY account_id, region_name
),
outside AS (
    SELECT e.*,
        row_number() OVER (PARTITION BY e.account_id, e.region_name, e.session_id, e.source_ip, e.user_agent ORDER BY e.event_time, e.event_id) AS place
    FROM executors AS e
    LEFT JOIN usual AS u ON u.account_id = e.account_id AND u.region_name = e.region_name
    WHERE e.event_time >= {{.From}} AND e.event_time < {{.To}}
        AND ({{isDesktop}} OR u.addresses = 0 AND {{isAddress "e.source_ip"}})
)
SELECT min(person) AS person, min(team) AS team, min(event_time) AS seen_at,
    'credentials of the session ' || coalesce(session_id, '(unknown)') || ' were used from ' || coalesce(source_ip, 'an unknown address') || ' with ' || coalesce(substr(user_agent, 1, 60), 'an unknown program') AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "event_id") "place"}} AS evidence, account_id, region_name
FROM outside
GROUP BY account_id, region_name, session_id, source_ip, user_agent
