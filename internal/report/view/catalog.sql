{{- /*
listed: what the catalog said last of each table by the end of the window, or
first after it; of a file's row that tells no account or region, as it is. What
is gone is in it.
*/ -}}
{{define "listed" -}}
listed AS (
    SELECT *
    FROM (
        SELECT c.*,
            row_number() OVER (
                PARTITION BY table_name, account_id, region_name
                ORDER BY CASE WHEN dt <= {{.LastDay}} THEN 0 ELSE 1 END, CASE WHEN dt <= {{.LastDay}} THEN dt END DESC NULLS LAST, dt
            ) AS nth
        FROM catalog_tables AS c
    ) AS answers
    WHERE nth = 1
)
{{- end}}

{{- /*
granted: likewise of each grant.
*/ -}}
{{define "granted" -}}
granted AS (
    SELECT *
    FROM (
        SELECT c.*,
            row_number() OVER (
                PARTITION BY principal, scope, table_name, account_id, region_name
                ORDER BY CASE WHEN dt <= {{.LastDay}} THEN 0 ELSE 1 END, CASE WHEN dt <= {{.LastDay}} THEN dt END DESC NULLS LAST, dt
            ) AS nth
        FROM catalog_grants AS c
    ) AS answers
    WHERE nth = 1 AND NOT gone
)
{{- end}}

{{- /*
nothing_found: a rule's SELECT where it has nothing to compare with.
*/ -}}
{{define "nothing_found" -}}
SELECT CAST(NULL AS VARCHAR) AS person, CAST(NULL AS VARCHAR) AS team, CAST(NULL AS TIMESTAMP) AS seen_at, CAST(NULL AS VARCHAR) AS what,
    CAST(0 AS BIGINT) AS times, CAST(NULL AS DECIMAL(38,9)) AS cost, CAST(NULL AS DECIMAL(38,9)) AS saving, CAST(NULL AS VARCHAR) AS currency,
    CAST(NULL AS VARCHAR) AS evidence, CAST(NULL AS VARCHAR) AS account_id, CAST(NULL AS VARCHAR) AS region_name
WHERE false
{{- end}}
