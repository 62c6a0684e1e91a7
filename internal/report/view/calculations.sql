-- One row per calculation (a cell, or a block of code), newest first. Its cost
-- is a part of its session's.
WITH {{template "notebook_names" .}},
calculated AS (
    SELECT c.*, n.notebook_name
    FROM calculations AS c
    LEFT JOIN notebook_names AS n
        ON n.place = 1 AND n.account_id = c.account_id AND n.region_name = c.region_name AND n.notebook_id = c.notebook_id
)
SELECT submitted_at, calculation_execution_id, person, person_kind, person_source, team, session_id, notebook_name, notebook_id,
    work_group_name, account_id, region_name,
    date_diff('millisecond', submitted_at, completed_at) AS took_ms,
    coalesce(state, CASE WHEN gap = 'not_started' THEN 'refused' END) AS state, progress,
    coalesce(error_message, state_change_reason) AS reason, stopped_by,
    dpu_ms, cost_share, currency, description, principal_arn, source_ip, gap, event_id
FROM calculated
WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
    AND submitted_at >= {{.From}} AND submitted_at < {{.To}}
    {{- .AndWhere}}
ORDER BY submitted_at DESC, calculation_execution_id NULLS LAST, event_id NULLS LAST, account_id, region_name
{{.Limit}}
