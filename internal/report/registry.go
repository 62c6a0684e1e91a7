package report

import (
	"context"
	"embed"
	"reflect"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

//go:embed view/*.sql view/daily/*.sql view/findings/*.sql
var viewFiles embed.FS

// A View is one question that the program can answer by itself. Help, the web
// and the API's description are generated from it.
type View struct {
	Name    string
	Summary string // one line
	Columns []format.Column
	Where   []string // columns that a condition can name
	By      []string // columns to group by, of which at least one must be given; none for most views
	// Argument names what the view is about, such as NOTEBOOK, in capitals as
	// help shows it. Empty for most: they are about everything.
	Argument string

	Limit int // how many rows make sense where the user does not say; zero is all

	// DefaultBy is what is grouped by where the user does not say. With it,
	// the columns of By are dimensions that stand one below the other, named
	// in the column dimension, and not columns of their own.
	DefaultBy []string

	source   string            // the table that conditions are about
	kinds    map[string]string // the SQL type of each column of Where
	rollup   bool              // usage_rollup can answer
	extra    []string          // columns of query_executions that it needs and the roll-up lacks
	before   bool              // the window before is compared with
	calendar string            // unit of the rows' calendar column
	// resolve, of a view with Argument, finds what the user meant.
	resolve func(context.Context, *DB, string) (string, error)

	sqlOnly bool // Spark has no place in it: what it costs is left out
}

// Times by which usage can be grouped, beside the roll-up's own columns.
const (
	byHour  = "hour"
	byDay   = "day"
	byMonth = "month"
)

// kindsOf are the columns that conditions can name, by the views' source.
var kindsOf = map[string]map[string]string{
	"query_executions": conditionKinds(reflect.TypeFor[athenatrail.QueryExecution](), "kind"),
	"activity":         conditionKinds(reflect.TypeFor[athenatrail.Activity]()),
	"sessions":         conditionKinds(reflect.TypeFor[athenatrail.Session](), "notebook_name"),
	"calculations":     conditionKinds(reflect.TypeFor[athenatrail.Calculation](), "notebook_name"),
	"timeline":         conditionKinds(reflect.TypeFor[timelineRow]()),
	"findings":         conditionKinds(reflect.TypeFor[findingRow]()),

	"tables":             touchedKinds("table_name"),
	"databases_accessed": touchedKinds("database_accessed"),
	"table_names":        conditionKinds(reflect.TypeFor[tableRow]()),
	"catalog_grants":     conditionKinds(reflect.TypeFor[grantRow]()),
}

var rollupKinds = conditionKinds(reflect.TypeFor[athenatrail.UsageKey]())

// conditionKinds returns a table's columns of which a condition can ask for a
// value, with their SQL types. Added are text columns that the views have
// beside the table's.
func conditionKinds(t reflect.Type, added ...string) map[string]string {
	kinds := map[string]string{}
	for _, c := range columnsOf(t) {
		switch c.sql {
		case "VARCHAR", "BOOLEAN", "INTEGER":
			kinds[c.name] = c.sql
		}
	}
	for _, name := range added {
		kinds[name] = "VARCHAR"
	}
	return kinds
}

// rollupKeys returns the columns that usage_rollup is grouped by, without the
// slot.
func rollupKeys() []string {
	var names []string
	for _, c := range columnsOf(reflect.TypeFor[athenatrail.UsageKey]()) {
		if c.name != "slot" {
			names = append(names, c.name)
		}
	}
	return names
}

// Columns that many views share.
var (
	person       = format.Column{Name: "person", Kind: format.Text, Help: "who, as the ladder of attribution found it"}
	personKind   = format.Column{Name: "person_kind", Title: "kind", Kind: format.Text, Help: "human, service, agent or unknown"}
	personSource = format.Column{Name: "person_source", Title: "known by", Kind: format.Text, Help: "the rung of the ladder that named the person"}
	team         = format.Column{Name: "team", Kind: format.Text, Help: "by the configuration's rules; (several) when the executions belong to more than one"}
	account      = format.Column{Name: "account_id", Title: "account", Kind: format.Text}
	region       = format.Column{Name: "region_name", Title: "region", Kind: format.Text}
	workGroup    = format.Column{Name: "work_group_name", Title: "work group", Kind: format.Text}
	database     = format.Column{Name: "database_name", Title: "database", Kind: format.Text, Help: "the query's own context, not what it read"}
	tool         = format.Column{Name: "tool", Kind: format.Text, Help: "what sent the statement; empty where nothing tells"}
	role         = format.Column{Name: "role_name", Title: "role", Kind: format.Text, Help: "the role whose session asked; empty for callers without one"}
	state        = format.Column{Name: "state", Kind: format.Text}
	gap          = format.Column{Name: "gap", Kind: format.Text, Help: "why a half of the row is missing; empty when complete"}
	people       = format.Column{Name: "people", Kind: format.Count, Help: "different humans"}
	databases    = format.Column{Name: "databases", Kind: format.Count, Help: "different databases"}
	executionID  = format.Column{Name: "query_execution_id", Title: "id", Kind: format.ID}
	submitted    = format.Column{Name: "submission_date_time", Title: "submitted", Kind: format.Time}
	currency     = format.Column{Name: format.Currency, Kind: format.Text, Help: "amounts of different currencies are never added"}

	executions = format.Column{Name: "executions", Kind: format.Count, Help: "statements that Athena took; those that it refused are not_started"}
	failed     = format.Column{Name: "failed", Kind: format.Count, Help: "executions that failed"}
	notStarted = format.Column{Name: "not_started", Title: "refused", Kind: format.Count, Help: "calls that were denied or failed before anything ran"}
	scanned    = format.Column{Name: "data_scanned_bytes", Title: "scanned", Kind: format.Bytes}
	billed     = format.Column{Name: "billed_bytes", Title: "billed", Kind: format.Bytes, Help: "what the price is multiplied with"}
	cost       = format.Column{Name: "cost", Kind: format.Money, Help: "by the table of prices; NULL where none is known"}
	share      = format.Column{Name: "cost_share_percent", Title: "share", Kind: format.Percent, Help: "of the cost of everything that the conditions let through, in the same currency"}
	costBefore = format.Column{Name: "cost_before", Title: "cost before", Kind: format.Money, Help: "in the window of the same length before"}
	change     = format.Column{Name: "cost_change_percent", Title: "change", Kind: format.Change, Help: "of the cost against the window before"}
	coverage   = format.Column{Name: "coverage_percent", Title: "known", Kind: format.Percent, Help: "share of the executions whose bytes, and of the sessions whose DPU time, are known"}
	sessions   = format.Column{Name: "sessions", Kind: format.Count, Help: "sessions of Athena for Apache Spark; they are in cost and dpu_ms, and in no count of executions"}
	dpuTime    = format.Column{Name: "dpu_ms", Title: "DPU time", Kind: format.Millis, Help: "DPU time of the sessions; 1 DPU for an hour costs the price of a DPU-hour"}
	reused     = format.Column{Name: "reused_percent", Title: "reused", Kind: format.Percent, Help: "share of the executions answered from an earlier result"}
	p50        = format.Column{Name: "p50_ms", Title: "p50 ≤", Kind: format.Millis, Help: "half of the executions took at most this long (upper edge of the latency bucket, which lies up to 58 % higher)"}
	p95        = format.Column{Name: "p95_ms", Title: "p95 ≤", Kind: format.Millis, Help: "95 of 100 executions took at most this long (upper edge of the latency bucket, which lies up to 58 % higher)"}
	lastSeen   = format.Column{Name: "last_seen", Title: "last seen", Kind: format.Minute, Help: "start of the quarter hour of the newest execution"}
	failedPart = format.Column{Name: "failed_percent", Title: "failed %", Kind: format.Percent, Help: "share of the executions that failed"}
	unnamed    = format.Column{Name: "unattributed_cost", Title: "no person", Kind: format.Money, Help: "cost of executions of which only a role, a service or nothing is known (person_source role, service, none)"}
)

func wide(c format.Column) format.Column { c.Wide = true; return c }

func help(c format.Column, text string) format.Column { c.Help = text; return c }

// amounts are what a ranking adds up, behind its keys.
func amounts() []format.Column {
	return []format.Column{executions, failed, wide(notStarted), scanned, wide(billed), cost, currency, share,
		wide(costBefore), change, wide(coverage)}
}

// spark is what sessions of Athena for Apache Spark have beside their cost.
func spark() []format.Column { return []format.Column{wide(sessions), wide(dpuTime)} }

// Percentiles are the names of the columns that are made of counts of
// latencies.
var Percentiles = []string{p50.Name, p95.Name}

// measures are amounts and what is made of the executions one by one.
func measures() []format.Column { return append(amounts(), wide(reused), wide(p50), p95) }

func columns(parts ...any) []format.Column {
	var list []format.Column
	for _, part := range parts {
		switch part := part.(type) {
		case format.Column:
			list = append(list, part)
		case []format.Column:
			list = append(list, part...)
		}
	}
	return list
}

const manyRows = 50

var views = makeViews()

func makeViews() []View {
	list := []View{
		{
			Name: "overview", Summary: "one screen: what was spent, by whom, on what, day by day, and what is missing",
			Columns: columns(
				format.Column{Name: format.Section, Kind: format.Text, Help: "total, bill (of the days of which one is kept), attribution, people, teams, databases, days, gaps, not_priced, left_out_of_rankings"},
				format.Column{Name: "name", Title: " ", Kind: format.Text}, executions, failed, notStarted, sessions, people, scanned, wide(billed), wide(dpuTime), cost, currency, share,
				wide(costBefore), change, coverage, wide(unnamed)),
			source: "query_executions", rollup: true, before: true, calendar: byDay, Limit: 5,
		},
		{
			Name: "users", Summary: "who ran, scanned and cost most",
			Columns: columns(person, personKind, wide(help(personSource, "the lowest rung of the ladder that any of the executions needed")), team, measures(), spark(), wide(databases), lastSeen),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "teams", Summary: "teams by cost, and what no rule gives to one",
			Columns: columns(help(team, "by the configuration's rules; unassigned where none matches"), people,
				format.Column{Name: "others", Kind: format.Count, Help: "different services, agents and roles"},
				amounts(), spark(), wide(unnamed),
				format.Column{Name: "top_person", Title: "top", Kind: format.Text, Help: "whose executions cost most"}, lastSeen),
			source: "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "roles", Summary: "roles by cost, how many people share each, and how these are known",
			Columns: columns(role, help(account, "where it was used; (several) when in more than one"),
				wide(format.Column{Name: "accounts", Kind: format.Count, Help: "different accounts"}), people,
				format.Column{Name: "vouched_percent", Title: "vouched", Kind: format.Percent, Help: "share of the executions for whose person AWS vouches"},
				format.Column{Name: "session_percent", Title: "session", Kind: format.Percent, Help: "share of the executions whose person is a name that was chosen when the session was made"},
				format.Column{Name: "asserted_percent", Title: "asserted", Kind: format.Percent, Help: "share of the executions whose person a comment in the SQL names"},
				format.Column{Name: "unnamed_percent", Title: "unnamed", Kind: format.Percent, Help: "share of the executions of which only the role, a service or nothing is known"},
				wide(team), amounts(), spark(), wide(unnamed), wide(lastSeen)),
			source: "query_executions", extra: []string{"person_trust"}, before: true, Limit: manyRows,
		},
		{
			Name: "tools", Summary: "what statements are sent with: people, failures, reuse, cost",
			Columns: columns(tool, people, amounts(), spark(), failedPart, reused, lastSeen),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "jobs", Summary: "cost per dbt node, dashboard query or other job of a tool: all its executions, nothing left out",
			Columns: columns(tool, format.Column{Name: "tool_detail", Title: "job", Kind: format.Text, Help: "what the tool ran, as it says itself"}, wide(team), people,
				format.Column{Name: "days", Kind: format.Count, Help: "different days, in the time zone asked for, on which it ran"},
				amounts(),
				format.Column{Name: "cost_per_execution", Title: "each", Kind: format.Money, Help: "of the executions whose cost is known"},
				format.Column{Name: "cost_per_day", Title: "a day", Kind: format.Money, Help: "of the days on which it ran"},
				lastSeen, help(executionID, "the one that cost most")),
			source: "query_executions", extra: []string{"tool_detail", "query_execution_id", "event_id"}, before: true, calendar: byDay, sqlOnly: true, Limit: manyRows,
		},
		{
			Name: "changes", Summary: "what costs more or less than in the window before: people, teams, roles, tools, work groups, databases",
			Columns: columns(format.Column{Name: "dimension", Kind: format.Text, Help: "the column that name is a value of; each adds up to the whole"},
				format.Column{Name: "name", Kind: format.Text}, help(account, "of a work group"), wide(help(region, "of a work group")),
				cost, costBefore,
				format.Column{Name: "cost_difference", Title: "difference", Kind: format.Money, Help: "of the cost; empty where a cost is not known"}, change,
				format.Column{Name: "status", Title: " ", Kind: format.Text, Help: "new: nothing ran in the window before; gone: nothing ran in this one"}, currency,
				scanned, wide(format.Column{Name: "data_scanned_bytes_before", Title: "scanned before", Kind: format.Bytes}),
				executions, wide(format.Column{Name: "executions_before", Title: "executions before", Kind: format.Count}),
				wide(sessions), wide(format.Column{Name: "sessions_before", Title: "sessions before", Kind: format.Count})),
			By:        []string{"person", "team", "role_name", "tool", "work_group_name", "database_name", "account_id", "region_name", "person_kind", "person_source"},
			DefaultBy: []string{"person", "team", "role_name", "tool", "work_group_name", "database_name"},
			source:    "query_executions", rollup: true, before: true, Limit: 20,
		},
		{
			Name: "users-databases", Summary: "who uses which database, and how much a query of theirs scans",
			Columns: columns(person, personKind, database, executions, failed, wide(notStarted), scanned,
				format.Column{Name: "avg_scanned_mb", Title: "avg MB", Kind: format.MB, Help: "per execution with known bytes, in 10^6 bytes"},
				wide(billed), cost, currency, share, wide(costBefore), change, wide(coverage), lastSeen),
			source: "query_executions", rollup: true, before: true, sqlOnly: true, Limit: manyRows,
		},
		{
			Name: "databases", Summary: "which databases are queried, by the query's own context",
			Columns: columns(database, people, measures(), lastSeen),
			source:  "query_executions", rollup: true, before: true, sqlOnly: true, Limit: manyRows,
		},
		{
			Name: "workgroups", Summary: "work groups by cost, failures and latency",
			Columns: columns(workGroup, account, region, workGroupSettings(), people, wide(databases), measures(), spark(), wide(lastSeen)),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		accountsRanking(),
		{
			Name: "queries", Summary: "the most expensive executions, with their SQL",
			Columns: columns(submitted, executionID, person, wide(personKind), wide(personSource),
				wide(format.Column{Name: "person_trust", Kind: format.Text, Help: "vouched by AWS, session (a chosen name) or asserted (a comment)"}),
				wide(team), wide(tool), wide(account), wide(region), wide(workGroup), database,
				wide(format.Column{Name: "statement_type", Kind: format.Text}), state, wide(gap), scanned, wide(billed), cost, currency,
				wide(format.Column{Name: "queue_ms", Kind: format.Millis}), wide(format.Column{Name: "engine_ms", Kind: format.Millis}),
				format.Column{Name: "total_ms", Title: "took", Kind: format.Millis}, wide(format.Column{Name: "reused_result", Kind: format.Bool}),
				wide(format.Column{Name: "source_ip", Kind: format.Text}), format.Column{Name: "query_string", Title: "sql", Kind: format.SQL}),
			source: "query_executions", Limit: manyRows,
		},
		{
			Name: "spend", Summary: "cost day by day, each against the same day a week before",
			Columns: columns(format.Column{Name: "day", Kind: format.Date, Help: "in the time zone asked for; the first and last may be cut by the window"},
				executions, failed, wide(notStarted), wide(sessions), people, scanned, wide(billed), wide(dpuTime), cost, currency, unnamed,
				wide(format.Column{Name: "cost_week_before", Kind: format.Money, Help: "of the same day seven days earlier"}),
				format.Column{Name: "cost_change_percent", Title: "week", Kind: format.Change, Help: "of the cost against seven days earlier"}, coverage),
			source: "query_executions", rollup: true, calendar: byDay,
		},
		{
			Name: "failures", Summary: "executions that failed and calls that Athena refused, newest first",
			Columns: columns(submitted, executionID, wide(format.Column{Name: "event_id", Kind: format.ID}), person, wide(team), wide(tool), wide(account), wide(region), workGroup, database,
				wide(format.Column{Name: "statement_type", Kind: format.Text}), wide(state), wide(gap),
				format.Column{Name: "error", Kind: format.Text, Help: "of a call, CloudTrail's errorCode; of an execution, Athena's category: system, user or other"},
				wide(format.Column{Name: "error_type", Kind: format.Number}), format.Column{Name: "message", Kind: format.Text}, wide(scanned),
				wide(format.Column{Name: "total_ms", Title: "took", Kind: format.Millis})),
			source: "query_executions", Limit: manyRows,
		},
		{
			Name: "denied", Summary: "every Athena call that was denied, newest first",
			Columns: columns(format.Column{Name: "event_time", Title: "time", Kind: format.Time}, person, wide(personKind), wide(team),
				format.Column{Name: "event_name", Title: "call", Kind: format.Text}, workGroup, wide(account), wide(region),
				wide(format.Column{Name: "error_code", Title: "error", Kind: format.Text}), format.Column{Name: "error_message", Title: "message", Kind: format.Text},
				wide(format.Column{Name: "principal_arn", Kind: format.Text}), wide(format.Column{Name: "source_ip", Title: "from", Kind: format.Text}), wide(tool),
				wide(format.Column{Name: "event_id", Title: "event", Kind: format.ID})),
			source: "activity", Limit: manyRows,
		},
	}
	list = append(list, tableViews()...)
	list = append(list, sparkViews()...)
	list = append(list, findingsView(), View{
		Name: "usage", Summary: "any other grouping: --by with columns of the roll-up, hour, day or month",
		Columns: columns(people, wide(databases), measures(), spark(), lastSeen),
		By:      append(rollupKeys(), byHour, byDay, byMonth),
		source:  "query_executions", rollup: true, before: true,
	})
	for i := range list {
		v := &list[i]
		v.kinds = kindsOf[v.source]
		for name := range v.kinds {
			v.Where = append(v.Where, name)
		}
		slices.Sort(v.Where)
	}
	return list
}

// Views returns every view in the order in which help lists them.
func Views() []View { return slices.Clone(views) }

// Lookup returns the view of that name. The error for another name says which
// are near.
func Lookup(name string) (View, error) {
	names := make([]string, len(views))
	for i, v := range views {
		if names[i] = v.Name; v.Name == name {
			return v, nil
		}
	}
	return View{}, unknown("view", name, names)
}

// byColumn returns the column of a grouping.
func byColumn(name string) format.Column {
	switch name {
	case byHour:
		return format.Column{Name: byHour, Kind: format.Minute, Help: "its beginning"}
	case byDay:
		return format.Column{Name: byDay, Kind: format.Date}
	case byMonth:
		return format.Column{Name: byMonth, Kind: format.Text}
	case "probe", "own":
		return format.Column{Name: name, Kind: format.Bool}
	}
	for _, c := range []format.Column{person, personKind, personSource, team, role, account, region, workGroup, database, tool, state, gap} {
		if c.Name == name {
			return c
		}
	}
	return format.Column{Name: name, Kind: format.Text}
}
