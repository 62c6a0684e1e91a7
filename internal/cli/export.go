package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type exportOptions struct {
	dest       string
	output     string
	table      string
	columns    string
	from, to   string
	formulas   string
	noHeader   bool
	incomplete bool
	dryRun     bool
}

func (a *app) exportCommand() *cobra.Command {
	var o exportOptions
	c := &cobra.Command{
		Use:   "export --dest DIR|s3://BUCKET/PREFIX",
		Short: "Write the lake's rows as files by the hour, for the jobs that people have",
		Long: `Write one file an hour below DIR or the prefix, in folders that Hive, Athena and
DuckDB know as partitions:

  year=2026/month=11/day=03/hour=07/query_executions.csv

A row lies in the hour of its start, in one file only, and an hour in which
nothing ran has a file without rows. Hours are UTC, unless --timezone is given
on the command line: then they are those of that zone's clock, and so are the
dates of --from and --to. An hour that --from or --to cuts is exported whole.

Only hours that are complete are written: those that ended before the moment to
which the lake is complete. Running again writes only the files that differ, of
hours of which the lake has learnt more.

Sets of columns: all is the table without the SQL, which query_string adds;
tracker, athena-metrics and focus are those of other tools and of FOCUS 1.2.`,
		Example: `  athenatrail export --dest ./export --from 2026-11-01 --to 2026-11-04
  athenatrail export --dest s3://my-bucket/athena --columns all,query_string --output parquet
  athenatrail export --dest ./daily-report --columns tracker --timezone America/New_York`,
		Args: cobra.NoArgs,
		// In place of the root's, which knows other forms of --output.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.flags = cmd.Flags()
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.export(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.dest, "dest", "", "where to: a folder, or s3://bucket/prefix")
	f.StringVarP(&o.output, "output", "o", string(export.CSV), "csv, json, jsonl or parquet")
	f.StringVar(&o.table, "table", export.Queries, "what: "+strings.Join(export.Tables(), ", "))
	f.StringVar(&o.columns, "columns", export.All, "all, tracker, athena-metrics, focus, or columns with commas between")
	f.StringVar(&o.from, "from", "", "from this hour on: 2026-11-01, an RFC 3339 time, 7d, yesterday (default: 7 days before --to)")
	f.StringVar(&o.to, "to", "", "before this hour (default: the moment up to which the lake is complete)")
	f.StringVar(&o.formulas, "formulas", "escape", "texts of CSV that a spreadsheet would compute: escape or keep")
	f.BoolVar(&o.noHeader, "no-header", false, "write CSV without its header")
	f.BoolVar(&o.incomplete, "incomplete", false, "write hours that are not complete too")
	f.BoolVar(&o.dryRun, "dry-run", false, "say how many files would be written, and write none")
	return c
}

func (a *app) export(ctx context.Context, o exportOptions) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	run, err := a.exportRun(e, o, time.Now())
	if err != nil {
		return err
	}
	if run.Lake, err = e.OldLake(ctx); err != nil {
		return err
	}
	if run.Dest, err = exportStore(ctx, e, o.dest); err != nil {
		return err
	}
	if run.CompleteTo, _, err = ledger.New(run.Lake).CompleteTo(ctx); err != nil {
		return awsconn.Explained(err)
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	run.DerivedWith = settings.Hash()
	limitMemory()
	sum, err := export.Run(ctx, run)
	switch {
	case errors.Is(err, export.ErrUsage):
		return asUsage(err)
	case errors.Is(err, export.ErrIncomplete):
		return hint(err, "bring the lake up to date with athenatrail collect, or write what there is with --incomplete")
	}
	if err != nil {
		return exportFailed(err)
	}
	a.sayExport(e, o, run, sum)
	if sum.LeftOut > 0 {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// exportFailed says what to do about an export that ended early.
func exportFailed(err error) error {
	explained := awsconn.Explained(err)
	var hints interface{ Hint() string }
	switch {
	case errors.Is(err, export.ErrDestination) && awsconn.Denied(err):
		return hint(explained, "attach deploy/policy/export.json to who runs this; the files that were written are whole")
	case errors.As(explained, &hints) && hints.Hint() != "":
		return explained
	}
	return hint(explained, "the files that were written are whole; run the command again to go on")
}

// exportRun checks what was asked for, before anything is opened.
func (a *app) exportRun(e *setup.Env, o exportOptions, now time.Time) (export.Options, error) {
	run := export.Options{
		Table: o.table, Columns: o.columns, Output: export.Output(o.output), Zone: time.UTC,
		NoHeader: o.noHeader, Incomplete: o.incomplete, DryRun: o.dryRun,
	}
	if o.dest == "" {
		return run, asUsage(hint(errors.New("export: no --dest"), "name a folder, or s3://BUCKET/PREFIX"))
	}
	if _, err := export.ParseOutput(o.output); err != nil {
		return run, asUsage(err)
	}
	switch o.formulas {
	case "escape":
	case "keep":
		run.Formulas = true
	default:
		return run, usage("--formulas %q: want escape or keep", o.formulas)
	}
	if o.noHeader && run.Output != export.CSV {
		return run, usage("--no-header is of CSV, not of %s", o.output)
	}
	// A zone of the configuration is that of what people read. Folders that
	// change their meaning with it would change under those who load them.
	if a.flags.Changed("timezone") {
		run.Zone = e.Timezone
	}
	var err error
	if o.from != "" {
		if run.From, err = config.ParseTime(o.from, now, run.Zone); err != nil {
			return run, usage("--from: %w", err)
		}
	}
	if o.to != "" {
		if run.To, err = config.ParseTime(o.to, now, run.Zone); err != nil {
			return run, usage("--to: %w", err)
		}
	}
	return run, nil
}

// exportStore opens the destination.
func exportStore(ctx context.Context, e *setup.Env, dest string) (lake.Store, error) {
	rest, ok := strings.CutPrefix(dest, "s3://")
	if !ok {
		return lake.OpenStore(dest)
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return nil, usage("--dest %s: want s3://BUCKET or s3://BUCKET/PREFIX", dest)
	}
	client, err := e.S3(ctx)
	if err != nil {
		return nil, err
	}
	return lake.NewS3Store(client, bucket, prefix)
}

// sayExport says what an export did, and what of it is less than it seems.
func (a *app) sayExport(e *setup.Env, o exportOptions, run export.Options, sum *export.Summary) {
	show := func(t time.Time) string { return t.In(run.Zone).Format("2006-01-02 15:04") }
	verb := "wrote"
	if o.dryRun {
		verb = "would write"
	}
	a.note("%s %s and left %s as they were: %s of %s from %s to %s %s", verb, count(int64(sum.Written), "file"), count(int64(sum.Unchanged), "file"),
		count(sum.Rows, "row"), count(int64(sum.Hours), "hour"), show(sum.From), show(sum.To), run.Zone)
	if !a.flags.Changed("timezone") && e.Timezone != time.UTC {
		a.note("hours are UTC; with --timezone %s they are of that zone", e.Timezone)
	}
	if sum.LeftOut > 0 {
		a.say("warning", hint(fmt.Errorf("%s not complete: left out, from %s on; the lake is complete to %s", are(int64(sum.LeftOut), "hour"), show(sum.LeftOutFrom), showKnown(run.CompleteTo, show)),
			"bring the lake up to date with athenatrail collect, or write what there is with --incomplete"))
	}
	if sum.Before > 0 {
		a.say("warning", fmt.Errorf("%s before the lake's first row, of %s: that their files are empty does not say that nothing ran", are(int64(sum.Before), "hour"), sum.Begins.Format(time.DateOnly)))
	}
	if sum.Waiting > 0 {
		a.note("%s, in files of %s, waiting for Athena's answer (see gap): export these hours again after the next athenatrail collect", are(sum.Waiting, "row"), count(int64(sum.WaitingHours), "hour"))
	}
	if sum.Underived > 0 {
		a.say("warning", hint(fmt.Errorf("%d days (of an account and region) have facts that their tables do not know yet", sum.Underived), "run athenatrail collect, then export again"))
	}
	if sum.Outdated > 0 {
		a.say("warning", hint(fmt.Errorf("%d days (of an account and region) were derived with other prices or rules than today's", sum.Outdated), "athenatrail lake rebuild --lake %s derives them again", e.Lake))
	}
}

func showKnown(t time.Time, show func(time.Time) string) string {
	if t.IsZero() {
		return "a time that is not known"
	}
	return show(t)
}

func are(n int64, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return count(n, what) + " are"
}
