package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/standing"
)

func (a *app) limitsApplyCommand() *cobra.Command {
	var names []string
	var dryRun bool
	c := &cobra.Command{
		Use:   "apply",
		Short: "Do what limits ask for: notify, stop, block, and lift what is over",
		Long: `Look at how everybody stands, do what the thresholds that are reached ask for, and
take back what has ended, is no longer over, or was exempted or paused. Limits in
mode enforce act, those in mode warn only notify, those that observe do nothing.

Everything is done once, however often and by how many processes this runs: what
was done stands in the lake. Where the lake is too far behind the clock, or the
clock is wrong, nobody is stopped, and it says so.

Exit code 3 means that something could not be done: it is tried again by the next
run.`,
		Example: `  athenatrail limits apply --dry-run
  athenatrail limits apply --limit analysts-day`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.limitsApply(cmd.Context(), names, dryRun) },
	}
	f := c.Flags()
	f.StringArrayVar(&names, "limit", nil, "only the limit with this name; repeatable")
	f.BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing: nothing is called, nothing is written")
	return c
}

func (a *app) limitsApply(ctx context.Context, names []string, dryRun bool) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	all, err := a.limits(e, nil)
	if err != nil {
		return err
	}
	limits, err := a.limits(e, names)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	o, err := e.Enforce(ctx, l, all, limits, time.Now())
	if err != nil {
		return awsconn.Explained(err)
	}
	o.DryRun = dryRun
	result, err := enforce.Apply(ctx, o)
	if err != nil {
		return awsconn.Explained(err)
	}
	for _, text := range result.Told {
		a.say("warning", errors.New(text))
	}
	for _, text := range o.Report.Idle {
		a.say("warning", fmt.Errorf("%s matches nobody in the days that were read", text))
	}
	for _, problem := range result.Notice.Problems {
		a.say("warning", problem)
	}
	if result.Busy != "" {
		a.note("another process acts on the limits just now (%s): nothing was done", result.Busy)
		return nil
	}
	if dryRun {
		for i := range result.Done {
			result.Done[i].Outcome = "to do"
		}
	}
	if err := a.writeActions("limits apply", e.Timezone, result.Done); err != nil {
		return err
	}
	switch failed := result.Failed(); {
	case failed > 0:
		a.say("warning", hint(fmt.Errorf("%s could not be done", count(int64(failed), "action")), "the next athenatrail limits apply tries again; athenatrail limits policy prints the permissions that it needs"))
		return &exitError{code: exitIncomplete}
	case len(result.Done) == 0:
		a.note("%s: nothing to do", count(int64(len(limits.All())), "limit"))
	case dryRun:
		a.note("nothing was done: this was a dry run")
	}
	return nil
}

// actionColumns are those of apply, lift and history.
var actionColumns = []format.Column{
	{Name: "acted_at", Title: "when", Kind: format.Minute},
	{Name: "limit_name", Title: "limit", Kind: format.Text},
	{Name: "subject", Title: "whose", Kind: format.Text},
	{Name: "threshold", Kind: format.Text, Help: "that was reached"},
	{Name: "used", Kind: format.Text, Help: "then, of what is allowed"},
	{Name: "action", Kind: format.Text},
	{Name: "outcome", Kind: format.Text, Help: "done, failed, skipped, or begun where it is not known how it ended"},
	{Name: "target", Kind: format.Text, Help: "what was acted upon"},
	{Name: "until", Kind: format.Minute, Help: "when a block ends by itself"},
	{Name: "message", Kind: format.Text, Help: "the error, why it was skipped or lifted, or what was changed"},
	{Name: "person", Kind: format.Text, Wide: true, Help: "whose query, session or principal it is"},
	{Name: "subject_kind", Kind: format.Text, Wide: true},
	{Name: "mode", Kind: format.Text, Wide: true},
	{Name: "operation", Kind: format.Text, Wide: true, Help: "what was called"},
	{Name: "window_start", Kind: format.Minute, Wide: true},
	{Name: "window_end", Kind: format.Minute, Wide: true},
	{Name: "lifted_by", Kind: format.Text, Wide: true},
	{Name: "used_value", Kind: format.Number, Wide: true},
	{Name: "allowed_value", Kind: format.Number, Wide: true},
	{Name: "unit", Kind: format.Text, Wide: true},
	{Name: "account_id", Kind: format.Text, Wide: true},
	{Name: "region_name", Kind: format.Text, Wide: true},
	{Name: "attempt", Kind: format.Count, Wide: true},
	{Name: "action_id", Kind: format.ID, Wide: true},
	{Name: "run_id", Kind: format.Text, Wide: true},
}

func actionRow(x *athenatrail.LimitAction) []any {
	moment := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t
	}
	subject := limit.Subject{Name: x.Subject}.String()
	return []any{
		x.Time, x.LimitName, subject, nilIfEmpty(x.Threshold), usedText(x), x.Action, x.Outcome, nilIfEmpty(x.Target), moment(x.Until), nilIfEmpty(actionMessage(x)),
		nilIfEmpty(x.Person), x.SubjectKind, x.Mode, nilIfEmpty(x.Operation), x.WindowStart, moment(x.WindowEnd), nilIfEmpty(x.LiftedBy),
		x.Used, x.Allowed, x.Unit, x.Home.Account, x.Home.Region, int64(x.Attempt), x.ID, x.RunID,
	}
}

// actionMessage is what there is to say of an action beside its outcome.
func actionMessage(x *athenatrail.LimitAction) string {
	if x.Reason == "" {
		return x.Message
	}
	return strings.TrimSuffix(x.Reason+"; "+x.Message, "; ")
}

// usedText says how much was used of what was allowed. The limit may have
// changed since, so that it is not asked.
func usedText(x *athenatrail.LimitAction) any {
	if x.Used == 0 && x.Action == athenatrail.ActLift {
		return nil
	}
	measure := map[string]limit.Measure{"bytes": limit.ScannedBytes, "queries": limit.Queries, "dpu_ms": limit.DPUTime, "percent": limit.FailedShare}[x.Unit]
	scale := 1.0
	switch measure {
	case "":
		measure, scale = limit.Cost, athenatrail.MoneyScale
	case limit.FailedShare:
		scale = 10_000
	}
	amount := limit.Amount{Measure: measure, Unit: x.Unit}
	if n := int64(x.Allowed); measure == limit.ScannedBytes && n%1_000_000 != 0 && n%(1<<20) == 0 {
		amount.Unit = "MiB" // it was allowed in such units
	}
	return amount.Format(int64(x.Used*scale)) + " of " + amount.Format(int64(x.Allowed*scale))
}

func (a *app) writeActions(view string, zone *time.Location, list []athenatrail.LimitAction) error {
	f, err := format.Parse(a.output)
	if len(list) == 0 && err == nil && f == format.Table {
		return nil
	}
	return a.write(actionsResult(view, zone, list))
}

func actionsResult(view string, zone *time.Location, list []athenatrail.LimitAction) *format.Result {
	var rows [][]any
	for i := range list {
		rows = append(rows, actionRow(&list[i]))
	}
	return &format.Result{View: view, TimeZone: zone, Columns: actionColumns, Rows: format.RowsOf(rows)}
}

// limitHistory returns what was done because of limits from a time on, the
// newest first.
func limitHistory(ctx context.Context, l *lake.Lake, from time.Time, is func(*athenatrail.LimitAction) bool) (list []athenatrail.LimitAction, err error) {
	first := athenatrail.DateOf(from)
	for file, err := range lake.Partitions(ctx, l, lake.LimitActions, first, 1<<20) {
		if err != nil {
			return nil, err
		}
		for x, err := range lake.Read(ctx, l, lake.LimitActions, file.Partition) {
			if err != nil {
				return nil, err
			}
			if !x.Time.Before(from) && is(x) {
				list = append(list, *x)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b athenatrail.LimitAction) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.LimitName, b.LimitName), strings.Compare(a.Subject, b.Subject),
			strings.Compare(a.Action, b.Action), strings.Compare(a.Target, b.Target), strings.Compare(a.ID, b.ID), cmp.Compare(a.Attempt, b.Attempt))
	})
	return list, nil
}

// limitsHistory prints what was done.
func (a *app) limitsHistory(ctx context.Context, o limitsOptions) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	from, err := config.ParseTime(cmp.Or(o.from, "30d"), now, e.Timezone)
	if err != nil {
		return usage("--from: %w", err)
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	pattern := glob.New(cmp.Or(o.person, "*"))
	list, err := limitHistory(ctx, l, from, func(x *athenatrail.LimitAction) bool {
		return (len(o.names) == 0 || slices.Contains(o.names, x.LimitName)) && (o.person == "" || pattern.Match(x.Subject) || pattern.Match(x.Person))
	})
	if err != nil {
		return awsconn.Explained(err)
	}
	shown := list
	if o.top > 0 && len(list) > o.top {
		shown = list[:o.top]
		a.note("%s more not shown: --top 0 shows all", count(int64(len(list)-o.top)))
	}
	if err := a.write(actionsResult("limits status", e.Timezone, shown)); err != nil {
		return err
	}
	if len(list) == 0 {
		a.note("nothing was done because of limits since %s", from.In(e.Timezone).Format("2006-01-02 15:04"))
	}
	return nil
}

func (a *app) limitsPauseCommand() *cobra.Command {
	var names []string
	var until, reason string
	var resume bool
	c := &cobra.Command{
		Use:   "pause",
		Short: "Keep limits from acting for a while, whoever applies them",
		Long: `Keep limits from notifying, stopping and blocking, in every process that works with
this lake, until a time or until --resume. What stands because of them is lifted
by the next athenatrail limits apply. They are still computed and shown, and
limits status says that they are paused.`,
		Example: `  athenatrail limits pause --reason "quarter closing" --until 2026-11-03
  athenatrail limits pause --limit analysts-day
  athenatrail limits pause --resume`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.limitsPause(cmd.Context(), names, until, reason, resume)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&names, "limit", nil, "only the limit with this name; repeatable (default: all limits)")
	f.StringVar(&until, "until", "", "until this time: 2026-11-03, an RFC 3339 time (default: until it is resumed)")
	f.StringVar(&reason, "reason", "", "why, for whoever reads limits status")
	f.BoolVar(&resume, "resume", false, "let them act again")
	return c
}

func (a *app) limitsPause(ctx context.Context, names []string, until, reason string, resume bool) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	if _, err := a.limits(e, names); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	var end time.Time
	if until != "" {
		if end, err = config.ParseTime(until, now, e.Timezone); err != nil {
			return usage("--until: %w", err)
		}
		if !end.After(now) {
			return usage("--until %s: that is past", until)
		}
	}
	if resume && (until != "" || reason != "") {
		return usage("--resume: want no --until and no --reason beside it")
	}
	if len(reason) > 500 || strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return usage("--reason: want one line of at most 500 bytes")
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{""}
	}
	changed := 0
	_, err = standing.Update(ctx, l, func(s *standing.State) error {
		before := len(s.Pauses)
		all := slices.Contains(names, "")
		s.Pauses = slices.DeleteFunc(s.Pauses, func(p *standing.Pause) bool { return all || slices.Contains(names, p.Limit) })
		if changed = before - len(s.Pauses); resume {
			return nil
		}
		for _, name := range names {
			s.Pauses = append(s.Pauses, &standing.Pause{Limit: name, Since: now, Until: end.UTC(), Reason: reason})
		}
		return nil
	})
	if err != nil {
		return awsconn.Explained(err)
	}
	what := "all limits"
	if names[0] != "" {
		what = strings.Join(names, ", ")
	}
	switch {
	case resume && changed == 0:
		a.note("%s: not paused", what)
	case resume:
		a.note("%s: resumed", what)
	case end.IsZero():
		a.note("%s: paused until athenatrail limits pause --resume", what)
	default:
		a.note("%s: paused until %s", what, end.In(e.Timezone).Format("2006-01-02 15:04"))
	}
	return nil
}

func (a *app) limitsLiftCommand() *cobra.Command {
	var names []string
	var dryRun bool
	c := &cobra.Command{
		Use:   "lift WHO",
		Short: "Take back a block, or what was changed of a work group, at once",
		Long: `Take back what stands because of limits for a person, team or work group, whatever
their use. It is not done again in the same window. WHO is a name as limits status
shows it, in which * and ? may stand.`,
		Example: `  athenatrail limits lift rosa@example.com
  athenatrail limits lift '*' --limit analysts-day --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.limitsLift(cmd.Context(), args[0], names, dryRun)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&names, "limit", nil, "only what the limit with this name did; repeatable")
	f.BoolVar(&dryRun, "dry-run", false, "say what would be lifted, and do nothing")
	return c
}

func (a *app) limitsLift(ctx context.Context, who string, names []string, dryRun bool) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	all, err := e.CompileLimits() // what stands may be of a limit that is gone
	if err != nil {
		return asUsage(err)
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	o, err := e.Enforce(ctx, l, all, all.Only(func(*limit.Limit) bool { return false }), time.Now())
	if err != nil {
		return awsconn.Explained(err)
	}
	o.DryRun = dryRun
	by := "unknown"
	if !dryRun {
		if arn, _, err := o.Identify(ctx); err == nil {
			by = arn
		}
	}
	pattern := glob.New(who)
	result, err := enforce.Lift(ctx, o, by, func(x *standing.Act) bool {
		subject := limit.Subject{Name: x.Subject, Account: x.SubjectAccount, Region: x.SubjectRegion}
		return (pattern.Match(x.Subject) || pattern.Match(x.Person) || pattern.Match(subject.String())) && (len(names) == 0 || slices.Contains(names, x.Limit))
	})
	if err != nil {
		return awsconn.Explained(err)
	}
	if result.Busy != "" {
		return hint(fmt.Errorf("lift %s: another process acts on the limits just now (%s)", who, result.Busy), "try again in a moment")
	}
	if len(result.Done) == 0 {
		return hint(fmt.Errorf("lift %s: nothing stands for them", who), "athenatrail limits status --history says what was done")
	}
	if err := a.writeActions("limits lift", e.Timezone, result.Done); err != nil {
		return err
	}
	if result.Failed() > 0 {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// standingNotes says what is paused and what stands, as a reader of limits
// status must know it.
func standingNotes(ctx context.Context, l *lake.Lake, now time.Time, zone *time.Location) (paused, blocked []string, err error) {
	s, err := standing.Load(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range s.Pauses {
		if !p.Holds(now) {
			continue
		}
		what := "all limits are paused"
		if p.Limit != "" {
			what = "limit " + p.Limit + " is paused"
		}
		text := what + " since " + p.Since.In(zone).Format("2006-01-02 15:04")
		if !p.Until.IsZero() {
			text += " until " + p.Until.In(zone).Format("2006-01-02 15:04")
		}
		if p.Reason != "" {
			text += ": " + p.Reason
		}
		paused = append(paused, text)
	}
	lines := map[string]int{}
	for _, x := range s.Acts {
		if !x.Stands() {
			continue
		}
		subject := limit.Subject{Name: x.Subject, Account: x.SubjectAccount, Region: x.SubjectRegion}
		text := map[string]string{
			athenatrail.ActBlock: "blocked", athenatrail.ActWorkGroupState: "work group disabled", athenatrail.ActWorkGroupCutoff: "queries of the work group cut off",
		}[x.Action] + ": " + subject.String() + " by " + x.Limit
		if until := cmp.Or(x.Until, x.WindowEnd); !until.IsZero() {
			text += " until " + until.In(zone).Format("2006-01-02 15:04")
		}
		lines[text]++
	}
	for text := range lines {
		blocked = append(blocked, text)
	}
	slices.Sort(blocked)
	return paused, blocked, nil
}
