package report

import (
	"embed"
	"reflect"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

//go:embed view/*.sql
var viewFiles embed.FS

// A View is one question that the program can answer by itself. Help, the web
// and the API's description are generated from it.
type View struct {
	Name    string
	Summary string // one line
	Columns []format.Column
	Where   []string // columns that a condition can name
	By      []string // columns to group by, of which at least one must be given; none for most views
	Limit   int      // how many rows make sense where the user does not say; zero is all

	source   string            // the table that conditions are about
	kinds    map[string]string // the SQL type of each column of Where
	rollup   bool              // usage_rollup can answer
	before   bool              // the window before is compared with
	calendar string            // unit of the rows' calendar column
}

// Times by which usage can be grouped, beside the roll-up's own columns.
const (
	byHour  = "hour"
	byDay   = "day"
	byMonth = "month"
)

var (
	executionKinds = conditionKinds(reflect.TypeFor[athenatrail.QueryExecution](), "kind")
	activityKinds  = conditionKinds(reflect.TypeFor[athenatrail.Activity]())
	rollupKinds    = conditionKinds(reflect.TypeFor[athenatrail.UsageKey]())
)

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
	tool         = format.Column{Name: "tool", Kind: format.Text}
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
	coverage   = format.Column{Name: "coverage_percent", Title: "known", Kind: format.Percent, Help: "share of the executions whose bytes are known"}
	reused     = format.Column{Name: "reused_percent", Title: "reused", Kind: format.Percent, Help: "share of the executions answered from an earlier result"}
	p50        = format.Column{Name: "p50_ms", Title: "p50", Kind: format.Millis, Help: "half of the executions took at most this long (upper edge of the latency bucket)"}
	p95        = format.Column{Name: "p95_ms", Title: "p95", Kind: format.Millis, Help: "95 of 100 executions took at most this long (upper edge of the latency bucket)"}
	lastSeen   = format.Column{Name: "last_seen", Title: "last seen", Kind: format.Minute, Help: "start of the quarter hour of the newest execution"}
	unnamed    = format.Column{Name: "unattributed_cost", Title: "unattributed", Kind: format.Money, Help: "cost of executions of which only a role, a service or nothing is known (person_source role, service, none)"}
)

func wide(c format.Column) format.Column { c.Wide = true; return c }

func help(c format.Column, text string) format.Column { c.Help = text; return c }

// measures are the columns of every ranking, behind its keys.
func measures() []format.Column {
	return []format.Column{executions, failed, wide(notStarted), scanned, wide(billed), cost, currency, share,
		wide(costBefore), change, wide(coverage), wide(reused), wide(p50), p95}
}

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
				format.Column{Name: format.Section, Kind: format.Text, Help: "total, attribution, people, databases, days, gaps, not_priced, left_out_of_rankings"},
				format.Column{Name: "name", Title: " ", Kind: format.Text}, executions, failed, notStarted, people, scanned, wide(billed), cost, currency, share,
				wide(costBefore), change, coverage, wide(unnamed)),
			source: "query_executions", rollup: true, before: true, calendar: byDay, Limit: 5,
		},
		{
			Name: "users", Summary: "who ran, scanned and cost most",
			Columns: columns(person, personKind, wide(help(personSource, "the lowest rung of the ladder that any of the executions needed")), team, measures(), wide(databases), lastSeen),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "users-databases", Summary: "who uses which database, and how much a query of theirs scans",
			Columns: columns(person, personKind, database, executions, failed, wide(notStarted), scanned,
				format.Column{Name: "avg_scanned_mb", Title: "avg MB", Kind: format.MB, Help: "per execution with known bytes, in 10^6 bytes"},
				wide(billed), cost, currency, share, wide(costBefore), change, wide(coverage), lastSeen),
			source: "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "databases", Summary: "which databases are queried, by the query's own context",
			Columns: columns(database, people, measures(), lastSeen),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
		{
			Name: "workgroups", Summary: "work groups by cost, failures and latency",
			Columns: columns(workGroup, account, region, people, wide(databases), measures(), wide(lastSeen)),
			source:  "query_executions", rollup: true, before: true, Limit: manyRows,
		},
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
				executions, failed, wide(notStarted), people, scanned, wide(billed), cost, currency, unnamed,
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
		{
			Name: "usage", Summary: "any other grouping: --by with columns of the roll-up, hour, day or month",
			Columns: columns(people, wide(databases), measures(), lastSeen),
			By:      append(rollupKeys(), byHour, byDay, byMonth),
			source:  "query_executions", rollup: true, before: true,
		},
	}
	for i := range list {
		v := &list[i]
		v.kinds = executionKinds
		if v.source == "activity" {
			v.kinds = activityKinds
		}
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
	for _, c := range []format.Column{person, personKind, personSource, team, account, region, workGroup, database, tool, state, gap} {
		if c.Name == name {
			return c
		}
	}
	return format.Column{Name: name, Kind: format.Text}
}
