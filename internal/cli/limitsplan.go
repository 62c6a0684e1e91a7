package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
)

type simulateOptions struct {
	names    []string
	from, to string
	file     string
	wide     bool
}

func (a *app) limitsSimulateCommand() *cobra.Command {
	var o simulateOptions
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Say what limits would have done in the past, before you switch them on",
		Long: `Play limits over the past, as if they had been enforced, whatever their mode: who
would have been notified, stopped or blocked and when, and what would not have
run because of it, with its bytes and its money. Nothing is changed.

A threshold acts at the end of the quarter hour in which it is crossed. From
then on until the window ends, or until enough of one that moves is past, what
the same person, team or work group starts is taken not to have run: a stop is
repeated as often as something starts. Whom protect names runs on.`,
		Example: `  athenatrail limits simulate --from 30d
  athenatrail limits simulate --from 2026-10-01 --to 2026-11-01 --limits stricter.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.limitsSimulate(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringArrayVar(&o.names, "limit", nil, "only the limit with this name; repeatable")
	f.StringVar(&o.from, "from", "", "from this time on: 2026-11-01, an RFC 3339 time, 30d (default: 30 days before --to)")
	f.StringVar(&o.to, "to", "", "before this time (default: the moment up to which the lake is complete)")
	f.StringVar(&o.file, "limits", "", "a file with other limits to try out: a configuration, or its keys limits and protect alone")
	f.BoolVar(&o.wide, "wide", false, "show every column in a table")
	return c
}

func (a *app) limitsSimulate(ctx context.Context, o simulateOptions) error {
	a.wide = o.wide
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if o.file != "" {
		if e.Config, err = e.Config.WithLimits(ctx, o.file, config.Options{Environ: os.Environ(), UserAgent: userAgent()}); err != nil {
			return asUsage(err)
		}
	}
	limits, err := a.limits(e, o.names)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	m, err := meter.Moment(ctx, l, now, time.Time{})
	if err != nil {
		return awsconn.Explained(err)
	}
	r := &readLake{completeTo: m.CompleteTo}
	if o.from == "" {
		end := m.CompleteTo
		if end.IsZero() {
			end = now
		}
		if o.to != "" {
			if end, err = config.ParseTime(o.to, now, e.Timezone); err != nil {
				return usage("--to: %w", err)
			}
		}
		o.from = end.Add(-30 * 24 * time.Hour).Format(time.RFC3339)
	}
	from, to, err := r.window(e, o.from, o.to, now)
	if err != nil {
		return err
	}
	sim := limits.Simulate(from, to)
	if err := meter.Simulate(ctx, l, sim); err != nil {
		return awsconn.Explained(err)
	}
	outcomes := sim.Outcomes()
	var rows [][]any
	for _, l := range limits.All() {
		rows = append(rows, summaryRow(l, outcomes))
		for i := range outcomes {
			if outcomes[i].Limit == l {
				rows = append(rows, outcomeRow(&outcomes[i]))
			}
		}
	}
	if err := a.write(&format.Result{View: "limits simulate", From: from, To: to, CompleteTo: m.CompleteTo, TimeZone: e.Timezone, Columns: simulateColumns, Rows: format.RowsOf(rows)}); err != nil {
		return err
	}
	if !m.Since.IsZero() && m.Since.After(from) {
		a.note("the lake begins on %s: before, nothing is known", m.Since.Format(time.DateOnly))
	}
	for _, l := range limits.All() {
		unknown, foreign := sim.Unknown(l)
		if unknown > 0 {
			what := "what they used"
			if l.Measure == limit.Cost {
				what = "their cost"
			}
			a.note("limit %s: %s counted for nothing, because %s is not known", l.Name, count(unknown, "execution"), what)
		}
		if foreign > 0 {
			a.say("warning", fmt.Errorf("limit %s: %s counted for nothing, because they cost another currency than %s", l.Name, count(foreign, "execution"), l.Amount.Unit))
		}
	}
	for _, text := range sim.Idle() {
		a.say("warning", fmt.Errorf("%s matches nobody in that time", text))
	}
	return nil
}

var simulateColumns = []format.Column{
	{Name: format.Section, Kind: format.Text, Help: "the limit, and what comes of it today"},
	{Name: "limit", Kind: format.Text, Wide: true},
	{Name: "subject", Title: "who", Kind: format.Text},
	{Name: "at", Kind: format.Minute, Help: "the end of the quarter hour in which the threshold was crossed"},
	{Name: "action", Kind: format.Text, Help: "the threshold; in all: how often what would have been done"},
	{Name: "used", Kind: format.Text, Help: "when the threshold was crossed; in all: what is allowed"},
	{Name: "used_percent", Title: "%", Kind: format.Percent},
	{Name: "queries", Title: "not run", Kind: format.Count, Help: "queries that would not have run"},
	{Name: "sessions", Kind: format.Count, Wide: true, Help: "Spark sessions that would not have run"},
	{Name: "data_scanned_bytes", Title: "not scanned", Kind: format.Bytes},
	{Name: "cost", Title: "not spent", Kind: format.Money, Help: "NULL where it is in several currencies: see note"},
	{Name: format.Currency, Kind: format.Text},
	{Name: "note", Kind: format.Text},
	{Name: "unit", Kind: format.Text, Wide: true},
	{Name: "used_value", Kind: format.Number, Wide: true},
	{Name: "window_start", Kind: format.Minute, Wide: true},
	{Name: "window_end", Kind: format.Minute, Wide: true},
	{Name: "unknown_cost", Kind: format.Count, Wide: true, Help: "of what would not have run, how many have no known cost"},
}

// summaryRow says what a limit would have done in all.
func summaryRow(l *limit.Limit, outcomes []limit.Outcome) []any {
	var sum limit.Prevented
	who := map[limit.Subject]bool{}
	done := map[limit.Action]int64{}
	for i := range outcomes {
		o := &outcomes[i]
		if o.Limit != l {
			continue
		}
		who[o.Subject] = true
		if o.Threshold.Action.Acts() && o.Protected != "" {
			done[limit.Notify]++
		} else {
			done[o.Threshold.Action]++
		}
		sum.Add(&o.Prevented)
	}
	var acts []string
	for _, action := range []limit.Action{limit.Notify, limit.Cutoff, limit.Stop, limit.Block} {
		if n := done[action]; n > 0 {
			acts = append(acts, fmt.Sprintf("%s %s", action, times(n)))
		}
	}
	noun := map[limit.Per][2]string{
		limit.PerPerson: {"person", "people"}, limit.PerTeam: {"team", "teams"}, limit.PerWorkGroup: {"work group", "work groups"},
	}[l.Per]
	subject := "in all"
	if l.Per != limit.PerAll && len(who) > 0 {
		subject += ", " + count(int64(len(who)), noun[0], noun[1])
	}
	action := "nothing"
	if len(acts) > 0 {
		action = strings.Join(acts, ", ")
	}
	row := []any{limitSection(l), l.Name, subject, nil, action, l.Text(), nil}
	return append(append(row, prevented(&sum, "")...), l.Amount.UnitName(), nil, nil, nil, sum.Unknown)
}

func times(n int64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return count(n, "times", "times")
}

func outcomeRow(o *limit.Outcome) []any {
	amount := o.Limit.Amount
	note := ""
	if o.Protected != "" && o.Threshold.Action.Acts() {
		note = "protected by " + o.Protected + ": only told"
	}
	var end any
	if !o.End.IsZero() {
		end = o.End
	}
	row := []any{limitSection(o.Limit), o.Limit.Name, o.Subject.String(), o.At, o.Threshold.String(), amount.Format(o.Used), o.Percent()}
	return append(append(row, prevented(&o.Prevented, note)...),
		amount.UnitName(), json.Number(amount.Decimal(o.Used)), o.Start, end, o.Prevented.Unknown)
}

// prevented returns the cells from queries to note.
func prevented(p *limit.Prevented, note string) []any {
	if p.Queries == 0 && p.Sessions == 0 {
		return []any{nil, nil, nil, nil, nil, nilIfEmpty(note)}
	}
	var cost, currency any
	switch len(p.Cost) {
	case 0:
	case 1:
		cost, currency = json.Number(p.Cost[0].Amount.String()), p.Cost[0].Currency
	default:
		note = strings.TrimPrefix(note+"; not spent: "+p.Money(), "; ")
	}
	return []any{p.Queries, p.Sessions, p.Bytes, cost, currency, nilIfEmpty(note)}
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (a *app) limitsPolicyCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "policy",
		Short: "Print the least IAM policy that the configured actions need",
		Long: `Print the IAM policy, as JSON, that acting on the limits in mode enforce needs:
no more than their thresholds ask for, for the accounts, work groups and roles
that they match. Limits that observe or warn need nothing.

A permission to write a role's policies is one to give that role anything. Match
the roles or accounts that are meant, name in protect whom it must never touch,
and read the policy before you attach it.`,
		Example: `  athenatrail limits policy > policy.json
  athenatrail limits policy --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.limitsPolicy(cmd.Context(), all) },
	}
	c.Flags().BoolVar(&all, "all", false, "as if every limit were in mode enforce")
	return c
}

func (a *app) limitsPolicy(ctx context.Context, all bool) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if all {
		c := *e.Config
		c.Limits = nil
		for _, d := range e.Limits {
			d.Mode = string(limit.Enforce)
			c.Limits = append(c.Limits, d)
		}
		e.Config = &c
	}
	limits, err := a.limits(e, nil)
	if err != nil {
		return err
	}
	partition := "aws"
	for _, region := range e.Regions {
		if strings.HasPrefix(region, "cn-") {
			partition = "aws-cn"
		} else if strings.HasPrefix(region, "us-gov-") {
			partition = "aws-us-gov"
		}
	}
	policy, needed := limits.Policy(partition)
	if !needed {
		a.note("no limit in mode enforce stops or blocks anything: no permission is needed")
		return nil
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(policy)
}
