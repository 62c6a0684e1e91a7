package report

import (
	"fmt"
	"strings"
)

// ran returns a SELECT of what ran, with the columns of query_executions, the
// kind of usage, the moment that it counts for, and its DPU time: executions,
// and unless sqlOnly is set sessions of Athena for Apache Spark, which lack
// what only a statement has. Where texts are numbered, executions have the number
// of theirs.
func (d dialect) ran(sqlOnly, numbered bool) string {
	sessions := map[string]string{}
	for _, c := range tableNamed("sessions").columns {
		sessions[c.name] = c.sql
	}
	var sql, spark []string
	for _, c := range tableNamed("query_executions").columns {
		if c.name == "submission_date_time" {
			continue
		}
		sql = append(sql, c.name)
		switch {
		case c.name == "probe" || c.name == "own":
			spark = append(spark, "false AS "+c.name)
		case sessions[c.name] == c.sql:
			spark = append(spark, c.name)
		default:
			spark = append(spark, fmt.Sprintf("CAST(NULL AS %s) AS %s", d.typeName(c.sql), c.name))
		}
	}
	if numbered {
		sql, spark = append(sql, "text_id"), append(spark, "CAST(NULL AS BIGINT) AS text_id")
	}
	text := "SELECT 'sql' AS kind, submission_date_time AS moment, CAST(NULL AS BIGINT) AS dpu_ms, dt, " + strings.Join(sql, ", ") + " FROM query_executions"
	if sqlOnly {
		return text
	}
	return text + "\n            UNION ALL\n            SELECT 'spark', started_at, dpu_ms, dt, " + strings.Join(spark, ", ") + " FROM sessions"
}
