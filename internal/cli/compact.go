package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/compact"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type compactOptions struct {
	before   string
	keepOpen int
	grace    time.Duration
	dryRun   bool
}

func (a *app) compactCommand() *cobra.Command {
	o := compactOptions{keepOpen: compact.KeepOpen, grace: compact.Grace}
	c := &cobra.Command{
		Use:   "compact",
		Short: "Make one sorted file a day of what each account and region has, and apply the retention",
		Long: `Close the days before one: of each table, the files that a day has of every
account and region become one file, sorted by account, region, person and time,
which is smaller and faster to read. Rows stay as they are, and so do reports. It
may run while others collect and read. The files that were there before stay for
the time of --grace, for who opened the lake earlier, and a later run removes
them. Then what the configuration's retention does not keep is removed.

A record that comes late for a closed day changes that day's file; nothing is
lost, it only takes longer. A second run writes nothing.`,
		Example: `  athenatrail lake compact
  athenatrail lake compact --keep-open 30
  athenatrail lake compact --before 2026-10-01 --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.before != "" && cmd.Flags().Changed("keep-open") {
				return usage("lake compact: --before and --keep-open: want one of them")
			}
			return a.compact(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.before, "before", "", "close the days before this one, in UTC: 2026-01-01, 30d")
	f.IntVar(&o.keepOpen, "keep-open", o.keepOpen, "days that stay open, before today or before the last that the lake is complete to")
	f.DurationVar(&o.grace, "grace", o.grace, "for how long the files of open days stay once these are closed; 0 only if nobody else reads the lake")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	f.Int("jobs", 0, "days closed side by side (default: one a core)")
	return c
}

func (a *app) compact(ctx context.Context, o compactOptions) error {
	switch {
	case o.keepOpen < 1:
		return usage("--keep-open %d: want 1 or more: today is not over", o.keepOpen)
	case o.grace < 0:
		return usage("--grace %s: want 0 or more", o.grace)
	}
	limitMemory()
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	now := time.Now()
	before, err := o.firstOpen(ctx, l, now)
	if err != nil {
		return err
	}
	keep := map[string]athenatrail.Date{}
	for name, days := range e.Retention {
		keep[name] = athenatrail.DateOf(now) - athenatrail.Date(days)
	}
	bar := a.progress()
	result, err := compact.Run(ctx, compact.Options{
		Lake: l, Builder: &rebuild.Builder{Lake: l, Settings: settings, Jobs: e.Jobs, Done: bar.derived()},
		RunID: setup.RunID(now), Now: now, Before: before, Grace: o.grace, KeepFrom: keep, Jobs: e.Jobs, DryRun: o.dryRun,
	})
	bar.close()
	if err != nil {
		return hint(awsconn.Explained(err), "run the command again: it goes on where it ended")
	}
	a.compacted(o, result)
	return nil
}

// firstOpen returns the first day that stays open.
func (o *compactOptions) firstOpen(ctx context.Context, l *lake.Lake, now time.Time) (athenatrail.Date, error) {
	today := athenatrail.DateOf(now)
	if o.before != "" {
		at, err := config.ParseTime(o.before, now, time.UTC)
		if err != nil {
			return 0, usage("--before: %w", err)
		}
		day := athenatrail.DateOf(at)
		if day > today {
			return 0, usage("--before %s: it is in the future", o.before)
		}
		return day, nil
	}
	// A lake that is collected once a month has days to come that are long past.
	completeTo, _, err := ledger.New(l).CompleteTo(ctx)
	if err != nil {
		return 0, err
	}
	if !completeTo.IsZero() {
		today = min(today, athenatrail.DateOf(completeTo))
	}
	return max(0, today-athenatrail.Date(o.keepOpen)), nil
}

// compacted says what was done.
func (a *app) compacted(o compactOptions, r *compact.Result) {
	days := count(int64(r.Days), "day", "days")
	switch {
	case o.dryRun && r.Days > 0:
		a.note("would close %s, whose files have %s", days, format.HumanBytes(r.OpenSize))
	case r.Days > 0:
		a.note("closed %s: %s in %s, of %s before", days, count(r.Rows, "row"), format.HumanBytes(r.Size), format.HumanBytes(r.OpenSize))
	case r.Held == 0:
		a.note("there are no days to close")
	}
	if r.Before > 0 {
		a.note("days before %s are closed", r.Before)
	}
	if r.Held != 0 {
		a.say("warning", hint(errHeld(r.Held), "run the command again when that run has ended"))
	}
	if r.Texts > 0 {
		a.note("took the SQL out of %s", count(int64(r.Texts), "text"))
	}
	if r.Old > 0 {
		a.note("removed %s (%s) with rows that are not kept", count(int64(r.Old), "file"), format.HumanBytes(r.OldSize))
	}
	if r.Removed > 0 {
		did := "removed"
		if o.dryRun {
			did = "would remove"
		}
		a.note("%s %s (%s) of days closed before", did, count(int64(r.Removed), "file"), format.HumanBytes(r.RemovedSize))
	}
	if o.dryRun {
		a.note("nothing was written")
	}
}

// errHeld says that days stay open because others derive them.
type errHeld athenatrail.Date

func (e errHeld) Error() string {
	return "days from " + athenatrail.Date(e).String() + " on stay open: another run is deriving them"
}
