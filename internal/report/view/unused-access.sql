-- One row per grant of access to rows whose holder did not read the table, or
-- any table of the database, in the window: those first who never did. A
-- holder's reads are found by role, user, session name or user id; where a
-- grant is to more than one that calls name, any read counts as theirs, so that
-- a row says that nobody read it at all.
WITH {{template "granted" .}},
grants AS (
    SELECT g.*,
        CASE WHEN principal = 'IAM_ALLOWED_PRINCIPALS' OR principal LIKE '%:IAMPrincipals' THEN 'everybody'
            WHEN principal LIKE 'arn:aws%:iam::%:role/%' THEN 'role'
            WHEN principal LIKE 'arn:aws%:iam::%:user/%' THEN 'user'
            WHEN principal LIKE 'arn:aws%:iam::%:saml-provider/%:user/%' THEN 'saml_user'
            WHEN principal LIKE 'arn:aws%:identitystore:::user/%' THEN 'identity_center_user'
            WHEN principal LIKE '%:group/%' THEN 'group'
            WHEN principal LIKE '%:organizations::%' OR principal NOT LIKE '%:%' THEN 'account'
            ELSE 'other' END AS holder,
        coalesce(nullif(regexp_extract(principal, '[^/]+$'), ''), principal) AS holder_name
    FROM granted AS g
    WHERE scope IN ('table', 'tables') AND (contains(permissions, 'SELECT') OR contains(permissions, 'ALL'))
),
keyed AS (
    SELECT grants.*,
        CASE holder WHEN 'role' THEN 'role ' || split_part(principal, ':', 5) || ' ' || holder_name
            WHEN 'user' THEN 'user ' || principal
            WHEN 'saml_user' THEN 'session ' || lower(holder_name)
            WHEN 'identity_center_user' THEN 'user_id ' || holder_name
            ELSE 'any' END AS holder_key
    FROM grants
),
calls AS (
    SELECT account_id, region_name, person, person_kind, submission_date_time AS moment, tables_accessed, tables_written, {{.Ranked}} AS ranked,
        CASE WHEN role_name IS NOT NULL THEN 'role ' || split_part(principal_arn, ':', 5) || ' ' || role_name END AS role_key,
        CASE WHEN principal_type = 'IAMUser' THEN 'user ' || principal_arn END AS user_key,
        'session ' || lower(role_session_name) AS session_key,
        'user_id ' || identity_center_user_id AS id_key
    FROM query_executions
    WHERE dt <= {{.LastDay}} AND submission_date_time < {{.To}} AND gap IS DISTINCT FROM 'not_started'
),
holders AS (
    SELECT role_key AS holder_key, calls.* FROM calls WHERE role_key IS NOT NULL
    UNION ALL SELECT user_key, calls.* FROM calls WHERE user_key IS NOT NULL
    UNION ALL SELECT session_key, calls.* FROM calls WHERE session_key IS NOT NULL
    UNION ALL SELECT id_key, calls.* FROM calls WHERE id_key IS NOT NULL
    UNION ALL SELECT 'any', calls.* FROM calls
),
used AS (
    SELECT holder_key, max(moment) AS last_used, count(DISTINCT CASE WHEN person_kind = 'human' THEN person END) AS people,
        max_by(CASE WHEN person_kind = 'human' THEN person END, CASE WHEN person_kind = 'human' THEN moment END) AS last_person
    FROM holders
    WHERE holder_key <> 'any'
    GROUP BY holder_key
),
reads AS (
    SELECT h.holder_key, t.table_name, h.account_id, h.region_name, max(h.moment) AS last_read
    FROM holders AS h
    CROSS JOIN UNNEST(h.tables_accessed) AS t (table_name)
    WHERE h.ranked AND NOT coalesce(contains(h.tables_written, t.table_name), false)
    GROUP BY h.holder_key, t.table_name, h.account_id, h.region_name
),
targets AS (
    SELECT holder_key, table_name AS target, account_id, region_name, last_read FROM reads
    UNION ALL
    SELECT holder_key, {{databaseOfTable "table_name"}} || '.*', account_id, region_name, last_read FROM reads
),
readers AS (
    SELECT target, account_id, region_name, person
    FROM (
        SELECT t.table_name AS target, c.account_id, c.region_name, c.person
        FROM calls AS c
        CROSS JOIN UNNEST(c.tables_accessed) AS t (table_name)
        WHERE c.ranked AND c.person_kind = 'human' AND c.moment >= {{.From}} AND NOT coalesce(contains(c.tables_written, t.table_name), false)
        UNION ALL
        SELECT {{databaseOfTable "t.table_name"}} || '.*', c.account_id, c.region_name, c.person
        FROM calls AS c
        CROSS JOIN UNNEST(c.tables_accessed) AS t (table_name)
        WHERE c.ranked AND c.person_kind = 'human' AND c.moment >= {{.From}} AND NOT coalesce(contains(c.tables_written, t.table_name), false)
    ) AS touched
    GROUP BY target, account_id, region_name, person
),
judged AS (
    SELECT k.principal, k.scope, k.table_name, k.account_id, k.region_name, max(t.last_read) AS last_read
    FROM keyed AS k
    LEFT JOIN targets AS t
        ON t.holder_key = k.holder_key AND t.target = k.table_name
        AND k.account_id IN (t.account_id, 'unknown') AND k.region_name IN (t.region_name, 'unknown')
    GROUP BY k.principal, k.scope, k.table_name, k.account_id, k.region_name
),
busy AS (
    SELECT k.principal, k.scope, k.table_name, k.account_id, k.region_name, count(DISTINCT r.person) AS readers
    FROM keyed AS k
    JOIN readers AS r ON r.target = k.table_name AND k.account_id IN (r.account_id, 'unknown') AND k.region_name IN (r.region_name, 'unknown')
    GROUP BY k.principal, k.scope, k.table_name, k.account_id, k.region_name
),
shown AS (
    SELECT k.holder_name, k.holder, k.table_name, CASE WHEN k.account_id <> 'unknown' THEN k.account_id END AS account_id,
        CASE WHEN k.region_name <> 'unknown' THEN k.region_name END AS region_name,
        {{listText "k.permissions"}} AS permissions, coalesce({{listLength "k.grantable"}}, 0) > 0 AS may_grant,
        j.last_read,
        CASE k.holder WHEN 'role' THEN 'role' WHEN 'user' THEN 'user' WHEN 'saml_user' THEN 'session name' WHEN 'identity_center_user' THEN 'user id' ELSE 'any read' END AS matched_by,
        u.last_used, coalesce(u.people, 0) AS people, u.last_person, coalesce(b.readers, 0) AS readers, k.known_from, k.principal
    FROM keyed AS k
    JOIN judged AS j ON j.principal = k.principal AND j.scope = k.scope AND j.table_name = k.table_name AND j.account_id = k.account_id AND j.region_name = k.region_name
    LEFT JOIN busy AS b ON b.principal = k.principal AND b.scope = k.scope AND b.table_name = k.table_name AND b.account_id = k.account_id AND b.region_name = k.region_name
    LEFT JOIN used AS u ON u.holder_key = k.holder_key
    WHERE j.last_read IS NULL OR j.last_read < {{.From}}
)
SELECT holder_name, holder, table_name, account_id, region_name, permissions, may_grant, last_read,
    {{wholeDays "last_read" .To}} AS days_unread,
    matched_by, last_used, people, last_person, readers, known_from, principal
FROM shown
WHERE true
    {{- .AndWhere}}
ORDER BY CASE WHEN last_read IS NULL THEN 0 ELSE 1 END, last_read, table_name, principal, account_id NULLS LAST, region_name NULLS LAST
{{.Limit}}
