{{- /*
Parts that the views of Athena for Apache Spark share.

notebook_names: every name that a notebook was given, the newest with place 1.
Athena's masks are no names. They are looked for in all of the lake: a notebook
may be older than the window.
*/ -}}
{{define "notebook_names" -}}
notebook_names AS (
    SELECT account_id, region_name, notebook_id, notebook_name,
        row_number() OVER (
            PARTITION BY account_id, region_name, notebook_id
            ORDER BY event_time DESC, event_id DESC
        ) AS place
    FROM (
        SELECT account_id, region_name, notebook_id, event_time, event_id,
            {{jsonText "request_parameters" "name"}} AS notebook_name
        FROM {{.Calls}}
        WHERE event_name IN ('CreateNotebook', 'ImportNotebook', 'UpdateNotebookMetadata')
            AND notebook_id IS NOT NULL AND error_code IS NULL
    ) AS given
    WHERE notebook_name <> '' AND notebook_name <> 'HIDDEN_FOR_SECURITY_REASONS'
)
{{- end}}

{{- /*
lived: one row per session that began around the window, with its notebook's
name and what its calculations did.

took_ms is from its start to its end. idle_ms is the part of that in which no
calculation ran: calculations that overlap count once. Spark 3.5 shows no
calculations; there it is the time since Athena calls it idle. idle_end_ms is
how long nothing had run when it ended, or until the lake is complete, but no
longer than its own timeout. Where it is not known when a calculation ended, or
the session, they are NULL.
*/ -}}
{{define "lived" -}}
{{template "notebook_names" .}},
runs AS (
    SELECT account_id, region_name, session_id, submitted_at, completed_at, state,
        max(completed_at) OVER (
            PARTITION BY account_id, region_name, session_id
            ORDER BY submitted_at, calculation_execution_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS busy_to
    FROM calculations
    WHERE dt >= {{.FirstSparkDay}} AND dt <= {{.LastSparkDay}}
        AND session_id IS NOT NULL AND calculation_execution_id IS NOT NULL
),
worked AS (
    SELECT account_id, region_name, session_id,
        count(*) AS runs,
        count(CASE WHEN state = 'FAILED' THEN 1 END) AS failed_runs,
        count(completed_at) AS done,
        max(completed_at) AS last_done,
        CAST(sum(CASE WHEN completed_at > CASE WHEN busy_to > submitted_at THEN busy_to ELSE submitted_at END
            THEN date_diff('millisecond', CASE WHEN busy_to > submitted_at THEN busy_to ELSE submitted_at END, completed_at)
            ELSE 0 END) AS BIGINT) AS busy_ms
    FROM runs
    GROUP BY account_id, region_name, session_id
),
sessions_named AS (
    SELECT s.*, n.notebook_name,
        coalesce(w.runs, 0) AS runs, coalesce(w.failed_runs, 0) AS failed_runs,
        coalesce(w.done, 0) AS done, w.last_done, coalesce(w.busy_ms, 0) AS busy_ms,
        date_diff('millisecond', s.started_at, s.ended_at) AS took_ms
    FROM sessions AS s
    LEFT JOIN notebook_names AS n
        ON n.place = 1 AND n.account_id = s.account_id AND n.region_name = s.region_name AND n.notebook_id = s.notebook_id
    LEFT JOIN worked AS w
        ON w.account_id = s.account_id AND w.region_name = s.region_name AND w.session_id = s.session_id
    WHERE s.dt >= {{.FirstSparkDay}} AND s.dt <= {{.LastDay}}
),
rested AS (
    SELECT sessions_named.*,
        CASE
            WHEN done < runs OR ended_at IS NULL AND state <> 'IDLE' THEN NULL
            WHEN runs > 0 THEN greatest(last_done, coalesce(idle_since, last_done))
            WHEN notebook_id IS NULL THEN idle_since
            ELSE coalesce(idle_since, started_at)
        END AS last_work
    FROM sessions_named
),
lived AS (
    SELECT rested.*,
        CASE
            WHEN ended_at IS NULL OR done < runs THEN NULL
            WHEN runs > 0 OR notebook_id IS NOT NULL THEN greatest(took_ms - busy_ms, 0)
            ELSE date_diff('millisecond', idle_since, ended_at)
        END AS idle_ms,
        CASE
            WHEN last_work IS NULL THEN NULL
            WHEN ended_at >= last_work THEN date_diff('millisecond', last_work, ended_at)
            WHEN ended_at IS NULL AND {{.AsOf}} > last_work THEN date_diff('millisecond', last_work,
                least({{.AsOf}}, coalesce(last_work + idle_timeout_minutes * INTERVAL '1' MINUTE, {{.AsOf}})))
        END AS idle_end_ms
    FROM rested
)
{{- end}}
