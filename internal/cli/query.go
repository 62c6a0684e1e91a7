package cli

import (
	"context"

	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/spf13/cobra"
)

func (a *app) queryCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "query SQL",
		Short: "Ask the lake in SQL",
		Long: `Ask the lake in SQL (DuckDB's, or with --engine Athena's or Trino's). There are the tables query_executions, activity,
usage_rollup and query_texts, and the view queries, which is query_executions
with the SQL joined in. Nothing outside the lake can be read, and nothing
written.`,
		Example: `  athenatrail query "SELECT person, sum(cost) FROM query_executions WHERE dt >= DATE '2026-11-01' GROUP BY 1 ORDER BY 2 DESC"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.query(cmd.Context(), args[0], limit) },
	}
	a.engineFlag(c.Flags())
	c.Flags().IntVar(&limit, "limit", 0, "at most so many rows")
	return c
}

func (a *app) query(ctx context.Context, sql string, limit int) error {
	if limit < 0 {
		return usage("--limit %d: want 0 for all, or more", limit)
	}
	return a.withAnyEngine(ctx, func(_ *setup.Env, r *readLake) error {
		result, err := r.db.Query(ctx, sql, limit)
		if err != nil {
			return err
		}
		return a.write(result)
	})
}
