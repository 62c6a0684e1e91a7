-- Notebooks exported or deleted by somebody other than who made them. Makers
-- are looked for in all of the lake; a notebook whose maker it does not hold
-- tells nothing.
WITH made AS (
    SELECT account_id, region_name, notebook_id, person, event_id, event_time,
        row_number() OVER (PARTITION BY account_id, region_name, notebook_id ORDER BY event_time, event_id) AS place
    FROM {{.Calls}}
    WHERE event_name IN ('CreateNotebook', 'ImportNotebook') AND error_code IS NULL AND notebook_id IS NOT NULL
),
taken AS (
    SELECT a.account_id, a.region_name, a.notebook_id, a.event_name, a.person, a.team, a.event_id, a.event_time,
        m.person AS maker, m.event_id AS made_id,
        row_number() OVER (PARTITION BY a.account_id, a.region_name, a.notebook_id, a.event_name, a.person ORDER BY a.event_time, a.event_id) AS place
    FROM {{.Calls}} AS a
    JOIN made AS m
        ON m.place = 1 AND m.account_id = a.account_id AND m.region_name = a.region_name AND m.notebook_id = a.notebook_id
    WHERE a.dt >= {{.FirstDay}} AND a.dt <= {{.LastDay}}
        AND a.event_time >= {{.From}} AND a.event_time < {{.To}}
        AND a.event_name IN ('ExportNotebook', 'DeleteNotebook') AND a.error_code IS NULL
        AND a.person <> m.person
)
SELECT person, min(team) AS team, min(event_time) AS seen_at,
    person || CASE event_name WHEN 'DeleteNotebook' THEN ' deleted' ELSE ' exported' END || ' the notebook ' || notebook_id || ', which ' || min(maker) || ' made' AS what,
    count(*) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    min(made_id) || ', ' || {{joined (evidence "event_id") "place"}} AS evidence, account_id, region_name
FROM taken
GROUP BY account_id, region_name, notebook_id, event_name, person
