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
		has = func(folder string) bool { return hasFiles(ctx, l, folder) }
	}
	text, err := report.DDL(engine, e.Lake, has)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}

// hasFiles tells whether a folder of the lake has any file.
func hasFiles(ctx context.Context, l *lake.Lake, folder string) bool {
	for file, err := range l.List(ctx, folder+"/") {
		return err == nil && strings.HasSuffix(file.Key, ".parquet")
	}
	return false
}
