package web

import (
	"slices"

	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/meter"
)

// A kind is how a panel shows its rows.
type kind string

const (
	table    kind = "table"    // rows, with bars in the cells of one column
	tiles    kind = "tiles"    // the numbers of one row, large
	stack    kind = "stack"    // columns by day, of parts in colours
	heat     kind = "heat"     // two columns against each other, shaded by a third
	week     kind = "week"     // hours of the week, shaded
	ranked   kind = "ranked"   // a table that is a chart of bars first
	bullets  kind = "bullets"  // what was used of what is allowed
	timeline kind = "timeline" // stretches of time, below each other
	found    kind = "found"    // executions one by one

	statement kind = "statement" // the SQL of the first row
	strip     kind = "strip"     // a cell for each day, a row for each account and region
)

// A panel is one view with parameters, and how to show it.
type panel struct {
	ID    string // within the page, for links and sorting
	Title string
	Note  string // what to know about the numbers
	Kind  kind

	View    string
	Arg     bool     // the page's subject is the view's argument
	By      []string // of views that take it
	Where   []string // conditions beside the filters
	Sort    string   // as report.ParseOrder takes it; empty is the view's order
	Limit   int
	Section string // of the overview: the rows of one section

	Columns []string // those shown, in order; empty is all that are not wide

	// Keys are the columns by which the rows behind a row are found: its
	// counts and amounts link to them.
	Keys []string

	// Bar is the column with bars in its cells. Of stack, heat and week it is
	// the value that is drawn; X and Y are then the columns against which.
	Bar  string
	X, Y string

	Trend string // the column by whose value a row's cost day by day is drawn

	// Main is set of the table that the parameter rows makes longer.
	Main bool

	Half  bool // it stands beside another where there is room
	IfAny bool // it is left out where it has no rows

	// Subject is what the column subject is called.
	Subject string
}

// A page is some panels about one thing.
type page struct {
	Path  string
	Title string
	Lead  string // what the page answers
	Nav   bool   // it is in the navigation
	About string // the column that the page is about one value of
	Whole bool   // only for who sees every row
	Panes []panel
}

// limitsView is a view that Options.Limits answers.
const limitsView = "limits"

// limitActionsView is one that Options.LimitActions answers.
const limitActionsView = "limit-actions"

// ofNow reports whether a view is about the lake as it is, so that neither a
// window nor filters mean anything to it.
func ofNow(view string) bool {
	return health.Is(view) || view == limitsView || view == limitActionsView
}

var pages = []page{
	{
		Path: "/", Title: "Overview", Nav: true, Lead: "Who uses Athena, for what, at what cost, and what changed.",
		Panes: []panel{
			{ID: "total", Title: "In all", Kind: tiles, View: "overview", Section: "total", Columns: []string{"cost", "executions", "data_scanned_bytes", "people", "failed", "not_started", "sessions", "unattributed_cost", "coverage_percent"}},
			{ID: "bill", Title: "Against the bill", Note: "on whole UTC days of which a bill is kept", View: "overview", Section: "bill", Columns: []string{"name", "cost", "cost_share_percent"}, IfAny: true},
			{ID: "days", Title: "Cost by day and team", Kind: stack, View: "usage", By: []string{"day", "team"}, X: "day", Y: "team", Bar: "cost"},
			{ID: "people", Title: "Who costs most", View: "users", Limit: 8, Columns: []string{"person", "team", "executions", "data_scanned_bytes", "cost", "cost_change_percent"}, Bar: "cost", Keys: []string{"person", "person_kind"}, Trend: "person"},
			{ID: "changes", Title: "What changed", Note: "against the period before", View: "changes", Limit: 8, Half: true, Columns: []string{"name", "dimension", "cost", "cost_before", "cost_difference"}},
			{ID: "findings", Title: "What to look at", View: "findings", Limit: 6, Half: true, Columns: []string{"severity", "what", "person", "saving"}},
			{ID: "average", Title: "Average megabytes scanned by user and database", Note: "per query, in megabytes of 10⁶ bytes", Kind: heat, View: "users-databases", X: "database_name", Y: "person", Bar: "avg_scanned_mb"},
			{ID: "per-user", Title: "Queries per user", Kind: ranked, View: "users", Sort: "-executions", Limit: 12, Half: true, Columns: []string{"person", "executions", "failed"}, Bar: "executions", Keys: []string{"person", "person_kind"}},
			{ID: "per-database", Title: "Queries per database", Kind: ranked, View: "databases", Sort: "-executions", Limit: 12, Half: true, Columns: []string{"database_name", "people", "executions"}, Bar: "executions", Keys: []string{"database_name"}},
			{ID: "hours", Title: "When", Note: "executions by hour of the week", Kind: week, View: "usage", By: []string{"hour"}, Bar: "executions"},
			{ID: "attribution", Title: "How well people are known", View: "overview", Section: "attribution", Half: true, Columns: []string{"name", "executions", "cost", "cost_share_percent"}, Bar: "cost_share_percent"},
			{ID: "missing", Title: "What is missing", View: "overview", Section: "gaps", Half: true, Columns: []string{"name", "executions", "not_started", "sessions"}},
		},
	},
	{
		Path: "/people", Title: "People", Nav: true, Lead: "Who ran, scanned and cost most, and how they are known.",
		Panes: []panel{
			{ID: "days", Title: "Cost by day and person", Kind: stack, View: "usage", By: []string{"day", "person"}, X: "day", Y: "person", Bar: "cost"},
			{ID: "people", Title: "People", View: "users", Limit: 50, Main: true, Columns: []string{"person", "person_kind", "person_source", "team", "executions", "failed", "data_scanned_bytes", "cost", "cost_change_percent", "p95_ms", "sessions"}, Bar: "cost", Keys: []string{"person", "person_kind"}, Trend: "person"},
			{ID: "average", Title: "Average megabytes scanned by user and database", Note: "per query, in megabytes of 10⁶ bytes", Kind: heat, View: "users-databases", X: "database_name", Y: "person", Bar: "avg_scanned_mb"},
			{ID: "pairs", Title: "People and databases", View: "users-databases", Limit: 20, Columns: []string{"person", "database_name", "executions", "data_scanned_bytes", "avg_scanned_mb", "cost"}, Bar: "cost", Keys: []string{"person", "person_kind", "database_name"}},
			{ID: "roles", Title: "Roles, and who shares them", View: "roles", Limit: 20, Columns: []string{"role_name", "account_id", "people", "vouched_percent", "session_percent", "asserted_percent", "unnamed_percent", "executions", "cost"}, Bar: "cost", Keys: []string{"role_name"}},
		},
	},
	onePage("/person", "Person", "person", "what one person, service or role did"),
	{
		Path: "/teams", Title: "Teams", Nav: true, Lead: "Teams by cost, and what no rule gives to one.",
		Panes: []panel{
			{ID: "days", Title: "Cost by day and team", Kind: stack, View: "usage", By: []string{"day", "team"}, X: "day", Y: "team", Bar: "cost"},
			{ID: "teams", Title: "Teams", View: "teams", Limit: 50, Main: true, Columns: []string{"team", "people", "others", "executions", "failed", "data_scanned_bytes", "cost", "cost_share_percent", "cost_change_percent", "unattributed_cost", "top_person"}, Bar: "cost", Keys: []string{"team"}, Trend: "team"},
			{ID: "changes", Title: "What changed", Note: "against the period before", View: "changes", By: []string{"team"}, Limit: 20, Columns: []string{"name", "cost", "cost_before", "cost_difference", "cost_change_percent", "status"}},
		},
	},
	onePage("/team", "Team", "team", "what one team did"),
	{
		Path: "/workgroups", Title: "Work groups", Nav: true, Lead: "Work groups by cost, failures and latency.",
		Panes: []panel{
			{ID: "days", Title: "Cost by day and work group", Kind: stack, View: "usage", By: []string{"day", "work_group_name"}, X: "day", Y: "work_group_name", Bar: "cost"},
			{ID: "workgroups", Title: "Work groups", View: "workgroups", Limit: 50, Main: true, Columns: []string{"work_group_name", "account_id", "region_name", "people", "executions", "failed", "data_scanned_bytes", "cost", "cost_change_percent", "p50_ms", "p95_ms"}, Bar: "cost", Keys: []string{"work_group_name", "account_id", "region_name"}, Trend: "work_group_name"},
		},
	},
	onePage("/workgroup", "Work group", "work_group_name", "what ran in one work group"),
	{
		Path: "/databases", Title: "Databases", Nav: true, Lead: "Which databases are queried, and which are read.",
		Panes: []panel{
			{ID: "days", Title: "Cost by day and database", Kind: stack, View: "usage", By: []string{"day", "database_name"}, Where: []string{"kind=sql"}, X: "day", Y: "database_name", Bar: "cost"},
			{ID: "databases", Title: "Databases", Note: "by the query's own context", View: "databases", Limit: 50, Main: true, Columns: []string{"database_name", "people", "executions", "failed", "data_scanned_bytes", "cost", "cost_share_percent", "cost_change_percent", "reused_percent", "p95_ms", "last_seen"}, Bar: "cost", Keys: []string{"database_name"}, Trend: "database_name"},
			{ID: "accessed", Title: "Databases by what was read", Note: "a query counts whole for each of its databases, so rows do not add up", View: "databases-accessed", Limit: 20, Columns: []string{"database_accessed", "region_name", "people", "executions", "data_scanned_bytes", "cost", "cost_change_percent", "top_team"}, Bar: "cost"},
		},
	},
	onePage("/database", "Database", "database_name", "what ran in the context of one database"),
	{
		Path: "/tables", Title: "Tables", Nav: true, Lead: "Tables by what touched them, and those that nobody reads.",
		Panes: []panel{
			{ID: "tables", Title: "Tables", Note: "a query counts whole for each of its tables, so rows do not add up", View: "tables", Limit: 50, Main: true, Columns: []string{"table_name", "account_id", "region_name", "readers", "reads", "writes", "data_scanned_bytes", "cost", "cost_change_percent", "last_read"}, Bar: "cost", Keys: []string{"table_name", "account_id", "region_name"}},
			{ID: "unused", Title: "Tables that nobody read", View: "unused", Limit: 20, Columns: []string{"table_name", "region_name", "known_from", "days_unread", "last_read", "last_write", "table_bytes", "writes", "write_cost"}},
		},
	},
	{
		Path: "/table", Title: "Table", About: "table_name", Lead: "who reads and writes one table, with what",
		Panes: []panel{
			{ID: "table", Title: "By account and region", Note: "each query counts whole", View: "tables", Columns: []string{"account_id", "region_name", "readers", "readers_per_day", "readers_30_days", "reads", "writes", "data_scanned_bytes", "cost", "cost_change_percent", "last_read", "last_write"}, Bar: "cost"},
			{ID: "who", Title: "Who reads and writes it", View: "who-reads", Arg: true, Limit: 50, Main: true, Columns: []string{"person", "team", "tool", "executions", "reads", "writes", "data_scanned_bytes", "cost", "last_run", "query_execution_id"}, Bar: "cost", Keys: []string{"person", "person_kind", "tool"}},
			{ID: "queries", Title: "Newest queries", Kind: found, Limit: 20},
		},
	},
	{
		Path: "/tools", Title: "Tools and jobs", Nav: true, Lead: "What statements are sent with: dashboards, dbt nodes, the console.",
		Panes: []panel{
			{ID: "days", Title: "Cost by day and tool", Kind: stack, View: "usage", By: []string{"day", "tool"}, X: "day", Y: "tool", Bar: "cost"},
			{ID: "tools", Title: "Tools", View: "tools", Limit: 50, Main: true, Columns: []string{"tool", "people", "executions", "failed_percent", "reused_percent", "data_scanned_bytes", "cost", "cost_share_percent", "cost_change_percent", "last_seen"}, Bar: "cost", Keys: []string{"tool"}, Trend: "tool"},
			{ID: "jobs", Title: "Jobs", Note: "all executions of a dbt node, a dashboard query or another job", View: "jobs", Limit: 30, Columns: []string{"tool", "tool_detail", "people", "days", "executions", "data_scanned_bytes", "cost", "cost_per_execution", "cost_per_day", "query_execution_id"}, Bar: "cost", Keys: []string{"tool", "tool_detail"}},
		},
	},
	onePage("/tool", "Tool", "tool", "what came from one tool"),
	{
		Path: "/queries", Title: "Queries", Nav: true, Lead: "Every execution: filter, search the SQL, sort by any column.",
		Panes: []panel{{ID: "queries", Title: "Executions", Kind: found, Limit: 100, Main: true}},
	},
	{
		Path: "/patterns", Title: "Patterns", Nav: true, Lead: "Queries that are the same but for their literals.",
		Panes: []panel{
			{ID: "patterns", Title: "Patterns", View: "patterns", Limit: 50, Main: true, Columns: []string{"query_fingerprint", "query_string", "people", "tool", "executions", "failed_percent", "data_scanned_bytes", "cost", "cost_change_percent", "cost_per_execution"}, Bar: "cost", Keys: []string{"query_fingerprint"}},
		},
	},
	{
		Path: "/pattern", Title: "Pattern", About: "query_fingerprint", Lead: "the runs of one query, whatever its literals",
		Panes: []panel{
			{ID: "sql", Title: "SQL", Note: "of the newest run", Kind: statement, View: "patterns"},
			{ID: "pattern", Title: "In all", Kind: tiles, View: "patterns", Columns: []string{"cost", "cost_per_execution", "executions", "people", "failed", "data_scanned_bytes", "p95_ms"}},
			{ID: "days", Title: "Cost by day and person", Kind: stack, View: "usage", By: []string{"day", "person"}, X: "day", Y: "person", Bar: "cost"},
			{ID: "people", Title: "Who runs it", View: "users", Limit: 20, Columns: []string{"person", "team", "executions", "failed", "data_scanned_bytes", "cost", "p95_ms", "last_seen"}, Bar: "cost", Keys: []string{"person", "person_kind"}},
			{ID: "queries", Title: "Newest runs", Kind: found, Limit: 20},
		},
	},
	{
		Path: "/findings", Title: "Findings", Nav: true, Lead: "What should be looked at, and what to do about it.",
		Panes: []panel{
			{ID: "anomalies", Title: "Anomalies", Note: "what cost far more than it usually does", View: meter.AnomaliesView, Limit: 50, Columns: []string{"severity", "what", "excess_cost", "also", "evidence"}},
			{ID: "findings", Title: "Findings", View: "findings", Limit: 100, Main: true, Columns: []string{"severity", "rule", "person", "seen_at", "what", "fix", "saving", "evidence"}},
		},
	},
	{
		Path: "/notebooks", Title: "Notebooks", Nav: true, Lead: "Sessions of Athena for Apache Spark: whose, how long, how idle, at what cost.",
		Panes: []panel{
			{ID: "sessions", Title: "Sessions", Kind: timeline, View: "notebooks", Limit: 50, Main: true, Columns: []string{"started_at", "session_id", "person", "notebook_name", "ended_by", "state", "took_ms", "idle_ms", "calculations", "failed_calculations", "dpu_ms", "cost", "idle_cost"}, Bar: "cost"},
			{ID: "calculations", Title: "Calculations", View: "calculations", Limit: 30, Columns: []string{"submitted_at", "calculation_execution_id", "person", "session_id", "notebook_name", "took_ms", "state", "dpu_ms", "cost_share", "description"}},
		},
	},
	{
		Path: "/notebook", Title: "Notebook", About: "notebook_id", Lead: "what was done with one notebook, and by whom",
		Panes: []panel{
			{ID: "sessions", Title: "Its sessions", Kind: timeline, View: "notebooks", Limit: 50, Columns: []string{"started_at", "session_id", "person", "ended_by", "state", "took_ms", "idle_ms", "calculations", "dpu_ms", "cost"}, Bar: "cost"},
			{ID: "activity", Title: "What was done", View: "notebook-activity", Arg: true, Limit: 200, Main: true, Columns: []string{"event_time", "what", "detail", "person", "source_ip", "tool", "session_id", "calculation_execution_id", "error_code"}},
			{ID: "calculations", Title: "Its calculations", View: "calculations", Limit: 30, Columns: []string{"submitted_at", "calculation_execution_id", "person", "session_id", "took_ms", "state", "dpu_ms", "cost_share", "description"}},
		},
	},
	{
		Path: "/failures", Title: "Denied and failures", Nav: true, Lead: "What failed, what Athena refused, and who was not allowed.",
		Panes: []panel{
			{ID: "days", Title: "Failed executions by day and work group", Kind: stack, View: "usage", By: []string{"day", "work_group_name"}, X: "day", Y: "work_group_name", Bar: "failed"},
			{ID: "denied", Title: "Denied calls", View: "denied", Limit: 30, Columns: []string{"event_time", "person", "event_name", "work_group_name", "error_message", "source_ip", "event_id"}},
			{ID: "failures", Title: "Failures", View: "failures", Limit: 50, Main: true, Columns: []string{"submission_date_time", "query_execution_id", "person", "work_group_name", "database_name", "error", "message", "data_scanned_bytes", "total_ms"}},
		},
	},
	{
		Path: "/limits", Title: "Limits", Nav: true, Whole: true, Lead: "What people and teams may use, and how far they are.",
		Panes: []panel{{ID: "limits", Title: "Limits", Kind: bullets, Note: "as of now, or of when the lake is complete to", View: limitsView, Main: true, Bar: "used_percent",
			Columns: []string{"section", "subject", "used", "allowed", "used_percent", "state", "forecast", "over_at", "window_end", "note"}},
			{ID: "actions", Title: "What was done", Note: "in the last 30 days, the newest first", View: limitActionsView,
				Columns: []string{"acted_at", "limit_name", "subject", "threshold", "used", "action", "outcome", "target", "until", "message"}},
		},
	},
	{
		Path: "/health", Title: "Health", Nav: true, Whole: true, Lead: "What was read, up to when, and what is missing.",
		Panes: []panel{
			{ID: "sources", Title: "Sources", View: health.HealthView, Section: "source", Columns: []string{"subject", "note"}, Subject: "source"},
			{ID: "todo", Title: "To do", View: health.HealthView, Section: "to do", Columns: []string{"subject", "note"}, Subject: "what", IfAny: true},
			{ID: "problems", Title: "Log files with something wrong", View: health.HealthView, Section: "problems", Columns: []string{"subject", "note"}, Subject: "log file", IfAny: true},
			{ID: "days", Title: "Delivered, day by day", Note: "a day without log files may be a quiet one; athenatrail verify looks at hours and at Athena's own lists", Kind: strip, View: health.DeliveriesView, Bar: "log_files"},
			{ID: "files", Title: "What was read", View: health.HealthView, Section: "log files", Columns: []string{"subject", "log_files", "size_bytes", "records", "candidates", "kept", "dropped", "undecodable", "duplicates", "note"}, Subject: "account and region"},
			{ID: "asked", Title: "Asked of CloudTrail's history", View: health.HealthView, Section: "asked of CloudTrail", Columns: []string{"subject", "note"}, Subject: "account and region", IfAny: true},
			{ID: "gaps", Title: "What is missing of executions", View: health.HealthView, Section: "gaps", Half: true, Columns: []string{"subject", "executions", "note"}, Subject: "gap"},
			{ID: "persons", Title: "How people are known", View: health.HealthView, Section: "persons by", Half: true, Columns: []string{"subject", "executions", "note"}, Subject: "rung"},
		},
	},
}

// onePage is what is known of one value of a column.
func onePage(path, title, column, lead string) page {
	p := page{Path: path, Title: title, About: column, Lead: lead}
	by, name := "database_name", "Cost by day and database"
	if column == "database_name" {
		by, name = "person", "Cost by day and person"
	}
	total := []string{"cost", "executions", "data_scanned_bytes", "people", "failed", "not_started", "sessions", "coverage_percent"}
	if column == "person" { // it is one
		total = slices.DeleteFunc(total, func(name string) bool { return name == "people" })
	}
	p.Panes = []panel{
		{ID: "total", Title: "In all", Kind: tiles, View: "overview", Section: "total", Columns: total},
		{ID: "days", Title: name, Kind: stack, View: "usage", By: []string{"day", by}, X: "day", Y: by, Bar: "cost"},
	}
	for _, other := range []panel{
		{ID: "people", Title: "People", View: "users", Columns: []string{"person", "team", "executions", "data_scanned_bytes", "cost", "cost_change_percent"}, Keys: []string{"person", "person_kind"}},
		{ID: "databases", Title: "Databases", View: "databases", Columns: []string{"database_name", "executions", "data_scanned_bytes", "cost", "cost_change_percent"}, Keys: []string{"database_name"}},
		{ID: "tables", Title: "Tables", Note: "a query counts whole for each of its tables", View: "tables", Columns: []string{"table_name", "region_name", "reads", "writes", "cost"}, Keys: []string{"table_name", "account_id", "region_name"}},
		{ID: "tools", Title: "Tools", View: "tools", Columns: []string{"tool", "executions", "failed_percent", "data_scanned_bytes", "cost"}, Keys: []string{"tool"}},
		{ID: "workgroups", Title: "Work groups", View: "workgroups", Columns: []string{"work_group_name", "executions", "data_scanned_bytes", "cost"}, Keys: []string{"work_group_name", "account_id", "region_name"}},
	} {
		if other.Keys[0] != column {
			other.Limit, other.Bar, other.Half = 10, "cost", true
			p.Panes = append(p.Panes, other)
		}
	}
	p.Panes = append(p.Panes, panel{ID: "hours", Title: "When", Note: "executions by hour of the week", Kind: week, View: "usage", By: []string{"hour"}, Bar: "executions"})
	if column != "database_name" {
		p.Panes = append(p.Panes, panel{ID: "sessions", Title: "Sessions of Spark", Kind: timeline, View: "notebooks", Limit: 15, Columns: []string{"started_at", "session_id", "person", "notebook_name", "state", "took_ms", "idle_ms", "cost"}, Bar: "cost"})
	}
	if column == "person" || column == "team" {
		p.Panes = append(p.Panes, panel{ID: "findings", Title: "Findings", View: "findings", Limit: 10, Columns: []string{"severity", "rule", "person", "what", "fix", "saving"}})
	}
	p.Panes = append(p.Panes, panel{ID: "queries", Title: "Newest queries", Kind: found, Limit: 20})
	return p
}
