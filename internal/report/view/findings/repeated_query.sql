-- The same SQL again, within the time for which a result may be reused, in the
-- work group and database of the run that it repeats. Runs that follow each
-- other closely are cut into stretches of that time: the first of a stretch
-- would have run anyway, those that began after its end need not have. That is
-- at least what reuse saves. Athena reuses results of SELECT alone, not where
-- Lake Formation or another catalog is involved; and where a text has question
-- marks, the values behind them are not known.
WITH federated AS (
    SELECT DISTINCT e.query_execution_id
    FROM query_executions AS e
    CROSS JOIN UNNEST(e.databases_accessed) AS t (database_accessed)
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
        AND t.database_accessed NOT LIKE 'awsdatacatalog.%' AND e.query_execution_id IS NOT NULL
),
whole AS (
    {{template "window_texts" .}} AND query_string NOT LIKE '%?%'
),
runs AS (
    SELECT e.account_id, e.region_name, e.work_group_name, e.catalog_name, e.database_name, e.text_hash, e.query_execution_id, e.person, e.team,
        e.submission_date_time, e.completion_date_time, e.cost, e.currency,
        lag(e.submission_date_time) OVER (
            PARTITION BY e.account_id, e.region_name, e.work_group_name, e.catalog_name, e.database_name, e.text_hash
            ORDER BY e.submission_date_time, e.query_execution_id
        ) AS last_time
    FROM query_executions AS e
    JOIN whole AS w ON {{.TextOf "w" "e"}}
    WHERE e.dt >= {{.FirstDay}} AND e.dt <= {{.LastDay}}
        AND e.submission_date_time >= {{.From}} AND e.submission_date_time < {{.To}}
        AND {{.Ranked}}
        AND e.state = 'SUCCEEDED' AND e.statement_type = 'DML' AND e.substatement_type IN ('SELECT', 'EXECUTE')
        AND NOT coalesce(e.reused_result, false) AND e.cost > 0
        AND coalesce(e.tables_source, '') <> 'lake_formation' AND e.query_execution_id IS NOT NULL
        AND e.query_execution_id NOT IN (SELECT query_execution_id FROM federated)
),
chains AS (
    SELECT runs.*,
        sum(CASE WHEN date_diff('millisecond', last_time, submission_date_time) <= {{.OfQueries.RepeatMillis}} THEN 0 ELSE 1 END) OVER (
            PARTITION BY account_id, region_name, work_group_name, catalog_name, database_name, text_hash
            ORDER BY submission_date_time, query_execution_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS chain
    FROM runs
),
dated AS (
    SELECT chains.*,
        min(submission_date_time) OVER (PARTITION BY account_id, region_name, work_group_name, catalog_name, database_name, text_hash, chain) AS chain_start
    FROM chains
),
stretches AS (
    SELECT dated.*,
        floor(CAST(date_diff('millisecond', chain_start, submission_date_time) AS DOUBLE) / {{.OfQueries.RepeatMillis}}e0) AS stretch
    FROM dated
),
judged AS (
    SELECT stretches.*,
        first_value(completion_date_time) OVER (
            PARTITION BY account_id, region_name, work_group_name, catalog_name, database_name, text_hash, chain, stretch
            ORDER BY submission_date_time, query_execution_id
        ) AS first_done
    FROM stretches
),
repeats AS (
    SELECT judged.*,
        row_number() OVER (
            PARTITION BY account_id, region_name, work_group_name, catalog_name, database_name, text_hash, currency
            ORDER BY submission_date_time, query_execution_id
        ) AS place
    FROM judged
    WHERE submission_date_time >= first_done
)
SELECT {{severalOf "person"}} AS person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    'the same SELECT ran again ' || CAST(count(*) AS VARCHAR) || ' times in the work group ' || coalesce(min(work_group_name), '(unknown)') || ' while its result was fresh' AS what,
    count(*) AS times,
    CAST(sum(cost) AS DECIMAL(38,9)) AS cost, CAST(sum(cost) AS DECIMAL(38,9)) AS saving, currency,
    {{joined (evidence "query_execution_id") "place"}} AS evidence, account_id, region_name
FROM repeats
GROUP BY account_id, region_name, work_group_name, catalog_name, database_name, text_hash, currency
HAVING count(*) >= {{.OfQueries.RepeatsAtLeast}} AND sum(cost) >= {{.OfQueries.RepeatsCost}}
