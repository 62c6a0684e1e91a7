-- One row per finding of every rule, the gravest first, then the newest. Each
-- rule is a file of view/findings, and one SELECT with the same columns.
WITH findings AS (
{{.Findings}}
)
SELECT severity, rule, person, team, seen_at, what, times, cost, saving, currency, evidence, threshold, fix, account_id, region_name
FROM findings
WHERE seen_at >= {{.From}} AND seen_at < {{.To}}
    {{- .AndWhere}}
ORDER BY weight, seen_at DESC, rule, person NULLS LAST, account_id NULLS LAST, region_name NULLS LAST, what, evidence
{{.Limit}}
