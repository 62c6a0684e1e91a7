package report

import (
	"fmt"
	"strings"
)

// A dailyView is a view of the program's that can stand in an engine's catalog:
// without a window or conditions, a row of it for each day of UTC (dt).
type dailyView struct {
	view   string   // of the program's
	file   string   // below view/daily
	keys   []string // columns of usage_rollup that its rows are grouped by, beside dt and the currency
	others bool     // probes and our own queries count
	sql    bool     // sessions of Spark have no place in it
}

var dailies = []dailyView{
	{view: "users", file: "daily_usage.sql", keys: []string{"person", "person_kind", "team"}},
	{view: "teams", file: "daily_usage.sql", keys: []string{"team"}},
	{view: "roles", file: "daily_usage.sql", keys: []string{"role_name", "account_id"}},
	{view: "tools", file: "daily_usage.sql", keys: []string{"tool"}},
	{view: "users-databases", file: "daily_usage.sql", keys: []string{"person", "person_kind", "database_name"}, sql: true},
	{view: "databases", file: "daily_usage.sql", keys: []string{"database_name"}, sql: true},
	{view: "workgroups", file: "daily_usage.sql", keys: []string{"account_id", "region_name", "work_group_name"}},
	{view: "accounts", file: "daily_usage.sql", keys: []string{"account_id"}},
	{view: "spend", file: "daily_usage.sql", others: true},
	{view: "tables", file: "daily_tables.sql"},
	{view: "queries", file: "daily_queries.sql"},
	{view: "failures", file: "daily_failures.sql"},
	{view: "denied", file: "daily_denied.sql"},
	{view: "notebooks", file: "daily_notebooks.sql"},
	{view: "calculations", file: "daily_calculations.sql"},
}

// notDaily says of every other view why it is none.
var notDaily = map[string]string{
	"overview":           "it is several lists in one; report_spend, report_users and others are its parts",
	"changes":            "it compares two windows; compare two sums of report_users",
	"jobs":               "it counts different days; group query_executions by tool and tool_detail",
	"databases-accessed": "group report_tables by the first parts of table_name",
	"who-reads":          "it asks for one table; select from query_executions where contains(tables_accessed, ...)",
	"unused":             "it looks at all days before its window",
	"unused-access":      "it looks at all days before its window",
	"patterns":           "it joins every text of its window; group query_executions by query_fingerprint",
	"notebook-activity":  "it asks for one notebook; select from activity where notebook_id = ...",
	"findings":           "its rules look at days around each other",
	"usage":              "its grouping is chosen; group usage_rollup",
}

// beginning and end of all days, for a view without a window.
const (
	dayOfFirst, dayOfLast   = "DATE '1970-01-01'", "DATE '9999-12-31'"
	timeOfFirst, timeOfLast = "TIMESTAMP '1970-01-01 00:00:00.000'", "TIMESTAMP '9999-12-31 00:00:00.000'"
)

// dailyViews returns the SELECTs of the views, each with its name.
func dailyViews(in dialect) ([]struct{ name, sql string }, error) {
	var list []struct{ name, sql string }
	for _, v := range dailies {
		pg := &page{
			View: View{Name: v.view}, Rollup: true, SQLOnly: v.sql, in: in, Buckets: latencyBuckets,
			Daily: true, DailyKeys: append([]string{"dt"}, v.keys...),
			Since: timeOfFirst, From: timeOfFirst, To: timeOfLast, FirstDay: dayOfFirst, LastDay: dayOfLast,
			Ranked: ranked(Params{Probes: v.others, Own: v.others}, nil),
		}
		var b strings.Builder
		if err := templates[in].ExecuteTemplate(&b, v.file, pg); err != nil {
			return nil, fmt.Errorf("write the view %s by days: %w", v.view, err)
		}
		list = append(list, struct{ name, sql string }{"report_" + strings.ReplaceAll(v.view, "-", "_"), strings.TrimRight(b.String(), "\n")})
	}
	return list, nil
}
