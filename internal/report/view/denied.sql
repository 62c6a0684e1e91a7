-- One row per call that was denied, newest first.
SELECT event_time, person, person_kind, team, event_name, work_group_name, account_id, region_name,
    error_code, error_message, principal_arn, source_ip, tool, event_id
FROM {{.Calls}}
WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
    AND event_time >= {{.From}} AND event_time < {{.To}}
    AND {{template "is_denied"}}
    {{- .AndWhere}}
ORDER BY event_time DESC, event_id NULLS LAST, account_id, region_name, query_execution_id NULLS LAST
{{.Limit}}
