package report

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// A statement is a view's SELECT for one set of parameters, with the values
// for its question marks in their order.
type statement struct {
	sql     string
	args    []any
	columns []format.Column // of its rows

	// Of a view that reads held roll-ups:
	held    bool
	gather  *gathering // nil where it does not read what is gathered
	planned bool       // the SQL names no time and no value: its plan is worth keeping
	unit    string     // of a chart, its calendar's
	units   []bucket
}

// slack is how many days beside the window are looked into: a row lies on the
// day of its first start event, which may differ from the day of Athena's own
// submission time, and its text may lie a day further.
const slack = 24 * time.Hour

// A calendarDay is a bucket and the same stretch of the week before, as SQL
// literals.
type calendarDay struct{ Label, Start, Stop, WeekStart, WeekStop string }

// A latencyBucket is one counter of the roll-up. It counts what took more than
// Below and at most Edge milliseconds.
type latencyBucket struct {
	K           int
	Below, Edge int64
	First, Last bool
}

var latencyBuckets = func() []latencyBucket {
	list := make([]latencyBucket, athenatrail.LatencyBuckets)
	for i := range list {
		k := i + 1
		list[i] = latencyBucket{K: k, Edge: athenatrail.LatencyEdge(k), First: k == 1, Last: k == len(list)}
		if k > 1 {
			list[i].Below = athenatrail.LatencyEdge(k - 1)
		}
	}
	return list
}()

// ladder lists the rungs of attribution, the most trustworthy first.
var ladder = []string{
	athenatrail.SourceIdentityCenter, athenatrail.SourceSourceIdentity, athenatrail.SourceNotebookSession,
	athenatrail.SourceSSOSession, athenatrail.SourceSessionName, athenatrail.SourceIAMUser, athenatrail.SourceRoleChain,
	athenatrail.SourceQueryComment, athenatrail.SourceFederatedUser, athenatrail.SourceRootUser,
	athenatrail.SourceRole, athenatrail.SourceService, athenatrail.SourceNone,
}

// A page is what a view's template sees. Everything but AndWhere is written by
// the program; AndWhere has a question mark for each value.
type page struct {
	View     View
	Rollup   bool
	Held     bool // the roll-ups are held
	Numbered bool // rows are held, and texts are numbered
	ByUnit   bool // the rows of base are asked for by day, hour or month
	Chart    bool // of a calendar, few sums are asked for, and the roll-ups are held
	SQLOnly  bool
	Buckets  []latencyBucket

	Latencies bool // the view has percentiles

	Since, From, To           string // TIMESTAMP literals; Since begins the window before
	FirstDay, LastDay         string // DATE literals, with slack
	FirstTextDay, LastTextDay string

	// A session's calculations, and the calls about it, lie on its day and
	// those after; so these stand further from the window.
	FirstSparkDay, LastSparkDay string
	AsOf                        string // TIMESTAMP literal: until when what has not ended is known to have gone on

	Days       []calendarDay
	Calendar   string   // the column of By that is a calendar's, or ""
	Plain      []string // By without the calendar
	Extra      []string // what the view needs beside the roll-up's columns
	Ranked     string
	Limit      string
	Top        int
	since      time.Time
	from, to   time.Time
	zone       *time.Location
	argument   string
	sections   []string
	conditions []Condition
	partitions []PartitionColumn
	prices     []Price
	args       []any
	in         dialect
	rule       string // of findings, the only one; empty: all

	// Billed says that there may be bills of whole UTC days of the window, which
	// begin and end with the DATE literals.
	Billed                 bool
	FirstBilled, EndBilled string

	Daily     bool     // rows have the day dt; there is no window
	DailyKeys []string // of a daily view, dt among them
}

// AndWhere writes the conditions, and binds their values anew each time.
func (p *page) AndWhere() string {
	text := conditions(p.conditions, p.View.kinds, func(v string) string {
		p.args = append(p.args, v)
		return "?"
	})
	if text == "" {
		return ""
	}
	return "\n        AND " + text
}

// A weighed is a page with the relation whose rows usage is made of, and how
// one tells those of the window.
type weighed struct {
	*page
	Relation string
	Cur      string
}

// Of returns the page with a relation.
func (p *page) Of(relation string) weighed {
	switch {
	case relation == "base" && p.Gathered():
		return weighed{p, relation, "cur"}
	case p.Chart:
		return weighed{p, relation, "true"}
	}
	return weighed{p, relation, "moment >= " + p.From}
}

// Gathered reports whether base is what is gathered of held roll-ups.
func (p *page) Gathered() bool { return p.Held && (!p.ByUnit || p.Chart) }

// Wants reports whether a section of the overview is asked for.
func (p *page) Wants(section string) bool {
	return len(p.sections) == 0 || slices.Contains(p.sections, section)
}

// chartColumns are the sums that a chart can have.
var chartColumns = []string{executions.Name, failed.Name, scanned.Name, cost.Name, currency.Name}

// charts reports whether all columns that are asked for are ones that a chart
// can have.
func charts(v View, columns []string) bool {
	return len(columns) > 0 && !slices.ContainsFunc(columns, func(name string) bool {
		return !slices.Contains(chartColumns, name) && !slices.Contains(v.By, name)
	})
}

// Measures returns the columns of a ranking's rows behind its keys, of the
// relation named group, whose currency's sum is in the relation named total.
func (p *page) Measures(group, total string) string {
	return rankingMeasures(group, total, p.Latencies)
}

// ChartColumns are the columns of a chart's rows.
func (p *page) ChartColumns() []string { return append(slices.Clone(p.View.By), chartColumns...) }

// Argument binds what the view was asked about.
func (p *page) Argument() string {
	p.args = append(p.args, p.argument)
	return "?"
}

// Ran returns the SELECT of what ran.
func (p *page) Ran() string { return p.in.ran(p.SQLOnly, p.Numbered) }

// LastWholeDay returns the DATE literal of the first day of which not every
// execution is known to lie before the window's end.
func (p *page) LastWholeDay() string { return date(p.to.UTC().Add(-slack)) }

// Calls returns the relation of calls that were denied or failed, or are about
// notebooks, or were made by the code of a session: a part of activity that is
// held, or all of it.
func (p *page) Calls() string {
	if p.Numbered {
		return "held_calls"
	}
	return "activity"
}

// TextKey returns the columns by which executions have their SQL.
func (p *page) TextKey() []string { return textKey(p.Numbered) }

// TextOf returns whether a row of texts is the SQL of an execution.
func (p *page) TextOf(text, execution string) string {
	return textOf(p.Numbered, text, execution)
}

// textKey is TextKey where texts are numbered, or not.
func textKey(numbered bool) []string {
	if numbered {
		return []string{"text_id"}
	}
	return []string{"account_id", "region_name", "text_dt", "text_hash"}
}

// textOf is TextOf likewise.
func textOf(numbered bool, text, execution string) string {
	var and []string
	for _, c := range textKey(numbered) {
		and = append(and, text+"."+c+" = "+execution+"."+c)
	}
	return strings.Join(and, " AND ")
}

// DaysBefore returns the DATE literal of so many days before the window, with
// slack.
func (p *page) DaysBefore(n int) string { return date(p.since.UTC().AddDate(0, 0, -n).Add(-slack)) }

// DaysToEnd returns the TIMESTAMP literal of so many days before the window's
// end.
func (p *page) DaysToEnd(n int) string { return timestamp(p.to.AddDate(0, 0, -n)) }

// DayOfEnd returns the DATE literal of so many days before the window's end,
// with slack.
func (p *page) DayOfEnd(n int) string { return date(p.to.UTC().AddDate(0, 0, -n).Add(-slack)) }

// Keys returns the columns that the roll-up is grouped by.
func (p *page) Keys() []string { return rollupKeys() }

// KeysButCurrency is Keys without the currency.
func (p *page) KeysButCurrency() []string {
	return slices.DeleteFunc(rollupKeys(), func(k string) bool { return k == "currency" })
}

// render checks the parameters and writes the view's statement in a dialect.
// Held says that there are held roll-ups.
func render(v View, p Params, zone *time.Location, in dialect, held bool) (statement, error) {
	v, err := prepare(v, p)
	if err != nil {
		return statement{}, err
	}
	if p.Columns != nil && !slices.ContainsFunc(Percentiles, func(name string) bool { return slices.Contains(p.Columns, name) }) {
		v.Columns = slices.DeleteFunc(slices.Clone(v.Columns), func(c format.Column) bool { return slices.Contains(Percentiles, c.Name) })
	}
	pg := &page{
		View: v, Buckets: latencyBuckets, Plain: plainKeys(v.By), conditions: p.Where,
		Ranked: ranked(p, v.By), Top: p.Limit, Extra: v.extra, SQLOnly: v.sqlOnly, argument: p.Arg, partitions: p.PartitionColumns,
		prices: p.Prices, in: in, sections: p.Sections, rule: p.rule, Latencies: slices.ContainsFunc(v.Columns, func(c format.Column) bool { return c.Name == p50.Name }),
	}
	if p.Limit > 0 {
		pg.Limit = fmt.Sprintf("LIMIT %d", p.Limit+1) // one more tells that there are more
	} else {
		pg.Top = 1 << 30
	}
	since := p.From
	if v.before && p.beforeHeld() {
		since = p.From.Add(p.From.Sub(p.To))
	}
	var units []bucket
	if pg.Calendar = calendarOf(v); pg.Calendar != "" {
		if units, err = buckets(pg.Calendar, p.From, p.To, zone); err != nil {
			return statement{}, err
		}
		for _, d := range units {
			weekStart, weekStop := d.start.In(zone).AddDate(0, 0, -7), d.stop.In(zone).AddDate(0, 0, -7)
			pg.Days = append(pg.Days, calendarDay{d.label, timestamp(d.start), timestamp(d.stop), timestamp(weekStart), timestamp(weekStop)})
			if v.Name == "spend" && weekStart.Before(since) {
				since = weekStart
			}
		}
	}
	pg.Rollup = v.rollup && !p.Rows && onSlots(since, p.From, p.To) && rollupAnswers(v, p.Where)
	pg.Since, pg.From, pg.To = timestamp(since), timestamp(p.From), timestamp(p.To)
	pg.FirstDay, pg.LastDay = date(since.UTC().Add(-slack)), date(p.To.UTC().Add(slack))
	pg.FirstTextDay, pg.LastTextDay = date(since.UTC().Add(-2*slack)), date(p.To.UTC().Add(2*slack))

	first, end := wholeUTCDays(p.From, p.To)
	pg.Billed = v.Name == "overview" && p.billed && first.Before(end) && billAnswers(p.Where)
	pg.FirstBilled, pg.EndBilled = date(first), date(end)
	pg.ByUnit = pg.Calendar != "" && v.Name != "overview"
	pg.Held = held && pg.Rollup && v.source != "tables"
	if pg.Numbered = held; held && slices.Contains(pg.Extra, "text_dt") {
		pg.Extra = append(slices.Clone(pg.Extra), "text_id")
	}
	pg.since, pg.from, pg.to, pg.zone = since, p.From, p.To, zone
	pg.FirstSparkDay, pg.LastSparkDay = pg.DaysBefore(sparkDays), date(p.To.UTC().AddDate(0, 0, sparkDays))
	pg.AsOf = pg.To
	if !p.CompleteTo.IsZero() {
		pg.AsOf = timestamp(p.CompleteTo)
	}

	s := statement{columns: v.Columns, held: pg.Held}
	if pg.Held {
		// What is gathered for a page is of all kinds.
		pg.conditions, pg.SQLOnly = withoutSQLOnly(pg.conditions, pg.SQLOnly)
		if pg.Chart = v.Name == "usage" && pg.Calendar != "" && charts(v, p.Columns); pg.Chart {
			s.unit, s.units = pg.Calendar, units
			s.columns = nil
			for _, name := range pg.ChartColumns() {
				i := slices.IndexFunc(v.Columns, func(c format.Column) bool { return c.Name == name })
				s.columns = append(s.columns, v.Columns[i])
			}
			pg.Latencies, pg.Extra = false, []string{"key_id"}
		}
		if pg.Gathered() {
			s.gather = pg.gathers(pg.Latencies)
			s.planned = !(v.Name == "overview" && pg.Wants("days"))
		}
	}
	var b strings.Builder
	if err := templates[in].ExecuteTemplate(&b, v.Name+".sql", pg); err != nil {
		return statement{}, fmt.Errorf("write the view's SQL: %w", err)
	}
	s.sql, s.args = b.String(), pg.args
	return s, nil
}

// withoutSQLOnly takes out a condition that lets only SQL through.
func withoutSQLOnly(list []Condition, already bool) ([]Condition, bool) {
	var kinds int
	for _, c := range list {
		if c.Column == "kind" {
			kinds++
		}
	}
	i := slices.Index(list, Condition{Column: "kind", Value: "sql"})
	if i < 0 || kinds > 1 { // several of one column stand together
		return list, already
	}
	return slices.Delete(slices.Clone(list), i, i+1), true
}

// wholeUTCDays returns the first and the end of the UTC days that lie in
// [from, to) as a whole.
func wholeUTCDays(from, to time.Time) (first, end time.Time) {
	const day = 24 * time.Hour
	return from.UTC().Add(day - 1).Truncate(day), to.UTC().Truncate(day)
}

// billAnswers reports whether a bill can be cut by the conditions.
func billAnswers(where []Condition) bool {
	return !slices.ContainsFunc(where, func(c Condition) bool { return c.Column != account.Name && c.Column != region.Name })
}

// prepare checks what was asked of a view and returns the view as it then is.
func prepare(v View, p Params) (View, error) {
	switch {
	case p.From.IsZero() || p.To.IsZero():
		return v, usageError("the window needs a beginning and an end")
	case !p.From.Before(p.To):
		return v, usageError(fmt.Sprintf("the window begins at %s, which is not before its end at %s", p.From.Format(time.RFC3339), p.To.Format(time.RFC3339)))
	case v.Argument != "" && p.Arg == "":
		return v, usageError(fmt.Sprintf("the view %[1]s needs a %[2]s: report %[1]s %[2]s", v.Name, v.Argument))
	case v.Argument == "" && p.Arg != "":
		return v, usageError(fmt.Sprintf("the view %s is about everything: it takes no %q", v.Name, p.Arg))
	case p.Limit < 0:
		return v, usageError(fmt.Sprintf("limit %d: want 0 for all or a positive number", p.Limit))
	case len(p.By) > 0 && len(v.By) == 0:
		return v, usageError(fmt.Sprintf("the view %s has its own grouping: --by is for these views: %s", v.Name, strings.Join(groupedViews(), ", ")))
	case len(p.By) == 0 && len(v.By) > 0 && len(v.DefaultBy) == 0:
		return v, usageError(fmt.Sprintf("the view %s needs --by with one or more of %s", v.Name, strings.Join(v.By, ", ")))
	}
	for _, c := range p.Where {
		if _, ok := v.kinds[c.Column]; !ok {
			return v, unknown("column", c.Column, v.Where)
		}
		if err := c.check(v.kinds); err != nil {
			return v, err
		}
	}
	if len(p.By) == 0 {
		v.By = v.DefaultBy
		return v, nil
	}
	for i, name := range p.By {
		if !slices.Contains(v.By, name) {
			return v, unknown("column to group by", name, v.By)
		}
		if slices.Contains(p.By[:i], name) {
			return v, usageError(fmt.Sprintf("--by names %s twice", name))
		}
	}
	if len(v.DefaultBy) > 0 {
		v.By = p.By
		return v, nil
	}
	// The currency is in every row anyway.
	v.By = slices.DeleteFunc(slices.Clone(p.By), func(s string) bool { return s == "currency" })
	if len(v.By) == 0 {
		return v, usageError("--by currency: every row has a currency, name another column")
	}
	if n := len(v.By) - len(plainKeys(v.By)); n > 1 {
		return v, usageError("--by takes one of hour, day and month")
	}
	v.Columns = slices.Clone(v.Columns)
	for i, name := range v.By {
		v.Columns = slices.Insert(v.Columns, i, byColumn(name))
	}
	return v, nil
}

// groupedViews returns the names of the views that take By.
func groupedViews() []string {
	var names []string
	for _, v := range views {
		if len(v.By) > 0 {
			names = append(names, v.Name)
		}
	}
	return names
}

// plainKeys returns the columns that are the roll-up's own.
func plainKeys(by []string) []string {
	return slices.DeleteFunc(slices.Clone(by), func(s string) bool { return s == byHour || s == byDay || s == byMonth })
}

// calendarOf returns the unit of a view's calendar, or "".
func calendarOf(v View) string {
	for _, name := range v.By {
		if name == byHour || name == byDay || name == byMonth {
			return name
		}
	}
	return v.calendar
}

// rollupAnswers reports whether the view's roll-up has every column of the
// conditions.
func rollupAnswers(v View, where []Condition) bool {
	for _, c := range where {
		if _, ok := rollupKinds[c.Column]; !ok && !(v.source == "tables" && c.Column == "table_name") {
			return false
		}
	}
	return true
}

// ranked returns the SQL condition for what a ranking shows. A column that the
// reader names is not filtered behind his back.
func ranked(p Params, by []string) string {
	named := func(column string) bool {
		return slices.Contains(by, column) || slices.ContainsFunc(p.Where, func(c Condition) bool { return c.Column == column })
	}
	var parts []string
	if !p.Probes && !named("probe") {
		parts = append(parts, "NOT coalesce(probe, false)")
	}
	if !p.Own && !named("own") {
		parts = append(parts, "NOT coalesce(own, false)")
	}
	if len(parts) == 0 {
		return "true"
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// templates are the views' files, for each dialect.
var templates = map[dialect]*template.Template{duckDB: viewTemplates(duckDB), trino: viewTemplates(trino)}

func viewTemplates(in dialect) *template.Template {
	return template.Must(template.New("views").Funcs(template.FuncMap{
		"join":       func(names []string) string { return strings.Join(names, ", ") },
		"paid":       func(keys ...string) string { return paid(keys) },
		"paidBy":     paid,
		"percent":    percent,
		"change":     changePercent,
		"amounts":    rankingAmounts,
		"lowestRung": lowestRung,
		"several":    several,
		"each":       each,

		"unlessUnknown": unlessUnknown,
		"jsonText":      in.jsonText,
		"listLength":    in.listLength,
		"listText":      in.listText,
		"listFirst":     in.listFirst,
		"joined":        in.joined,
		"duration":      durationText,
		"severalOf":     severalOf,
		"wholeDays":     wholeDays,

		"databaseOfTable": databaseOfTable,
		"dpusFor":         dpusFor,
		"evidence":        evidenceOf,
		"isAddress":       isAddress,
		"isExecutor":      func() string { return isExecutor },
		"isDesktop":       func() string { return isDesktop },
	}).ParseFS(viewFiles, "view/*.sql", "view/daily/*.sql", "view/findings/*.sql"))
}

// paid returns usage with a currency in every row that can have one. An
// execution of which no cost is known has no currency; it counts with its
// group's, so that it does not make a row of its own. Keys are the group's
// columns.
func paid(keys []string) string {
	partition := ""
	if len(keys) > 0 {
		partition = "PARTITION BY " + strings.Join(keys, ", ")
	}
	return fmt.Sprintf("\n    SELECT usage.*, coalesce(own_currency, min(own_currency) OVER (%s)) AS currency FROM usage\n", partition)
}

// Dated returns the join of rows, which stand as paid, with a relation of days or
// other units, by its columns of where they begin and end. The moments of a roll-up are few: each finds its
// unit once, and not each row. A join by comparing is what an engine is slowest
// at.
func (p *page) Dated(rows, units, starts, stops string) string {
	if !p.Rollup {
		return fmt.Sprintf("JOIN %s AS d ON paid.moment >= d.%s AND paid.moment < d.%s", units, starts, stops)
	}
	return fmt.Sprintf(`JOIN (
        SELECT m.moment AS dated, u.*
        FROM (SELECT DISTINCT moment FROM %s) AS m
        JOIN %s AS u ON m.moment >= u.%s AND m.moment < u.%s
    ) AS d ON d.dated = paid.moment`, rows, units, starts, stops)
}

// unlessUnknown returns a sum over the rows for which when holds, NULL where
// there were executions and nothing is known of any: unknown is not zero.
func unlessUnknown(column, when string) string {
	return fmt.Sprintf("CASE WHEN sum(CASE WHEN %[2]s THEN executions END) > 0 AND coalesce(sum(CASE WHEN %[2]s THEN known END), 0) = 0 THEN NULL ELSE coalesce(CAST(sum(CASE WHEN %[2]s THEN %[1]s END) AS BIGINT), 0) END", column, when)
}

// several returns a group's value of a column in the window, or that it has
// more than one.
func several(column string) string {
	return fmt.Sprintf("CASE WHEN min(CASE WHEN cur THEN %[1]s END) <> max(CASE WHEN cur THEN %[1]s END) THEN '(several)' ELSE min(CASE WHEN cur THEN %[1]s END) END", column)
}

// severalOf is several for rows that are all of the window.
func severalOf(column string) string {
	return fmt.Sprintf("CASE WHEN min(%[1]s) <> max(%[1]s) THEN '(several)' ELSE min(%[1]s) END", column)
}

// each returns an amount divided by a count, NULL when that is 0 or NULL.
func each(amount, n string) string {
	return fmt.Sprintf("CAST(round(CAST(%s AS DOUBLE) / nullif(CAST(%s AS DOUBLE), 0e0), 9) AS DECIMAL(18,9))", amount, n)
}

// percent returns what part a is of b, in percent, NULL when b is 0 or NULL.
func percent(a, b string) string {
	return fmt.Sprintf("round(CAST(%s AS DOUBLE) * 100e0 / nullif(CAST(%s AS DOUBLE), 0e0), 4)", a, b)
}

// changePercent returns how much more a is than before, in percent.
func changePercent(a, before string) string {
	return fmt.Sprintf("round((CAST(%s AS DOUBLE) - CAST(%s AS DOUBLE)) * 100e0 / nullif(CAST(%s AS DOUBLE), 0e0), 4)", a, before, before)
}

// rankingAmounts returns the columns of [amounts] of the relation named group, whose
// currency's sum is in the relation named total.
func rankingAmounts(group, total string) string {
	g := group + "."
	return strings.Join([]string{
		g + "executions", g + "failed", g + "not_started", g + "data_scanned_bytes", g + "billed_bytes", g + "cost", g + "currency",
		percent(g+"cost", total+".cost") + " AS cost_share_percent",
		g + "cost_before",
		changePercent(g+"cost", g+"cost_before") + " AS cost_change_percent",
		percent(g+"known", g+"executions + "+g+"sessions") + " AS coverage_percent",
	}, ",\n    ")
}

// rankingMeasures returns the columns of [measures] likewise; with latencies, of
// which its percentiles are made, or without.
func rankingMeasures(group, total string, counts bool) string {
	g := group + "."
	list := []string{
		rankingAmounts(group, total),
		percent(g+"reused", g+"executions") + " AS reused_percent",
	}
	if counts {
		list = append(list, g+latencies)
	}
	return strings.Join(list, ",\n    ")
}

// lowestRung returns the rung furthest down the ladder among a group's
// executions in the window.
func lowestRung() string {
	var number, name strings.Builder
	for i, rung := range ladder {
		fmt.Fprintf(&number, " WHEN %s THEN %d", quote(rung), i+1)
		fmt.Fprintf(&name, " WHEN %d THEN %s", i+1, quote(rung))
	}
	return fmt.Sprintf("CASE max(CASE WHEN cur THEN CASE person_source%s END END)%s END", number.String(), name.String())
}
