-- One row per call that was denied.
SELECT dt, event_time, person, person_kind, team, event_name, work_group_name, account_id, region_name,
    error_code, error_message, principal_arn, source_ip, tool, event_id
FROM activity
WHERE {{template "is_denied"}}
