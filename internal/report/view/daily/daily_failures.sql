-- One row per execution that failed and per call that Athena refused.
SELECT dt, submission_date_time, query_execution_id, event_id, person, team, tool, account_id, region_name,
    work_group_name, database_name, statement_type, state, gap,
    coalesce(error_code, CASE error_category WHEN 1 THEN 'system' WHEN 2 THEN 'user' WHEN 3 THEN 'other' END) AS error,
    error_type,
    coalesce(error_message, state_change_reason) AS message,
    data_scanned_bytes, total_ms
FROM query_executions
WHERE state = 'FAILED' OR gap = 'not_started'
