-- One row per execution, with its SQL.
SELECT dt, submission_date_time, query_execution_id, event_id, person, person_kind, person_source, person_trust, team, tool,
    account_id, region_name, work_group_name, database_name, statement_type, state, gap,
    data_scanned_bytes, billed_bytes, cost, currency, queue_ms, engine_ms, total_ms, reused_result, source_ip, query_string
FROM queries
WHERE {{.Ranked}}
