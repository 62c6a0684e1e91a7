-- One row per session of Athena for Apache Spark, newest first; also of those
-- that were refused, and of Spark 3.5, which has no notebook.
WITH {{template "lived" .}}
SELECT started_at, session_id, person, person_kind, person_source, team, notebook_name, notebook_id,
    work_group_name, account_id, region_name, ended_at,
    coalesce(ended_by, CASE WHEN ended_at IS NOT NULL AND state = 'TERMINATED' THEN '(timeout)' END) AS ended_by,
    coalesce(state, CASE WHEN gap = 'not_started' THEN 'refused' END) AS state,
    coalesce(error_message, state_change_reason) AS reason,
    took_ms, idle_ms, idle_end_ms,
    runs AS calculations, failed_runs AS failed_calculations,
    dpu_ms, cost, currency, idle_dpu_ms, idle_cost, cost_basis,
    execution_role, engine_version, idle_timeout_minutes, tool, source_ip, gap, event_id
FROM lived
WHERE started_at >= {{.From}} AND started_at < {{.To}}
    {{- .AndWhere}}
ORDER BY started_at DESC, session_id NULLS LAST, event_id NULLS LAST, account_id, region_name
{{.Limit}}
