-- One row per execution, the dearest first. The SQL is looked up for the rows
-- that are shown: it lies on the day of the execution or beside it.
WITH top AS (
    SELECT submission_date_time, query_execution_id, event_id, person, person_kind, person_source, person_trust,
        team, tool, account_id, region_name, work_group_name, database_name, statement_type, state, gap,
        data_scanned_bytes, billed_bytes, cost, currency, queue_ms, engine_ms, total_ms, reused_result,
        source_ip, {{if .Numbered}}text_id{{else}}text_hash, text_dt{{end}}
    FROM (SELECT *, 'sql' AS kind FROM query_executions) AS e
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}}
        {{- .AndWhere}}
    ORDER BY cost DESC NULLS LAST, data_scanned_bytes DESC NULLS LAST, submission_date_time DESC,
        query_execution_id NULLS LAST, event_id NULLS LAST, account_id, region_name
    {{.Limit}}
),
texts AS (
    {{template "texts" .}}
)
SELECT t.submission_date_time, t.query_execution_id, t.person, t.person_kind, t.person_source, t.person_trust,
    t.team, t.tool, t.account_id, t.region_name, t.work_group_name, t.database_name, t.statement_type, t.state, t.gap,
    t.data_scanned_bytes, t.billed_bytes, t.cost, t.currency, t.queue_ms, t.engine_ms, t.total_ms, t.reused_result,
    t.source_ip, x.query_string
FROM top AS t
LEFT JOIN texts AS x
    ON {{.TextOf "x" "t"}}
ORDER BY t.cost DESC NULLS LAST, t.data_scanned_bytes DESC NULLS LAST, t.submission_date_time DESC,
    t.query_execution_id NULLS LAST, t.event_id NULLS LAST, t.account_id, t.region_name
