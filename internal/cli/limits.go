package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type limitsOptions struct {
	names  []string
	person string
	at     string
	top    int
	all    bool
	wide   bool

	anyEngine bool // --engine is looked at

	history bool
	from    string
}

func (a *app) limitsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "limits",
		Short: "Who used how much of what they may, and what is done about it",
		Long: `Limits stand in the configuration: how much each person, team or work group may
scan, cost or run in a day, a week, a month. A limit is observed only, until its
mode says more. Status, check, simulate and policy compute and tell; apply and
lift change what is in AWS, apply because of limits in mode enforce alone.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("limits: want status, check, simulate, apply, pause, lift or policy; see athenatrail limits --help")
		},
	}
	c.AddCommand(a.limitsStatusCommand(), a.limitsCheckCommand(), a.limitsSimulateCommand(),
		a.limitsApplyCommand(), a.limitsPauseCommand(), a.limitsLiftCommand(), a.limitsPolicyCommand())
	return c
}

func (a *app) limitsStatusCommand() *cobra.Command {
	var o limitsOptions
	c := &cobra.Command{
		Use:   "status",
		Short: "Say what is used of each limit, by whom, and what it will be when the window ends",
		Long: `Say, for each limit, who used how much of it, where that leads by the end of its
window, and when it is used up if it goes on like that. From three quarters on
somebody is at risk.

A lake that is hours behind is looked at as of the time to which it is complete.`,
		Example: `  athenatrail limits status
  athenatrail limits status --limit analysts-day --top 5
  athenatrail limits status --person rosa@example.com --output json
  athenatrail limits status --history --from 7d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.history && o.from != "" {
				return usage("--from: want --history beside it; --at says as of when")
			}
			if o.history {
				a.wide = o.wide
				return a.limitsHistory(cmd.Context(), o)
			}
			o.anyEngine = true
			return a.limitsStatus(cmd.Context(), o)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.person, "person", "", "only what counts for this person: their own limits; * stands for any text")
	f.IntVar(&o.top, "top", 20, "at most so many of each limit, 0 for all")
	a.engineFlag(f)
	f.BoolVar(&o.wide, "wide", false, "show every column in a table")
	f.BoolVar(&o.history, "history", false, "what was done because of limits, the newest first, in place of how everybody stands")
	f.StringVar(&o.from, "from", "", "with --history: from this time on (default 30d)")
	return c
}

func (a *app) limitsCheckCommand() *cobra.Command {
	var o limitsOptions
	c := &cobra.Command{
		Use:   "check",
		Short: "Fail if a limit is exceeded, for cron and CI",
		Long: `Name who is over a limit, and end with exit code 4 if a limit in mode warn or
enforce is exceeded. Limits in mode observe are named and do not fail, unless
--all is given. Exit code 3 means that none is known to be exceeded, but the
lake is too far behind to tell.`,
		Example: `  athenatrail limits check
  athenatrail limits check --all --limit analysts-day -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.limitsCheck(cmd.Context(), o) },
	}
	o.flags(c)
	c.Flags().BoolVar(&o.all, "all", false, "limits in mode observe fail too")
	return c
}

func (o *limitsOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.names, "limit", nil, "only the limit with this name; repeatable")
	f.StringVar(&o.at, "at", "", "as of this time: 2026-11-01T14:00, 7d (default: now, or when the lake is complete to)")
}

// limits returns the configuration's limits, or those of them that are named.
func (a *app) limits(e *setup.Env, names []string) (*limit.Limits, error) {
	all, err := e.CompileLimits()
	if err != nil {
		return nil, asUsage(err)
	}
	if len(all.All()) == 0 {
		where := e.File
		if where == "" {
			where = config.DefaultFile
		}
		return nil, &exitError{exitUsage, hint(errors.New("there are no limits"), "write some into %s, under the key limits: see docs/limits.md", where)}
	}
	for _, name := range names {
		if all.Named(name) == nil {
			var have []string
			for _, l := range all.All() {
				have = append(have, l.Name)
			}
			return nil, usage("--limit %q: want one of %s", name, strings.Join(have, ", "))
		}
	}
	return all.Only(func(l *limit.Limit) bool { return len(names) == 0 || slices.Contains(names, l.Name) }), nil
}

// limitsReport computes how things stand.
func (a *app) limitsReport(ctx context.Context, o limitsOptions, forecast bool) (*setup.Env, *limit.Limits, *limit.Report, error) {
	e, err := a.env(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	limits, err := a.limits(e, o.names)
	if err != nil {
		return nil, nil, nil, err
	}
	now, at := time.Now(), time.Time{}
	if o.at != "" {
		if at, err = config.ParseTime(o.at, now, e.Timezone); err != nil {
			return nil, nil, nil, usage("--at: %w", err)
		}
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := meter.Moment(ctx, l, now, at)
	if err != nil {
		return nil, nil, nil, awsconn.Explained(err)
	}
	report, err := a.limitsOn(ctx, e, l, limits, m, o.anyEngine, forecast)
	if err != nil {
		return nil, nil, nil, awsconn.Explained(err)
	}
	if err := a.warnOutdated(ctx, e, l, m); err != nil {
		return nil, nil, nil, awsconn.Explained(err)
	}
	return e, limits, report, nil
}

// limitsOn reads what was used from the lake's files, or where any engine will do
// from the one that the command asks for.
func (a *app) limitsOn(ctx context.Context, e *setup.Env, l *lake.Lake, limits *limit.Limits, m limit.Moment, any, forecast bool) (*limit.Report, error) {
	name := config.EngineDuckDB
	var err error
	if any {
		if name, err = a.readsOn(e); err != nil {
			return nil, err
		}
	}
	if name == config.EngineDuckDB {
		return meter.Report(ctx, l, limits, m, forecast)
	}
	var standing *limit.Report
	err = a.withEngine(ctx, e, name, func(_ *setup.Env, r *readLake) error {
		standing, err = meter.ReportOf(ctx, engineRows{r.db}, limits, m, forecast)
		return err
	})
	return standing, err
}

// warnOutdated says if the last days that are looked at were derived with other prices
// or rules than today's.
func (a *app) warnOutdated(ctx context.Context, e *setup.Env, l *lake.Lake, m limit.Moment) error {
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	hash, day := settings.Hash(), athenatrail.DateOf(m.At)
	outdated, days := 0, 0
	for file, err := range lake.Partitions(ctx, l, lake.UsageRollup, day-1, day+1) {
		if err != nil {
			return err
		}
		with, err := file.DerivedWith(ctx, l, lake.UsageRollup)
		if err != nil {
			return err
		}
		if days++; with != hash {
			outdated++
		}
	}
	if outdated > 0 {
		a.say("warning", hint(fmt.Errorf("%d of the last %d days (of an account and region) were derived with other prices, teams or rules than today's", outdated, days),
			"athenatrail lake rebuild --lake %s derives them again", e.Lake))
	}
	return nil
}

// limitsStatus prints how everybody stands.
func (a *app) limitsStatus(ctx context.Context, o limitsOptions) error {
	if o.top < 0 {
		return usage("--top %d: want 0 for all, or more", o.top)
	}
	a.wide = o.wide
	e, limits, report, err := a.limitsReport(ctx, o, true)
	if err != nil {
		return err
	}
	var rows [][]any
	var shown []limit.Status
	for _, l := range limits.All() {
		list := report.Of(l)
		if o.person != "" {
			pattern := glob.New(o.person)
			list = slices.DeleteFunc(slices.Clone(list), func(s limit.Status) bool { return l.Per != limit.PerPerson || !pattern.Match(s.Subject.Name) })
		}
		shown = append(shown, list...)
		for i := range list {
			if o.top == 0 || i < o.top {
				rows = append(rows, limitRow(report, &list[i]))
			}
		}
		if n := len(list) - o.top; o.top > 0 && n > 0 {
			a.note("limit %s: %s more not shown, at %.0f %% or less: --top 0 shows all", l.Name, count(int64(n)), list[o.top].Percent())
		}
	}
	if err := a.write(&format.Result{View: "limits status", CompleteTo: report.Moment.CompleteTo, TimeZone: e.Timezone, Columns: shownColumns(limits, true), Rows: format.RowsOf(rows)}); err != nil {
		return err
	}
	a.note("%s", asOf(report.Moment, e.Timezone))
	if s := nextOver(shown); s != nil && !s.OverAt.IsZero() {
		a.note("next: %s, over %s by %s if it goes on like that", s.Subject, s.Limit.Name, s.OverAt.In(e.Timezone).Format("Monday 2006-01-02 15:04"))
	} else if s != nil {
		a.note("next: %s, at %.0f %% of %s", s.Subject, s.Percent(), s.Limit.Name)
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	paused, blocked, err := standingNotes(ctx, l, report.Moment.Now, e.Timezone)
	if err != nil {
		return awsconn.Explained(err)
	}
	for _, text := range slices.Concat(paused, blocked) {
		a.note("%s", text)
	}
	for _, text := range report.Idle {
		a.say("warning", hint(fmt.Errorf("%s matches nobody in the days that were read", text), "see how names are written with athenatrail report users, teams or workgroups"))
	}
	for why, names := range behind(report.Moment, limits.Only(func(l *limit.Limit) bool { return l.Mode == limit.Enforce })) {
		a.say("warning", hint(fmt.Errorf("too old to act upon %s: %s", names, why), "bring the lake up to date with athenatrail collect"))
	}
	return nil
}

// behind yields why limits must not be acted upon, each reason once, with the
// names of the limits.
func behind(m limit.Moment, limits *limit.Limits) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		names := map[string][]string{}
		var order []string
		for _, l := range limits.All() {
			if why := m.Behind(l); why != "" {
				if names[why] == nil {
					order = append(order, why)
				}
				names[why] = append(names[why], l.Name)
			}
		}
		for _, why := range order {
			list := "limit " + names[why][0]
			if len(names[why]) > 1 {
				list = "limits " + strings.Join(names[why], ", ")
			}
			if !yield(why, list) {
				return
			}
		}
	}
}

// asOf says of when a report is.
func asOf(m limit.Moment, zone *time.Location) string {
	const minute = "2006-01-02 15:04"
	at := "as of " + m.At.In(zone).Format(minute) + " " + zone.String()
	switch {
	case m.CompleteTo.IsZero():
		return at + "; it is not known how complete the lake is"
	case m.At.Equal(m.CompleteTo):
		return at + ", to which the lake is complete; what came since is not known"
	}
	return at + "; the lake is complete to " + m.CompleteTo.In(zone).Format(minute)
}

// nextOver returns who goes over a limit first, by the forecasts, else who is
// nearest to one, of those at risk; nil if nobody is.
func nextOver(list []limit.Status) (next *limit.Status) {
	sooner := func(s *limit.Status) bool {
		switch {
		case next == nil:
			return true
		case s.OverAt.IsZero() != next.OverAt.IsZero():
			return next.OverAt.IsZero()
		case s.OverAt.Equal(next.OverAt):
			return s.Percent() > next.Percent()
		}
		return s.OverAt.Before(next.OverAt)
	}
	for i := range list {
		s := &list[i]
		if open := s.State == limit.OK || s.State == limit.AtRisk; open && (!s.OverAt.IsZero() || s.State == limit.AtRisk) && sooner(s) {
			next = s
		}
	}
	return next
}

// limitsCheck names who is over, and fails if a limit that counts is exceeded.
func (a *app) limitsCheck(ctx context.Context, o limitsOptions) error {
	e, limits, report, err := a.limitsReport(ctx, o, false)
	if err != nil {
		return err
	}
	counts := func(l *limit.Limit) bool { return o.all || l.Mode != limit.Observe }
	var rows [][]any
	failed := 0
	for i := range report.Statuses {
		s := &report.Statuses[i]
		if s.State != limit.Over {
			continue
		}
		rows = append(rows, limitRow(report, s))
		level := "observed"
		if counts(s.Limit) {
			level = "exceeded"
			failed++
		}
		text := fmt.Sprintf("limit %s: %s: %s of %s, %.1f %%", s.Limit.Name, s.Subject, s.Limit.Amount.Format(s.Used), s.Limit.Amount, s.Percent())
		if note := s.Note(); note != "" {
			text += " (" + note + ")"
		}
		a.say(level, errors.New(text))
	}
	late := false
	if o.at == "" {
		for why, names := range behind(report.Moment, limits.Only(counts)) {
			late = true
			a.say("warning", hint(fmt.Errorf("%s: %s: this is how things stood at %s", names, why, report.Moment.At.In(e.Timezone).Format("2006-01-02 15:04")),
				"bring the lake up to date with athenatrail collect"))
		}
	}
	if f, err := format.Parse(a.output); len(rows) > 0 || err == nil && f != format.Table {
		if err := a.write(&format.Result{View: "limits check", CompleteTo: report.Moment.CompleteTo, TimeZone: e.Timezone, Columns: shownColumns(limits, false), Rows: format.RowsOf(rows)}); err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return &exitError{code: exitExceeded}
	case late:
		return &exitError{code: exitIncomplete}
	}
	a.note("%s: none that counts is exceeded", count(int64(len(limits.All())), "limit"))
	return nil
}
