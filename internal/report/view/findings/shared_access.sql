-- A role, or an access key of an IAM user, with several people behind it of
-- whom AWS knows none: their names are of comments in the SQL or were chosen
-- with the session. And such a key from several addresses on one day. Roles of
-- single sign-on are meant for many, and AWS vouches for each.
WITH calls AS (
    SELECT account_id, region_name, person, person_kind, coalesce(person_trust, '') AS person_trust, principal_type, role_name, access_key_hash, principal_arn,
        source_ip, team, query_execution_id, event_id, submission_date_time, CAST(submission_date_time AS DATE) AS day
    FROM query_executions
    WHERE dt >= {{.FirstDay}} AND dt <= {{.LastDay}}
        AND submission_date_time >= {{.From}} AND submission_date_time < {{.To}}
        AND {{.Ranked}} AND gap IS DISTINCT FROM 'not_started'
),
holders AS (
    SELECT account_id, 'the role ' || role_name AS holder, role_name AS shared, person AS one, CAST(NULL AS DATE) AS day, team, region_name, query_execution_id, event_id, submission_date_time
    FROM calls
    WHERE role_name IS NOT NULL AND person_kind = 'human' AND person_trust <> 'vouched'
    UNION ALL
    SELECT account_id, 'a key of ' || coalesce(principal_arn, 'an IAM user'), access_key_hash, person, CAST(NULL AS DATE), team, region_name, query_execution_id, event_id, submission_date_time
    FROM calls
    WHERE principal_type = 'IAMUser' AND access_key_hash IS NOT NULL AND person_kind = 'human' AND person_trust <> 'vouched'
    UNION ALL
    SELECT account_id, 'a key of ' || coalesce(principal_arn, 'an IAM user'), access_key_hash, source_ip, day, team, region_name, query_execution_id, event_id, submission_date_time
    FROM calls
    WHERE principal_type = 'IAMUser' AND access_key_hash IS NOT NULL AND {{isAddress "source_ip"}}
),
firsts AS (
    SELECT holders.*,
        row_number() OVER (PARTITION BY account_id, holder, shared, day, one ORDER BY submission_date_time, query_execution_id NULLS LAST, event_id NULLS LAST) AS nth,
        count(*) OVER (PARTITION BY account_id, holder, shared, day) AS times
    FROM holders
),
numbered AS (
    SELECT firsts.*, row_number() OVER (PARTITION BY account_id, holder, shared, day ORDER BY submission_date_time, one, query_execution_id NULLS LAST, event_id NULLS LAST) AS place
    FROM firsts
    WHERE nth = 1
)
SELECT CAST(NULL AS VARCHAR) AS person, {{severalOf "team"}} AS team, min(submission_date_time) AS seen_at,
    holder || CASE WHEN day IS NULL THEN ' was used by ' || CAST(count(*) AS VARCHAR) || ' people for whom AWS does not vouch'
        ELSE ' was used from ' || CAST(count(*) AS VARCHAR) || ' addresses on ' || CAST(day AS VARCHAR) END AS what,
    max(times) AS times,
    CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    {{joined (evidence "coalesce(query_execution_id, event_id)") "place"}} AS evidence, account_id, {{severalOf "region_name"}} AS region_name
FROM numbered
GROUP BY account_id, holder, shared, day
HAVING count(*) >= CASE WHEN day IS NULL THEN {{.OfQueries.SharedBy}} ELSE {{.OfQueries.SharedAddresses}} END
