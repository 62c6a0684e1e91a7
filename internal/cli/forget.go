package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/redact"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type forgetOptions struct {
	person, before string
	texts, dryRun  bool
}

func (a *app) forgetCommand() *cobra.Command {
	var o forgetOptions
	c := &cobra.Command{
		Use:   "forget",
		Short: "Erase a person, the days before one, or the SQL, and prove it",
		Long: `Erase from the lake all that is known of a person, or the days before one, or,
with --texts, only the SQL and what quotes it. Tables are derived again from
what is left, so past totals change: the command says by how much. Then every
file of the lake is searched for what was erased; exit code 1 means that
something is left, and where.

What was erased does not come back when its log files are read again. Files
that a bucket keeps as old versions, and backups, are not the lake's: remove
them by the bucket's own rules.`,
		Example: `  athenatrail lake forget --person ada@example.com --dry-run
  athenatrail lake forget --before 2025-01-01
  athenatrail lake forget --texts --before 90d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.forget(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.person, "person", "", "a person, as reports name them, or the id or ARN of their principal")
	f.StringVar(&o.before, "before", "", "the days before this one, in UTC: 2026-01-01, 400d")
	f.BoolVar(&o.texts, "texts", false, "only the SQL: of the person, of the days, or of all")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be erased, and do nothing")
	f.Int("jobs", 0, "days derived side by side (default: one a core)")
	return c
}

func (a *app) forget(ctx context.Context, o forgetOptions) error {
	switch {
	case o.person == "" && o.before == "" && !o.texts:
		return &exitError{exitUsage, hint(errors.New("lake forget: nothing to forget"), "name a person with --person, a day with --before, or --texts for all SQL")}
	case o.person != "" && o.before != "":
		return usage("lake forget: --person and --before: want one of them")
	case len(strings.TrimSpace(o.person)) < 2 && o.person != "":
		return usage("lake forget: --person %q: want the name of a person", o.person)
	}
	limitMemory()
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	var before athenatrail.Date
	if o.before != "" {
		at, err := config.ParseTime(o.before, now, time.UTC)
		if err != nil {
			return usage("--before: %w", err)
		}
		if before = athenatrail.DateOf(at); at.After(now) {
			return usage("--before %s: it is in the future", o.before)
		}
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	bar := a.progress()
	result, err := forget.Run(ctx, forget.Options{
		Lake: l, Settings: settings, Jobs: e.Jobs, RunID: setup.RunID(now),
		Person: o.person, Before: before, Texts: o.texts, Keep: redact.Mode(e.QueryText), DryRun: o.dryRun,
		Done: bar.derived(),
	})
	bar.close()
	if errors.Is(err, forget.ErrNobody) {
		return &exitError{exitUsage, hint(err, "name the person behind it; reports show whom the lake knows")}
	}
	if err != nil {
		return hint(awsconn.Explained(err), "run the command again: it goes on where it ended")
	}
	return a.forgotten(e, o, result)
}

// forgotten says what was erased, and what is left.
func (a *app) forgotten(e *setup.Env, o forgetOptions, r *forget.Result) error {
	var rows [][]any
	for _, c := range r.Counts {
		rows = append(rows, []any{"facts/" + c.Fact, c.Erased, c.Altered, c.Files})
	}
	if err := a.write(&format.Result{
		View: "lake forget",
		Columns: []format.Column{
			{Name: "facts", Kind: format.Text}, {Name: "erased", Kind: format.Count},
			{Name: "altered", Kind: format.Count}, {Name: "files", Kind: format.Count},
		},
		Rows: format.RowsOf(rows),
	}); err != nil {
		return err
	}
	if !o.texts {
		lose := "past totals lose"
		if o.dryRun {
			lose = "past totals would lose"
		}
		a.note("%s %s and %s, %s scanned, %s", lose, count(r.Executions, "execution"), count(r.Sessions, "session"), format.HumanBytes(r.DataScanned), costs(r.Cost))
	}
	if o.dryRun {
		a.note("nothing was written")
		return nil
	}
	a.note("derived %s", count(int64(r.Derived), "day of an account and region", "days of an account and region"))
	switch {
	case o.texts:
		a.note("did it again on the facts of %s, without writing: %s", count(int64(r.Scan.Files), "file"), count(leftTimes(r.Scan), "fact would change", "facts would change"))
	case o.person != "":
		a.note("searched %s, %s (%s), for %s of the person", count(int64(r.Scan.Files), "file"), count(r.Scan.Texts, "text"), format.HumanBytes(r.Scan.Bytes), count(int64(r.Names), "name"))
	default:
		a.note("looked at %s for files of earlier days", count(int64(r.Scan.Files), "file"))
	}
	if setup.IsS3(e.Lake) {
		a.note("if the bucket keeps old versions, they still hold what was erased: remove them by the bucket's own rules; copies for reports are brought up to date by the next report")
	}
	if len(r.Scan.Left) == 0 {
		a.note("nothing is left")
		return nil
	}
	for _, left := range r.Scan.Left {
		text := fmt.Sprintf("%s: %s: %s", left.Path, left.Where, count(left.Times, "time"))
		if left.Why != "" {
			text += ": " + left.Why
		}
		a.say("warning", errors.New(text))
	}
	return &exitError{exitNothing, fmt.Errorf("erased, but something is left in %s", count(int64(len(r.Scan.Left)), "place"))}
}

func leftTimes(s *forget.Scan) (n int64) {
	for _, left := range s.Left {
		n += left.Times
	}
	return n
}

// costs writes amounts of several currencies, "no cost" if there are none.
func costs(amounts map[string]athenatrail.Money) string {
	var parts []string
	for _, currency := range slices.Sorted(maps.Keys(amounts)) {
		parts = append(parts, amounts[currency].String()+" "+currency)
	}
	if len(parts) == 0 {
		return "no cost"
	}
	return strings.Join(parts, " and ")
}
