package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

func (a *app) ddlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ddl ENGINE",
		Short: "Print the definitions that make the lake's tables in another engine",
		Long: `Print the definitions that make the lake's tables and views in an engine of your
own. The engine so far is duckdb: a script for duckdb -init.`,
		Example:   `  athenatrail ddl duckdb > lake.sql && duckdb -init lake.sql`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"duckdb"},
		RunE:      func(cmd *cobra.Command, args []string) error { return a.ddl(cmd.Context(), args[0]) },
	}
}

func (a *app) ddl(ctx context.Context, engine string) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	var has func(string) bool
	if setup.IsS3(e.Lake) {
		has = func(table string) bool { return hasTable(ctx, l, table) }
	}
	text, err := report.DDL(engine, e.Lake, has)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}

// hasTable tells whether a table or fact has any file.
func hasTable(ctx context.Context, l *lake.Lake, name string) bool {
	for _, prefix := range []string{"tables/" + name + "_open/", "facts/" + name + "/"} {
		for file, err := range l.List(ctx, prefix) {
			if err == nil && strings.HasSuffix(file.Key, ".parquet") {
				return true
			}
			break
		}
	}
	return false
}
