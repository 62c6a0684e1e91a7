package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

type ddlOptions struct {
	location, catalog, database, trail string
	compat                             bool
}

func (a *app) ddlCommand() *cobra.Command {
	var o ddlOptions
	c := &cobra.Command{
		Use:   "ddl ENGINE",
		Short: "Print the definitions that make the lake's tables in another engine",
		Long: `Print the definitions that make the lake's tables and views in an engine of your
own: duckdb, a script for duckdb -init; athena, for Athena's query editor; trino,
for the command line of Trino, by its Hive connector; glue, a JSON list of what
Glue's CreateTable takes, without the views. All but duckdb want the lake in S3.
Tables find their days by partition projection; docs/engines.md says more.`,
		Example: `  athenatrail ddl duckdb > lake.sql && duckdb -init lake.sql
  athenatrail ddl athena --lake s3://usage-lake --trail s3://trail-logs > lake.sql
  athenatrail ddl trino --lake s3://usage-lake --catalog hive > lake.sql && trino --file lake.sql`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"duckdb", "athena", "trino", "glue"},
		RunE:      func(cmd *cobra.Command, args []string) error { return a.ddl(cmd.Context(), args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.location, "location", "", "where the engine finds the lake, if that is not --lake: an s3:// location")
	f.StringVar(&o.catalog, "catalog", "", "Trino's catalog of a Hive connector (default: hive)")
	f.StringVar(&o.database, "database", "", "the database (schema) of the tables (default: athenatrail)")
	f.StringVar(&o.trail, "trail", "", "the trail that cloudtrail_logs reads, up to or with its AWSLogs (default: the first source in S3)")
	f.BoolVar(&o.compat, "compat", false, "add athena_api_output, the table of AthenaMetrics")
	return c
}

func (a *app) ddl(ctx context.Context, engine string, o ddlOptions) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	options := report.DDLOptions{Location: e.Lake, Catalog: o.catalog, Database: o.database, Trail: o.trail, Compat: o.compat}
	if o.location != "" {
		options.Location = o.location
	}
	if engine == "duckdb" {
		if setup.IsS3(e.Lake) {
			options.Has = func(folder string) bool { return hasFiles(ctx, l, folder) }
		}
	} else {
		if options.First, err = firstDayOf(ctx, l, report.Folders()...); err != nil {
			return err
		}
		for _, source := range e.Sources {
			if options.Trail == "" && setup.IsS3(source) {
				options.Trail = source
			}
		}
		for _, account := range e.Accounts {
			options.Accounts = append(options.Accounts, account.ID)
		}
		if !slices.Contains(e.Regions, "all") {
			options.Regions = e.Regions
		}
	}
	text, err := report.DDL(engine, options)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}

// firstDayOf returns the first day of which a folder of the lake has a file, zero
// where none has. Listings are in the order of names, so the first file is
// enough.
func firstDayOf(ctx context.Context, l *lake.Lake, folders ...string) (first time.Time, err error) {
	for _, prefix := range folders {
		for file, err := range l.List(ctx, prefix) {
			if err != nil {
				return first, fmt.Errorf("find the lake's first day: %w", err)
			}
			day, _, ok := strings.Cut(strings.TrimPrefix(file.Key, prefix+"dt="), "/")
			date, err := athenatrail.ParseDate(day)
			if !ok || err != nil || !strings.HasSuffix(file.Key, ".parquet") {
				continue
			}
			if t := date.Time(); first.IsZero() || t.Before(first) {
				first = t
			}
			break
		}
	}
	return first, nil
}

// hasFiles tells whether a folder of the lake has any file.
func hasFiles(ctx context.Context, l *lake.Lake, folder string) bool {
	for file, err := range l.List(ctx, folder+"/") {
		return err == nil && strings.HasSuffix(file.Key, ".parquet")
	}
	return false
}
