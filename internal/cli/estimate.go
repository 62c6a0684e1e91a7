package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/estimate"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/price"
)

type estimateOptions struct {
	sql       string
	person    string
	database  string
	workGroup string
	account   string
	at        string
	wide      bool
}

func (a *app) estimateCommand() *cobra.Command {
	var o estimateOptions
	c := &cobra.Command{
		Use:   "estimate --sql FILE|-",
		Short: "Say what a query will likely scan and cost, and what it leaves of somebody's limits",
		Long: `Say what a query will likely scan and cost, before it runs, from what the same
query did, whatever its literals; failing that from what read the same tables.
With --as also what it would leave of that person's limits. Where the lake does
not know, it says so.

Nothing is sent to AWS, and nothing is stored.`,
		Example: `  athenatrail estimate --sql query.sql --as jana@example.com --database sales
  echo 'SELECT count(*) FROM raw.clickstream' | athenatrail estimate --sql - --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.estimate(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.sql, "sql", "", "the file with the query; - reads it from standard input")
	f.StringVar(&o.person, "as", "", "who would run it, as reports name them: what it would leave of their limits")
	f.StringVar(&o.database, "database", "", "the database of the query's context, for names of tables without one")
	f.StringVar(&o.workGroup, "work-group", "", "where it would run (default: where the person last ran one)")
	f.StringVar(&o.account, "account", "", "the account where it would run (default: the person's last, else where its like runs most)")
	f.StringVar(&o.at, "at", "", "as of this time (default: now, or when the lake is complete to)")
	f.BoolVar(&o.wide, "wide", false, "show every column in a table")
	return c
}

// maxSQL is the most that is read of a query, in bytes: four times what Athena
// takes.
const maxSQL = 1 << 20

func (a *app) readSQL(name string) (string, error) {
	if name == "" {
		return "", usage("estimate: want --sql with a file, or - for standard input")
	}
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the query: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSQL+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the query: %w", err)
	case len(data) > maxSQL:
		return "", usage("estimate: --sql %s: longer than %d bytes, and Athena takes 262144", name, maxSQL)
	case strings.TrimSpace(string(data)) == "":
		return "", usage("estimate: --sql %s: it is empty", name)
	}
	return string(data), nil
}

func (a *app) estimate(ctx context.Context, o estimateOptions) error {
	a.wide = o.wide
	sql, err := a.readSQL(o.sql)
	if err != nil {
		return err
	}
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	now, at := time.Now(), time.Time{}
	if o.at != "" {
		if at, err = config.ParseTime(o.at, now, e.Timezone); err != nil {
			return usage("--at: %w", err)
		}
	}
	m, err := meter.Moment(ctx, l, now, at)
	if err != nil {
		return awsconn.Explained(err)
	}
	query := estimate.Query{SQL: sql, Database: o.database, Account: o.account}
	if len(e.Regions) == 1 && e.Regions[0] != "all" {
		query.Region = e.Regions[0]
	}
	plan := estimate.Read(query)
	columns := map[string][]string{}
	for _, c := range e.PartitionColumns {
		columns[c.Table] = append(columns[c.Table], c.Column)
	}
	past, err := meter.History(ctx, l, plan, columns, o.person, m.At)
	if err != nil {
		return awsconn.Explained(err)
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	guess := past.Estimate(settings.Prices, athenatrail.DateOf(m.At), "")
	rows := estimateRows(guess, plan)
	if o.person != "" {
		limits, err := e.CompileLimits()
		if err != nil {
			return asUsage(err)
		}
		stand, err := meter.Report(ctx, l, limits, m, false)
		if err != nil {
			return awsconn.Explained(err)
		}
		if past.Who == nil {
			a.say("warning", fmt.Errorf("%s ran nothing in the last %d days: limits are told by the name alone", o.person, meter.HistoryDays))
		}
		planned := stand.Plan(limits, whoWouldRun(past, o, guess, plan), expected(guess))
		for i := range planned {
			rows = append(rows, plannedRow(&planned[i]))
		}
		if len(planned) == 0 {
			a.note("no limit is about this query of %s", o.person)
		}
	}
	return a.write(&format.Result{View: "estimate", CompleteTo: m.CompleteTo, TimeZone: e.Timezone, Columns: estimateColumns, Rows: format.RowsOf(rows)})
}

// whoWouldRun describes the query as the lake would, had it run.
func whoWouldRun(past *meter.Past, o estimateOptions, guess *estimate.Estimate, plan *estimate.Plan) *limit.Execution {
	who := limit.Execution{Person: o.person}
	if past.Who != nil {
		last := past.Who
		who = limit.Execution{Person: last.Person, PersonSource: last.PersonSource, PersonKind: last.PersonKind, Team: last.Team, RoleName: last.RoleName,
			Tool: last.Tool, WorkGroupName: last.WorkGroupName}
	}
	who.AccountID, who.RegionName = guess.Account, guess.Region
	who.DatabaseName, who.TablesAccessed = o.database, plan.Tables
	if o.workGroup != "" {
		who.WorkGroupName = o.workGroup
	}
	return &who
}

// expected returns what an estimate expects of a limit's measure.
func expected(e *estimate.Estimate) func(limit.Amount) (likely, high *int64) {
	return func(a limit.Amount) (likely, high *int64) {
		if a.Measure != limit.Cost {
			return e.Likely, e.High
		}
		of := func(c *price.Cost) *int64 {
			if c.Amount == nil || c.Currency != a.Unit && *c.Amount > 0 {
				return nil
			}
			return (*int64)(c.Amount)
		}
		return of(&e.Cost[1]), of(&e.Cost[2])
	}
}

var estimateColumns = []format.Column{
	{Name: format.Section, Kind: format.Text, Help: "estimate, or limits"},
	{Name: "name", Title: " ", Kind: format.Text, Help: "bytes, cost, or a limit"},
	{Name: "subject", Title: "whose", Kind: format.Text, Help: "of a limit"},
	{Name: "low", Kind: format.Text},
	{Name: "likely", Kind: format.Text},
	{Name: "high", Kind: format.Text},
	{Name: "allowed", Title: "limit", Kind: format.Text},
	{Name: "left", Title: "left now", Kind: format.Text},
	{Name: "left_after", Title: "left after", Kind: format.Text, Help: "if it scans what is likely"},
	{Name: "note", Kind: format.Text},
	{Name: "verdict", Kind: format.Text, Wide: true, Help: "of a limit: within, exceeded_if_high, exceeded, exempt, not_known"},
	{Name: "basis", Kind: format.Text, Wide: true, Help: "query: runs of the same query; tables, table: of its tables; size: of their sizes; kind: it scans nothing; not known"},
	{Name: "runs", Kind: format.Count, Wide: true, Help: "that it rests on"},
	{Name: "since", Kind: format.Minute, Wide: true, Help: "the oldest of these"},
	{Name: "unit", Kind: format.Text, Wide: true, Help: "of the values: bytes, queries or a currency"},
	{Name: "low_value", Kind: format.Number, Wide: true},
	{Name: "likely_value", Kind: format.Number, Wide: true},
	{Name: "high_value", Kind: format.Number, Wide: true},
	{Name: "allowed_value", Kind: format.Number, Wide: true},
	{Name: "used_value", Kind: format.Number, Wide: true},
	{Name: "left_value", Kind: format.Number, Wide: true},
	{Name: "left_after_value", Kind: format.Number, Wide: true},
	{Name: "query_fingerprint", Kind: format.Text, Wide: true},
	{Name: "tables", Kind: format.Text, Wide: true, Help: "that it reads"},
	{Name: "account_id", Title: "account", Kind: format.Text, Wide: true},
	{Name: "region_name", Title: "region", Kind: format.Text, Wide: true},
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// estimateRows are bytes and cost.
func estimateRows(e *estimate.Estimate, plan *estimate.Plan) [][]any {
	var runs, since any
	note := e.Note
	if e.Runs > 0 {
		runs, since = int64(e.Runs), e.Since
		by := map[estimate.Basis]string{estimate.ByQuery: "of this query", estimate.ByTables: "of its tables", estimate.ByTable: "of each table at least"}[e.Basis]
		note = fmt.Sprintf("%s %s since %s", count(int64(e.Runs), "run"), by, e.Since.Format(time.DateOnly))
		if e.Note != "" {
			note += "; " + e.Note
		}
	}
	row := func(name, note, unit string, values [3]*int64, a limit.Amount) []any {
		cells := make([]any, len(estimateColumns))
		set := func(column string, v any) { cells[estimateColumn(column)] = v }
		set(format.Section, "estimate")
		set("name", name)
		for i, column := range []string{"low", "likely", "high"} {
			if v := values[i]; v != nil {
				set(column, a.Format(*v))
				set(column+"_value", json.Number(a.Decimal(*v)))
			}
		}
		set("note", orNull(note))
		set("basis", string(e.Basis))
		set("runs", runs)
		set("since", since)
		set("unit", orNull(unit))
		set("query_fingerprint", orNull(plan.Fingerprint))
		set("tables", orNull(strings.Join(plan.Reads, " ")))
		set("account_id", orNull(e.Account))
		set("region_name", orNull(e.Region))
		return cells
	}
	if e.Basis == estimate.NotKnown {
		note = "not known: " + note
	}
	var costs [3]*int64
	currency, priced := "", ""
	for i := range e.Cost {
		costs[i] = (*int64)(e.Cost[i].Amount)
		if e.Cost[i].Amount != nil {
			currency = e.Cost[i].Currency
		}
		if e.Cost[i].Basis == athenatrail.BasisUnpriced {
			priced = "not known: there is no price for " + e.Region
		}
	}
	switch {
	case e.Basis == estimate.NotKnown:
		priced = "not known"
	case priced != "":
	case e.Region == "":
		priced = "not known: prices are of regions, name one with --region"
	default:
		priced = "by the price of " + e.Region
	}
	return [][]any{
		row("bytes", note, "bytes", [3]*int64{e.Low, e.Likely, e.High}, limit.Amount{Measure: limit.ScannedBytes, Unit: "TiB"}),
		row("cost", priced, currency, costs, limit.Amount{Measure: limit.Cost, Unit: currency}),
	}
}

func estimateColumn(name string) int {
	for i := range estimateColumns {
		if estimateColumns[i].Name == name {
			return i
		}
	}
	panic("cli: no column " + name)
}

// plannedRow is what would be left of a limit.
func plannedRow(p *limit.Planned) []any {
	cells := make([]any, len(estimateColumns))
	set := func(column string, v any) { cells[estimateColumn(column)] = v }
	amount := p.Limit.Amount
	left := func(used int64) (string, json.Number) {
		if used > amount.Value {
			return "over by " + amount.Format(used-amount.Value), json.Number("-" + amount.Decimal(used-amount.Value))
		}
		return amount.Format(amount.Value - used), json.Number(amount.Decimal(amount.Value - used))
	}
	set(format.Section, "limits")
	set("name", p.Limit.Name)
	set("subject", p.Subject.String())
	set("allowed", p.Limit.Text())
	set("allowed_value", json.Number(amount.Decimal(amount.Value)))
	set("used_value", json.Number(amount.Decimal(p.Used)))
	set("unit", amount.UnitName())
	perQuery := p.Limit.Measure == limit.QueryBytes // each query has all of it
	if !perQuery {
		text, value := left(p.Used)
		set("left", text)
		set("left_value", value)
	}
	if p.After != nil {
		text, value := left(*p.After)
		set("left_after", text)
		set("left_after_value", value)
	}
	verdict, note := "within", ""
	switch {
	case p.Exempt:
		verdict, note = "exempt", "exempt: it would not count"
	case p.Exceeds(&p.Used) && !perQuery:
		verdict, note = "exceeded", "exceeded already"
	case p.Exceeds(p.After):
		verdict, note = "exceeded", "would be exceeded"
	case p.Exceeds(p.AfterHigh):
		verdict, note = "exceeded_if_high", "would be exceeded if it scans as much as high"
	case p.After == nil:
		verdict, note = "not_known", "not known, as the estimate is"
	}
	set("verdict", verdict)
	set("note", orNull(note))
	return cells
}
