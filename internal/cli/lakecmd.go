package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

func (a *app) lakeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lake",
		Short: "Look after the lake: rebuild, verify, compact, forget",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("lake: want rebuild, verify, compact or forget; see athenatrail lake --help")
		},
	}
	var all bool
	rebuildCommand := &cobra.Command{
		Use:   "rebuild",
		Short: "Derive the tables again from the facts, without the trail and without Athena",
		Long: `Derive again every day whose tables were made with other prices or other rules
than today's, or every day with --all. Only the lake's own facts are read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rebuild(cmd.Context(), all) },
	}
	rebuildCommand.Flags().BoolVar(&all, "all", false, "derive every day, not only the outdated")
	rebuildCommand.Flags().Int("jobs", 0, "days derived side by side (default: one a core)")
	c.AddCommand(rebuildCommand, a.compactCommand(), a.forgetCommand(), &cobra.Command{
		Use:   "verify",
		Short: "Check that every file of the lake opens, lies where it belongs and agrees with the ledger",
		Long: `Check that every file of the lake opens and decodes, lies where it belongs and
holds its rows in order and once; that the ledger's counts add up and cover the
events; and that every day's tables are what its facts give, by deriving them
again without writing. Exit code 5 means that something is wrong; each problem
is a row, with its remedy.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verifyLake(cmd.Context()) },
	})
	return c
}

func (a *app) rebuild(ctx context.Context, all bool) error {
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
	bar := a.progress()
	b := &rebuild.Builder{Lake: l, Settings: settings, Jobs: e.Jobs, Done: bar.derived()}
	days, err := b.Stale(ctx, all)
	bar.close()
	if err != nil {
		return awsconn.Explained(err)
	}
	if err := l.SetRebuiltWith(ctx, settings.Hash()); err != nil {
		return awsconn.Explained(err)
	}
	a.note("derived %s", count(int64(len(days)), "day of an account and region", "days of an account and region"))
	return nil
}

func (a *app) verifyLake(ctx context.Context) error {
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
	book := ledger.New(l)
	var rows [][]any
	add := func(p lake.Problem) { rows = append(rows, []any{p.Path, p.What, p.Hint}) }
	for _, problems := range []iter.Seq[lake.Problem]{lake.Verify(ctx, l, ""), book.Verify(ctx)} {
		for p := range problems {
			add(p)
		}
	}
	problems, err := collect.VerifyLedger(ctx, l, book)
	if err != nil {
		return err
	}
	b := &rebuild.Builder{Lake: l, Settings: settings}
	v, err := b.Verify(ctx)
	if err != nil {
		return err
	}
	for _, p := range append(problems, v.Problems...) {
		add(p)
	}
	a.note("compared the tables of %s with their facts", count(int64(v.Compared), "day of an account and region", "days of an account and region"))
	if v.Stale > 0 {
		a.note("%s derived with other settings were not compared: athenatrail lake rebuild derives them with today's", count(int64(v.Stale), "day"))
	}
	if v.Marked > 0 {
		a.note("%s still to be derived were not compared: a run was interrupted, the next collect goes on", count(int64(v.Marked), "day"))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(rows) == 0 {
		a.note("the lake %s is sound", e.Lake)
		return nil
	}
	if err := a.write(&format.Result{
		View:    "lake verify",
		Columns: []format.Column{{Name: "path", Kind: format.Text}, {Name: "problem", Kind: format.Text}, {Name: "remedy", Kind: format.Text}},
		Rows:    format.RowsOf(rows),
	}); err != nil {
		return err
	}
	return &exitError{exitUnverified, fmt.Errorf("the lake %s has %s", e.Lake, count(int64(len(rows)), "problem"))}
}
