-- One row per session of Athena for Apache Spark, by the day on which it
-- started. How idle it was takes the days behind: report notebooks tells.
SELECT dt, started_at, ended_at, session_id, person, person_kind, person_source, team, notebook_id, work_group_name, account_id, region_name,
    ended_by, state, date_diff('millisecond', started_at, ended_at) AS took_ms, dpu_ms, cost, currency, cost_basis, gap
FROM sessions
WHERE gap IS DISTINCT FROM 'not_started'
