package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/completeness"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type verifyOptions struct {
	completeness, digests bool
	bill                  []string // files

	from, to string
	require  string
	show     string
	noAthena bool
	keys     string
	keep     bool

	least float64 // of require, in percent; below zero: not asked for
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify",
		Short: "Is anything missing? Was the trail tampered with? Does it agree with the bill?",
		Long: `Check the lake against what others know, and say what is missing.

--completeness, which is the default, counts the starts that the trail told of,
their rows and their details, by account, region and day, and compares them with
what Athena itself lists of the last 45 days (ListQueryExecutions): executions
that the trail does not know, and those of the trail that Athena does not list.
It names hours in which a trail delivered nothing between others in which it
did. --show unknown, unlisted or holes lists them.

--digests checks the log files of --source against CloudTrail's digest files, as
aws cloudtrail validate-logs does, for every account, region and trail: their
signatures, the hash of every log file, the links of the chain; and log files
that no digest names. --keys takes CloudTrail's public keys from a file, what
aws cloudtrail list-public-keys prints, and asks nobody.

--bill FILE compares with what AWS billed: an export of CUR 2.0 or FOCUS 1.x, as
CSV, compressed or not, or Parquet; repeatable. It shows by day, account and
region what the lake explains and what not, tells whether AWS's terabyte is
binary or decimal (price_units), and with --show capacity splits reserved
capacity among those who used it. --keep keeps what was billed in the lake, so
that the overview of reports and of the dashboard has a line unattributed.

Exit code 5 means that something was tampered with, is missing from the trail's
bucket, or that less than --require is covered, proven or explained; 3 that not
everything could be asked or read. docs/verify.md says what each check proves,
and what it cannot.`,
		Example: `  athenatrail verify
  athenatrail verify --from 30d --require 100%
  athenatrail verify --show unknown --output csv
  athenatrail verify --digests --source s3://my-trail-bucket --from 7d
  athenatrail verify --digests --source ./copy-of-the-bucket --keys keys.json
  athenatrail verify --bill cur-2026-10.parquet --keep`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), o) },
	}
	f := c.Flags()
	f.BoolVar(&o.completeness, "completeness", false, "compare the lake with what Athena lists; the default")
	f.BoolVar(&o.digests, "digests", false, "check log files against CloudTrail's digest files")
	f.StringArrayVar(&o.bill, "bill", nil, "compare with a bill: a file of an export of CUR 2.0 or FOCUS; repeatable")
	f.StringArray("source", nil, "with --digests, where log files are: s3://bucket[/prefix] or a folder; repeatable")
	f.StringVar(&o.keys, "keys", "", "with --digests, a file with CloudTrail's public keys")
	f.StringVar(&o.from, "from", "", "check from this time on (default: 45 days ago; of digests, all)")
	f.StringVar(&o.to, "to", "", "check what was before this time (default: what the lake is complete to; of digests, now)")
	f.StringVar(&o.require, "require", "", "fail with exit code 5 if less than this is covered, proven or explained, such as 100%")
	f.StringVar(&o.show, "show", showDays, "days; of completeness also unknown, unlisted or holes; of a bill also capacity")
	f.BoolVar(&o.keep, "keep", false, "with --bill, keep what was billed in the lake for the overview")
	f.BoolVar(&o.noAthena, "no-athena", false, "do not ask Athena: look at the lake alone")
	return c
}

func (a *app) verify(ctx context.Context, o verifyOptions) (err error) {
	if o.least, err = parsePercent(o.require); err != nil {
		return usage("--require %q: %w", o.require, err)
	}
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if o.digests && o.completeness || len(o.bill) > 0 && (o.digests || o.completeness) {
		return usage("verify: one check at a time: --completeness, --digests or --bill")
	}
	if o.keep && len(o.bill) == 0 {
		return usage("--keep is for --bill")
	}
	if o.digests {
		return a.verifyDigests(ctx, e, o)
	}
	if o.keys != "" || a.flags.Changed("source") {
		return usage("--source and --keys are for --digests")
	}
	if len(o.bill) > 0 {
		return a.verifyBill(ctx, e, o)
	}
	return a.verifyCompleteness(ctx, e, o)
}

// parsePercent reads 100%, 99.5 % or 99.5. An empty text asks for nothing.
func parsePercent(text string) (float64, error) {
	if text == "" {
		return -1, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0, errors.New("want a share such as 100% or 99.5%")
	}
	return v, nil
}

// verifyWindow returns the window of --from and --to.
func verifyWindow(e *setup.Env, o verifyOptions, now, from, to time.Time) (time.Time, time.Time, error) {
	var err error
	if o.from != "" {
		if from, err = config.ParseTime(o.from, now, e.Timezone); err != nil {
			return from, to, usage("--from: %w", err)
		}
	}
	if o.to != "" {
		if to, err = config.ParseTime(o.to, now, e.Timezone); err != nil {
			return from, to, usage("--to: %w", err)
		}
	}
	if !from.Before(to) {
		return from, to, usage("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// percent writes a share; what is not whole is never shown as 100.
func percent(v float64) string {
	if v < 100 && v > 99.995 {
		return "over 99.99 %"
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".") + " %"
}

func (a *app) verifyCompleteness(ctx context.Context, e *setup.Env, o verifyOptions) error {
	if !map[string]bool{showDays: true, "unknown": true, "unlisted": true, "holes": true}[o.show] {
		return usage("--show %q: want days, unknown, unlisted or holes", o.show)
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	book := ledger.New(l)
	completeTo, _, err := book.CompleteTo(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if completeTo.IsZero() {
		completeTo = now
	}
	from, to, err := verifyWindow(e, o, now, now.Add(-completeness.HistoryDays*24*time.Hour), completeTo)
	if err != nil && o.from == "" && o.to == "" {
		return &exitError{exitUsage, hint(fmt.Errorf("the lake is complete to %s only, and Athena lists the last %d days", completeTo.Format(time.RFC3339), completeness.HistoryDays),
			"bring it up to date with athenatrail collect, or name --from")}
	}
	if err != nil {
		return err
	}
	check := completeness.Options{Lake: l, Ledger: book, From: from, To: to, Now: now}
	if !o.noAthena {
		check.Athena = e.Askers().AthenaIn
		if check.Places, err = e.Places(ctx); err != nil {
			return err
		}
	}
	bar := a.progress()
	check.Progress = func(listed int) {
		bar.show(collect.Progress{Stage: collect.StageDetails, Done: int64(listed), Total: -1})
	}
	r, err := completeness.Check(ctx, check)
	bar.close()
	if err != nil {
		return awsconn.Explained(err)
	}
	whole, ran := r.Whole()
	a.sayCompleteness(r, o, to, completeTo)
	result := &format.Result{View: "verify completeness", From: from, To: to, TimeZone: e.Timezone, CompleteTo: completeTo}
	switch o.show {
	case showDays:
		daysOf(r, result)
	case "holes":
		holesOf(r, result)
	default:
		missingOf(r, result, o.show == "unknown")
	}
	if err := a.write(result); err != nil {
		return err
	}
	covered := r.Coverage()
	switch {
	case o.least >= 0 && (covered < o.least || o.least == 100 && whole < ran):
		return &exitError{exitUnverified, fmt.Errorf("%s of the executions are covered, and %s are required", percent(covered), percent(o.least))}
	case len(r.Unasked) > 0:
		return &exitError{exitIncomplete, hint(errors.New("done, but not everywhere could Athena be asked"), "attach deploy/policy/verify.json, or pass --no-athena to look at the lake alone")}
	}
	return nil
}

// sayCompleteness says in sentences what was found.
func (a *app) sayCompleteness(r *completeness.Result, o verifyOptions, to, completeTo time.Time) {
	var rows, lost, unknown, unlisted int64
	asked := false
	gaps := map[string]int64{}
	for _, d := range r.Days {
		rows, lost, unknown, unlisted = rows+d.Rows, lost+d.Lost, unknown+d.Unknown, unlisted+d.Unlisted
		asked = asked || d.Asked
		for gap, n := range d.Gaps {
			gaps[gap] += n
		}
	}
	whole, ran := r.Whole()
	a.note("of %s, the lake has %s with person, SQL and bytes: %s", count(ran, "execution"), count(whole, ""), percent(r.Coverage()))
	if lost > 0 {
		a.say("warning", hint(fmt.Errorf("%s in the trail has no row in the tables", count(lost, "start")), "athenatrail lake rebuild --all derives them; athenatrail lake verify says more"))
	}
	switch {
	case o.noAthena:
		a.note("Athena was not asked: whether the trail lacks executions is not known")
	case unknown+r.Undated > 0:
		a.say("warning", hint(fmt.Errorf("the trail does not know %s that Athena lists", count(unknown+r.Undated, "execution")),
			"athenatrail verify --show unknown lists them; was the trail off, or is a source, an account or a region not collected?"))
	case asked:
		a.note("Athena lists no execution that the trail does not know")
	}
	if unlisted > 0 {
		a.note("of the trail's executions Athena does not list %s: see --show unlisted", count(unlisted, ""))
	}
	if r.Forgotten > 0 {
		a.note("%s was erased from the lake, by lake forget", count(r.Forgotten, "execution"))
	}
	if n := len(r.Holes); n > 0 {
		a.note("in %s a trail delivered nothing that else delivers: see --show holes, and verify --digests for whether anything was to be delivered", count(int64(n), "span of time", "spans of time"))
	}
	if to.After(completeTo) {
		a.say("warning", fmt.Errorf("the lake is complete to %s only: what was started after that is missed here, and may come", completeTo.Format(time.RFC3339)))
	}
	for _, u := range r.Unasked {
		a.say("warning", fmt.Errorf("%s: %w", u.Place, u.Err))
	}
	if r.Further > 0 {
		a.note("and %s that is not named", count(int64(r.Further), "execution"))
	}
}

// gapColumns are the reasons of gaps, in the order of their columns.
var gapColumns = []string{
	athenatrail.GapNoDetail, athenatrail.GapPending, athenatrail.GapExpired, athenatrail.GapUnprocessed, athenatrail.GapNoAccess, athenatrail.GapNotStarted,
}

func daysOf(r *completeness.Result, result *format.Result) {
	result.Columns = []format.Column{
		{Name: "date", Kind: format.Date, Help: "UTC day of the first start"},
		{Name: "account_id", Title: "account", Kind: format.Text},
		{Name: "region_name", Title: "region", Kind: format.Text},
		{Name: "starts", Kind: format.Count, Help: "different StartQueryExecution calls in the trail"},
		{Name: "rows", Kind: format.Count, Help: "executions in the tables, of starts in the trail"},
		{Name: "details", Kind: format.Count, Help: "of them with all that there is to know"},
	}
	for _, gap := range gapColumns {
		result.Columns = append(result.Columns, format.Column{Name: gap, Kind: format.Count, Wide: gap != athenatrail.GapExpired && gap != athenatrail.GapNoDetail && gap != athenatrail.GapNotStarted})
	}
	result.Columns = append(result.Columns,
		format.Column{Name: "lost", Kind: format.Count, Help: "starts in the trail without a row"},
		format.Column{Name: "unknown", Kind: format.Count, Help: "listed by Athena, not in the trail; NULL: not asked"},
		format.Column{Name: "unlisted", Kind: format.Count, Help: "in the trail, not listed by Athena; NULL: not asked"},
		format.Column{Name: "covered", Kind: format.Percent, Help: "details, of all executions that the trail or Athena know"},
	)
	var rows [][]any
	for _, d := range r.Days {
		row := []any{d.Date.Time(), d.Account, d.Region, d.Starts, d.Rows, d.Details}
		for _, gap := range gapColumns {
			row = append(row, d.Gaps[gap])
		}
		row = append(row, d.Lost)
		if d.Asked || d.Unknown > 0 {
			row = append(row, d.Unknown, d.Unlisted)
		} else {
			row = append(row, nil, nil)
		}
		var covered any
		if ran := d.Ran(); ran > 0 {
			covered = 100 * float64(d.Details) / float64(ran)
		}
		rows = append(rows, append(row, covered))
	}
	result.Rows = format.RowsOf(rows)
}

func missingOf(r *completeness.Result, result *format.Result, unknown bool) {
	result.Columns = []format.Column{
		{Name: "submitted", Kind: format.Time}, {Name: "account_id", Title: "account", Kind: format.Text}, {Name: "region_name", Title: "region", Kind: format.Text},
		{Name: "work_group_name", Title: "work group", Kind: format.Text}, {Name: "query_execution_id", Kind: format.Text}, {Name: "reason", Kind: format.Text},
	}
	var rows [][]any
	for _, m := range r.Missing {
		if m.Unknown == unknown {
			rows = append(rows, []any{orNil(m.At), m.Account, m.Region, m.WorkGroup, m.ID, m.Why})
		}
	}
	result.Rows = format.RowsOf(rows)
}

func orNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func holesOf(r *completeness.Result, result *format.Result) {
	result.Columns = []format.Column{
		{Name: "account_id", Title: "account", Kind: format.Text}, {Name: "region_name", Title: "region", Kind: format.Text},
		{Name: "from", Kind: format.Time}, {Name: "to", Kind: format.Time}, {Name: "hours", Kind: format.Count},
		{Name: "usual", Kind: format.Percent, Help: "share of hours in which the region delivers"}, {Name: "what", Kind: format.Text},
	}
	var rows [][]any
	for _, h := range r.Holes {
		what := "nothing was delivered"
		if h.Silent {
			what = "nothing was delivered since"
		}
		rows = append(rows, []any{h.Account, h.Region, h.From, h.To, int64(h.To.Sub(h.From) / time.Hour), h.Usual, what})
	}
	result.Rows = format.RowsOf(rows)
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}
