-- One row per calculation of a session.
SELECT dt, submitted_at, completed_at, calculation_execution_id, session_id, person, person_kind, person_source, team, work_group_name,
    account_id, region_name, state, description, dpu_ms, cost_share, gap
FROM calculations
